package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What each mutant takes out stands in the sources, exactly once: a list that has gone
// out of date would let its mutants pass for killed, or be passed over.
func TestListIsTrue(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mutants {
		switch {
		case seen[m.Name]:
			t.Errorf("there are two mutants called %s", m.Name)
		case m.Package == "" || len(m.Edits) == 0:
			t.Errorf("%s: no package, or nothing is edited", m.Name)
		}
		seen[m.Name] = true
		if _, err := regexp.Compile(m.Run); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		if _, err := apply(filepath.Join("..", ".."), m.Edits); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	once := Edit{"main.go", "package main", "package mutated"}
	changed, err := apply(".", []Edit{once, {"main.go", "package mutated", "package twice"}})
	if err != nil || !strings.Contains(changed["main.go"], "package twice") {
		t.Errorf("two edits of one file: %v", err)
	}
	for _, e := range []Edit{{"main.go", "no such text", ""}, {"main.go", "func ", ""}, {"gone.go", "package", ""}} {
		if _, err := apply(".", []Edit{e}); err == nil {
			t.Errorf("%v is taken for an edit", e)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const start = `{"Time":"2026-01-01T00:00:00Z","Action":"start"}` + "\n"
	for _, c := range []struct {
		said    string
		verdict verdict
		detail  string
	}{
		{start + `{"Action":"pass","Test":"TestA"}` + "\n" + `{"Action":"pass"}`, survived, "1 tests pass"},
		{start + `{"Action":"fail","Test":"TestA"}` + "\n" + `{"Action":"fail","Test":"TestA/b"}` + "\n" + `{"Time":"2026-01-01T00:00:02Z","Action":"fail"}`, killed, "TestA/b, 2.0 s"},
		{start + `{"Action":"output","Output":"goroutines left behind\n"}` + "\n" + `{"Time":"2026-01-01T00:00:02Z","Action":"fail"}`, killed, "the end of the package: goroutines left behind, 2.0 s"},
		{start + `{"Action":"output","Output":"panic: test timed out after 1s\n"}` + "\n" + `{"Action":"fail","Test":"TestA"}` + "\n" + `{"Action":"fail"}`, endless, "TestA"},
		{start + `{"Action":"pass"}`, invalid, "no test has run"},
		{`{"Action":"build-output","Output":"syntax error\n"}` + "\n" + start + `{"Action":"fail"}`, invalid, "it does not build: syntax error"},
	} {
		if got := judge(strings.NewReader(c.said), ""); got != (outcome{c.verdict, c.detail}) {
			t.Errorf("%s is judged %v, want %s: %s", c.said, got, c.verdict, c.detail)
		}
	}
}
