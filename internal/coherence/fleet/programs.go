package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/freshlist/freshlist/internal/testmain"
)

const module = "github.com/freshlist/freshlist/"

// Programs are the paths of the two programs.
type Programs struct{ API, Invalidator string }

// built are the programs as the repository has them, built once per test process.
var built = sync.OnceValues(func() (Programs, error) {
	dir, err := os.MkdirTemp("", "freshlist-programs-*")
	if err != nil {
		return Programs{}, err
	}
	testmain.AtExit(func() error { return os.RemoveAll(dir) })
	return build(dir, "", raceDetector(), "api", "invalidator")
})

// Build returns the programs as the repository has them. They have the race
// detector if the test has it.
func Build(t testing.TB) Programs {
	t.Helper()
	programs, err := built()
	if err != nil {
		t.Fatalf("build the programs: %v", err)
	}
	return programs
}

// Change is one place of one source file, as a mutant has it.
type Change struct {
	File     string // from the top of the module
	Old, New string // Old must stand in the file exactly once
}

// Mutant builds some of the programs, api or invalidator or both, with some changes
// of which the sources on disk know nothing (go build -overlay); another one is as
// the repository has it. Mutants are without the race detector: they are built once
// each, and what is looked for is a stale answer.
func Mutant(t testing.TB, names []string, changes ...Change) Programs {
	t.Helper()
	dir := t.TempDir()
	overlay, err := writeOverlay(dir, changes)
	if err != nil {
		t.Fatalf("change the sources: %v", err)
	}
	mutant, err := build(dir, overlay, false, names...)
	if err != nil {
		t.Fatalf("build the mutant: %v", err)
	}
	programs := Build(t)
	if slices.Contains(names, "api") {
		programs.API = mutant.API
	}
	if slices.Contains(names, "invalidator") {
		programs.Invalidator = mutant.Invalidator
	}
	return programs
}

// build builds programs into dir, without the race detector as make build does, so that
// little is compiled anew.
func build(dir, overlay string, race bool, names ...string) (Programs, error) {
	args := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", dir + string(filepath.Separator)}
	env := append(os.Environ(), "CGO_ENABLED=0")
	if race {
		args = append(args, "-race")
		env = os.Environ()
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	for _, name := range names {
		args = append(args, module+"cmd/"+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = env
	if said, err := cmd.CombinedOutput(); err != nil {
		return Programs{}, fmt.Errorf("%v: %w\n%s", cmd.Args, err, said)
	}
	return Programs{API: filepath.Join(dir, "api"), Invalidator: filepath.Join(dir, "invalidator")}, nil
}

// raceDetector tells whether this test process has it.
func raceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// writeOverlay writes the changed files to dir and returns the path of the file
// that puts them in place of the sources.
func writeOverlay(dir string, changes []Change) (string, error) {
	top, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	replace := map[string]string{}
	for i, c := range changes {
		source := filepath.Join(strings.TrimSpace(string(top)), filepath.FromSlash(c.File))
		from := source
		if changed, ok := replace[source]; ok {
			from = changed
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(text), c.Old); n != 1 {
			return "", fmt.Errorf("%s holds %q %d times, not once: bring the mutant up to date", c.File, c.Old, n)
		}
		replace[source] = filepath.Join(dir, fmt.Sprint(i, "-", filepath.Base(source)))
		if err := os.WriteFile(replace[source], []byte(strings.Replace(string(text), c.Old, c.New, 1)), 0o600); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, overlay, 0o600)
}
