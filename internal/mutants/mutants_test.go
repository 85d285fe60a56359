package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
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
		{start + `{"Action":"output","Output":"panic: test timed out after 1s\n"}` + "\n" + `{"Action":"fail","Test":"TestA"}` + "\n" + `{"Action":"fail"}`, timedOut, "TestA"},
		{start + `{"Action":"pass"}`, untried, "no test has run"},
		{`{"Action":"build-output","Output":"syntax error\n"}` + "\n" + start + `{"Action":"fail"}`, notApplied, "it does not build: syntax error"},
	} {
		if got := judge(strings.NewReader(c.said), ""); got != (outcome{verdict: c.verdict, detail: c.detail}) {
			t.Errorf("%s is judged %v, want %s: %s", c.said, got, c.verdict, c.detail)
		}
	}
}

// Whatever is not killed is named, counted and an error.
func TestSummary(t *testing.T) {
	t.Parallel()
	chosen := []Mutant{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}
	all := make([]outcome, len(chosen))
	for n := range all {
		all[n] = outcome{verdict: killed, took: time.Second}
	}
	if err := summary(chosen, all, time.Minute); err != nil {
		t.Errorf("all are killed: %v", err)
	}
	for n, v := range verdicts {
		all[n].verdict = v
	}
	err := summary(chosen, all, time.Minute)
	if want := "not killed: b (survived), c (did not apply), d (timed out), e (not tried)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if got, want := all[1].line(chosen[1]), "survived        1.0 s  b: "; got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
}
