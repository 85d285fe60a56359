package render_test

import (
	"regexp"
	"testing"
	"testing/fstest"

	"github.com/freshlist/freshlist/internal/serve/render"
)

func TestBuildTag(t *testing.T) {
	t.Parallel()
	if tag := render.BuildTag(); !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(tag) || tag != render.BuildTag() {
		t.Errorf("build tag %q", tag)
	}
}

// Builds that differ in any file have different tags.
func TestBuildTagSeesFiles(t *testing.T) {
	t.Parallel()
	file := func(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }
	seen := map[string]int{}
	for i, files := range []fstest.MapFS{
		{},
		{"a": file("1"), "b": file("2")},
		{"a": file("1"), "b": file("3")},
		{"a": file("2"), "b": file("1")},
		{"a": file("12"), "b": file("")},
		{"a": file("1"), "c": file("2")},
		{"a": file("1b 1\n2")},
	} {
		tag := render.TagOf(files)
		if other, ok := seen[tag]; ok {
			t.Errorf("file sets %d and %d have one tag", other, i)
		}
		seen[tag] = i
	}
}
