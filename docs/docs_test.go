// Package docs holds the documents; its tests hold them to what is there.
package docs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// pages returns the documents, by their paths from the top of the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths := []string{}
	for _, pattern := range []string{"../*.md", "*.md", "../deploy/*.md", "../deploy/*/*.md", "../db/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	for _, page := range []string{"../README.md", "ten-minutes.md", "operations.md"} {
		if texts[page] == "" {
			t.Errorf("%s is not among the documents", page)
		}
	}
	return texts
}

// commands returns the lines of a document that are indented as code, or of one of its sections.
func commands(text, section string) (lines []string) {
	if section != "" {
		_, after, found := strings.Cut(text, "\n"+section+"\n")
		if !found {
			return nil
		}
		text, _, _ = strings.Cut(after, "\n## ")
	}
	for line := range strings.Lines(text) {
		if command, found := strings.CutPrefix(line, "    "); found {
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	mark    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	target  = regexp.MustCompile("(?m)(?:^    |`)make ([a-z-]+)")
	ours    = regexp.MustCompile(`^(?:[A-Z_]+=\S+ |\.local/as-owner )*bin/(api|invalidator)((?: [^|>#;&\s]+)*)`)
)

// anchors returns those that a document's headings have where it is shown.
func anchors(text string) (names []string) {
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		names = append(names, strings.ReplaceAll(mark.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return names
}

// What a document links to is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	for page, text := range pages(t) {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(l[1], ":") {
				continue // of another site
			}
			path, anchor, _ := strings.Cut(l[1], "#")
			aim, aimed := page, text
			if path != "" {
				aim = filepath.Join(filepath.Dir(page), path)
				content, err := os.ReadFile(aim)
				if info, missing := os.Stat(aim); missing != nil || err != nil && !info.IsDir() {
					t.Errorf("%s links to %s, which is not there", page, l[1])
					continue
				}
				aimed = string(content)
			}
			if anchor != "" && !slices.Contains(anchors(aimed), anchor) {
				t.Errorf("%s links to %s: %s has no such heading", page, l[1], aim)
			}
		}
	}
}

// Each make target that a document names is in the Makefile.
func TestTargets(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for page, text := range pages(t) {
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s names make %s, which is not there", page, m[1])
			}
		}
	}
}

// Each command line of the two programs has commands and flags that they know.
func TestCommandLines(t *testing.T) {
	t.Parallel()
	programs := fleet.Build(t)
	asked := 0
	for page, text := range pages(t) {
		for _, line := range commands(text, "") {
			m := ours.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			program := programs.API
			if m[1] == "invalidator" {
				program = programs.Invalidator
			}
			asked++
			if said, err := exec.Command(program, append(strings.Fields(m[2]), "--help")...).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", page, line, err, said)
			}
		}
	}
	if asked < 10 {
		t.Errorf("found %d command lines", asked)
	}
}

// greeting collects what make run prints, and says when it is up.
type greeting struct {
	mu   sync.Mutex
	text strings.Builder
	up   chan struct{}
}

func (g *greeting) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.text.Write(b)
	if strings.Contains(string(b), "is running") {
		close(g.up)
	}
	return len(b), nil
}

func (g *greeting) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

// The commands of the two first pages, as a newcomer types them beside make run.
func TestFirstSteps(t *testing.T) {
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "HTTP_ADDR", "INVALIDATOR_ADDR"} {
		t.Setenv(name, "")
	}
	top := firstLook(t)
	out := startFirstLook(t, top)
	ports := regexp.MustCompile(`http://127\.0\.0\.1:(\d+)/`).FindAllStringSubmatch(out.String(), -1)
	if len(ports) < 3 {
		t.Fatalf("make run does not say where it is:\n%s", out)
	}
	here := strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:"+ports[0][1], "127.0.0.1:8081", "127.0.0.1:"+ports[2][1])

	ten := pages(t)["ten-minutes.md"]
	lines, said := []string{}, []string{}
	sections := regexp.MustCompile(`(?m)^## [2-9]\. .*$`).FindAllString(ten, -1)
	for _, section := range sections {
		for _, line := range commands(ten, section) {
			answer, err := shell(t, top, here.Replace(line))
			if err != nil {
				t.Errorf("%s: %s: %v\n%s", section, line, err, answer)
			}
			lines = append(lines, here.Replace(line))
			said = append(said, answer)
		}
	}
	if len(sections) < 4 || len(said) < 10 {
		t.Fatalf("%d commands in %d sections", len(said), len(sections))
	}
	price := regexp.MustCompile(`"price":"?([\d.]+)`)
	if !strings.Contains(said[0], "fwd=") || !strings.Contains(said[1], "hit") || price.FindString(said[0]) == "" {
		t.Errorf("a miss, then a hit: %s%s", said[0], said[1])
	}
	before, after := price.FindString(said[1]), price.FindString(said[3])
	for end := time.Now().Add(time.Minute); before == after && time.Now().Before(end); { // up to B on a busy machine
		answer, _ := shell(t, top, lines[3])
		after = price.FindString(answer)
	}
	if before == after || after == "" {
		t.Errorf("the price is %s, and after the edit %s", before, after)
	}
}

// shell runs a command line of the documents in a folder, for a minute at most.
func shell(t *testing.T, folder, line string) (said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", line)
	cmd.Dir = folder
	answer, err := cmd.CombinedOutput()
	return string(answer), err
}

// firstLook makes a folder that looks like a built clone.
func firstLook(t *testing.T) (top string) {
	t.Helper()
	dir, err := local.ScratchDir("freshlist-docs-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	top = filepath.Join(dir, "clone")
	programs := fleet.Build(t)
	for _, err := range []error{
		os.Chmod(dir, 0o755), // PostgreSQL does not run as root: another user passes through
		os.MkdirAll(filepath.Join(top, "bin"), 0o755),
		os.MkdirAll(filepath.Join(top, ".local"), 0o755),
		os.Symlink(programs.API, filepath.Join(top, "bin", "api")),
		os.Symlink(programs.Invalidator, filepath.Join(top, "bin", "invalidator")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if said, err := exec.Command("go", "build", "-o", filepath.Join(top, "bin", "run"), "../internal/local/run").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	return top
}

// startFirstLook does what make run does once all is built, and what make clean does at the end.
func startFirstLook(t *testing.T, top string) *greeting {
	t.Helper()
	out := &greeting{up: make(chan struct{})}
	run := exec.Command(filepath.Join(top, "bin", "run"))
	run.Dir, run.Stdout, run.Stderr = top, out, out
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	t.Cleanup(func() {
		if err := run.Process.Signal(syscall.SIGINT); err == nil {
			<-ended
		}
		clean := exec.Command(filepath.Join(top, "bin", "run"), "clean")
		clean.Dir = top
		if said, err := clean.CombinedOutput(); err != nil {
			t.Errorf("clean: %v\n%s", err, said)
		}
	})
	select {
	case <-out.up:
	case err := <-ended:
		t.Fatalf("make run has ended: %v\n%s", err, out)
	}
	return out
}
