package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Mutant is the code without one guard, and who must notice.
type Mutant struct {
	Name    string // area/guard
	Edits   []Edit
	Package string // from the top of the module, as the go command takes it
	Run     string // pattern of the tests that must fail; "" = all of the package
}

// Edit is one place of one file. Old must stand there exactly once.
type Edit struct{ File, Old, New string }

// outcome is what became of a mutant.
type outcome struct {
	verdict verdict
	detail  string
	took    time.Duration // to build it and run its tests
}

type verdict string

const (
	killed     verdict = "killed"        // a test has failed
	survived   verdict = "survived"      // all tests have passed
	notApplied verdict = "did not apply" // its text does not stand there once, or it does not build
	timedOut   verdict = "timed out"     // the tests did not end within the limit, which a slow machine may cause too
	untried    verdict = "not tried"     // no test has that name, or one fails anyway
)

// verdicts are all that there are, in the order of the summary.
var verdicts = []verdict{killed, survived, notApplied, timedOut, untried}

// trier tries mutants.
type trier struct {
	top, scratch string
	limit        time.Duration

	mu    sync.Mutex
	sound map[string]func() outcome // by package and pattern: its tests without a mutant, run once
}

// try runs the tests of one mutant.
func (t *trier) try(ctx context.Context, m Mutant) outcome {
	if without := t.without(ctx, m); without.verdict != survived {
		return outcome{verdict: untried, detail: "without the mutant: " + without.detail}
	}
	began := time.Now()
	overlay, err := writeOverlay(t.top, filepath.Join(t.scratch, strings.ReplaceAll(m.Name, "/", "_")), m.Edits)
	if err != nil {
		return outcome{verdict: notApplied, detail: err.Error()}
	}
	// -count=1: a result of an earlier run says nothing.
	o := t.test(ctx, m, "-count=1", "-failfast", "-overlay", overlay)
	o.took = time.Since(began)
	return o
}

// without runs the tests of a mutant on the code as it is, once for all mutants that
// have these tests.
func (t *trier) without(ctx context.Context, m Mutant) outcome {
	t.mu.Lock()
	if t.sound == nil {
		t.sound = map[string]func() outcome{}
	}
	key := m.Package + " " + m.Run
	if t.sound[key] == nil {
		t.sound[key] = sync.OnceValue(func() outcome { return t.test(ctx, m) })
	}
	run := t.sound[key]
	t.mu.Unlock()
	return run()
}

// buildTime is what compiling may take besides the tests themselves.
const buildTime = 5 * time.Minute

// fastBuild has the module's packages built in little time, not for speed: of most mutants the build
// takes longer than the tests.
var fastBuild = []string{"-vet=off", "-gcflags=github.com/freshlist/freshlist/...=-N -l", "-ldflags=-s -w"}

// test runs the tests of a mutant and judges what they say.
func (t *trier) test(ctx context.Context, m Mutant, flags ...string) outcome {
	ctx, cancel := context.WithTimeout(ctx, t.limit+buildTime)
	defer cancel()
	args := slices.Concat([]string{"test", "-json", "-timeout", t.limit.String()}, fastBuild, flags)
	if m.Run != "" {
		args = append(args, "-run", m.Run)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, m.Package)...)
	cmd.Dir = t.top
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // the tests too
	cmd.WaitDelay = 10 * time.Second
	var said, failed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &failed
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return outcome{verdict: timedOut, detail: ctx.Err().Error()}
	case err != nil && !errors.As(err, &exit):
		return outcome{verdict: untried, detail: err.Error()}
	}
	return judge(&said, failed.String())
}

// event is what the go command says with -json of a test, or of a package if Test is "".
type event struct {
	Time                 time.Time
	Action, Test, Output string
}

// judge reads what "go test -json" has said of one package.
func judge(said io.Reader, stderr string) outcome {
	var began, ended time.Time
	var killer, broken, last string
	passed, late := 0, false
	for lines := bufio.NewReader(said); ; {
		line, err := lines.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) == nil {
			switch {
			case e.Action == "start":
				began = e.Time
			case e.Action == "build-output":
				broken += e.Output
			case e.Action == "pass" && e.Test != "":
				passed++
			case e.Action == "fail" && e.Test != "" && len(e.Test) > len(killer):
				killer = e.Test // a subtest rather than the test that it is of
			case e.Action == "output" && strings.HasPrefix(e.Output, "panic: test timed out"):
				late = true
			case e.Action == "output":
				last = e.Output
			case e.Test == "" && (e.Action == "fail" || e.Action == "pass"):
				ended = e.Time
				if e.Action == "fail" && killer == "" {
					killer = "the end of the package: " + strings.TrimSpace(last)
				}
			}
		}
		if err != nil {
			break
		}
	}
	switch {
	case broken != "" || began.IsZero():
		return outcome{verdict: notApplied, detail: "it does not build: " + strings.TrimSpace(broken+stderr)}
	case late:
		return outcome{verdict: timedOut, detail: killer}
	case killer != "":
		return outcome{verdict: killed, detail: fmt.Sprintf("%s, %.1f s", killer, ended.Sub(began).Seconds())}
	case passed == 0:
		return outcome{verdict: untried, detail: "no test has run"}
	}
	return outcome{verdict: survived, detail: fmt.Sprintf("%d tests pass", passed)}
}

// moduleFolder returns the folder that holds go.mod.
func moduleFolder() (string, error) {
	top, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(top)), nil
}

// writeOverlay writes the edited files to a new folder and returns the path of the
// file by which the go command takes them for those of the sources.
func writeOverlay(top, folder string, edits []Edit) (string, error) {
	changed, err := apply(top, edits)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range changed {
		source := filepath.Join(top, filepath.FromSlash(file))
		replace[source] = filepath.Join(folder, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(replace[source], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

// apply returns the files that the edits change, as they leave them.
func apply(top string, edits []Edit) (map[string]string, error) {
	changed := map[string]string{}
	for _, e := range edits {
		text, ok := changed[e.File]
		if !ok {
			source, err := os.ReadFile(filepath.Join(top, filepath.FromSlash(e.File)))
			if err != nil {
				return nil, err
			}
			text = string(source)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return nil, fmt.Errorf("%s holds this %d times, not once; bring the list up to date: %q", e.File, n, e.Old)
		}
		changed[e.File] = strings.Replace(text, e.Old, e.New, 1)
	}
	return changed, nil
}
