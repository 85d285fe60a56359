package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{top}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The linker says nothing of a variable that is not there: the program would have no version.
func TestVersionIsSet(t *testing.T) {
	t.Parallel()
	version := read(t, "internal", "cli", "version.go")
	declared := regexp.MustCompile(`(?m)^var (\w+), (\w+) = "", ""$`).FindStringSubmatch(version)
	if len(declared) != 3 {
		t.Fatal("no variables for version and commit")
	}
	for _, file := range []string{"Dockerfile", "scripts/dist"} {
		text := read(t, file)
		for _, name := range declared[1:] {
			if !strings.Contains(text, "-X github.com/freshlist/freshlist/internal/cli."+name+"=$") {
				t.Errorf("%s does not set %s", file, name)
			}
		}
	}
	for label, argument := range map[string]string{"version": "VERSION", "revision": "REVISION"} {
		if !strings.Contains(read(t, "Dockerfile"), "org.opencontainers.image."+label+"=$"+argument) {
			t.Errorf("the image has no label %s", label)
		}
	}
}

// What the Debian package is made of is there, and its units start and read what it holds.
func TestPackage(t *testing.T) {
	t.Parallel()
	var nfpm struct {
		Contents []struct{ Src, Dst string }
		Scripts  map[string]string
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy", "debian", "nfpm.yaml")), &nfpm); err != nil {
		t.Fatal(err)
	}
	installed := map[string]string{}
	for _, c := range nfpm.Contents {
		installed[c.Dst] = c.Src
		if !strings.Contains(c.Src, "${") {
			read(t, c.Src)
		}
	}
	for _, script := range nfpm.Scripts {
		if !strings.Contains(read(t, script), "\nset -e\n") {
			t.Errorf("%s goes on after an error", script)
		}
	}
	units := 0
	named := regexp.MustCompile(`(?m)^(?:ExecStart|EnvironmentFile)=(\S+)`)
	for path, source := range installed {
		if !strings.HasSuffix(path, ".service") {
			continue
		}
		units++
		files := named.FindAllStringSubmatch(read(t, source), -1)
		for _, file := range files {
			if installed[file[1]] == "" {
				t.Errorf("%s names %s, which the package does not hold", source, file[1])
			}
		}
		if len(files) != 2 {
			t.Errorf("%s names %d files", source, len(files))
		}
	}
	if units != 2 {
		t.Errorf("%d units", units)
	}
}
