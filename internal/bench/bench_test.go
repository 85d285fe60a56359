package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	s := sample{4, 1, 3, 2}
	for q, want := range map[float64]float64{0: 1, .5: 2.5, .75: 3.25, 1: 4} {
		if got := s.quantile(q); got != want {
			t.Errorf("quantile %v of %v is %v, want %v", q, s, got, want)
		}
	}
	if !math.IsNaN(sample(nil).median()) {
		t.Error("nothing has a median")
	}
}

func TestAlternate(t *testing.T) {
	t.Parallel()
	order := ""
	p, err := alternate(3,
		func() (float64, error) { order += "a"; return 6, nil },
		func() (float64, error) { order += "b"; return 3, nil })
	if err != nil || order != "abbaab" {
		t.Fatalf("measured in order %s, error %v", order, err)
	}
	if r, i, d := p.ratio().median(), p.inverse().ratio().median(), p.less().median(); r != 2 || i != .5 || d != 3 {
		t.Errorf("ratio %v, inverse %v, difference %v", r, i, d)
	}
	failure := errors.New("failure")
	if _, err := alternate(1, func() (float64, error) { return 0, failure }, nil); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
}

// server answers as freshlist does, in pieces and of any length.
func server(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var length int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &length); err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(length))
		w.Header().Set("Cache-Status", map[bool]string{true: "freshlist-l1; hit", false: "freshlist-view; fwd=miss"}[length%2 == 0])
		body := strings.Repeat("x", length)
		_, _ = io.WriteString(w, body[:length/2])
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, body[length/2:])
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestLoad(t *testing.T) {
	t.Parallel()
	l, err := dial(server(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	a, err := l.do(get("/200001"))
	if err != nil || len(a.body) != 200_001 || a.hit() {
		t.Fatalf("%d bytes, hit %v, error %v", len(a.body), a.hit(), err)
	}
	var requests [][]byte
	for i := range 101 {
		requests = append(requests, get(fmt.Sprint("/", i)))
	}
	got, err := l.run(time.Now().Add(time.Minute), inOrder(requests))
	if err != nil || got.answers != 101 || got.hits != 51 || got.rate() <= 0 {
		t.Errorf("%+v, error %v", got, err)
	}
	if _, err := l.run(time.Now().Add(time.Minute), inOrder([][]byte{get("/none")})); err == nil {
		t.Error("an answer of status 404 is taken for one")
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, target := range filters(liveQueries, "&limit=2") {
		list, _, _ := strings.Cut(target, "&sort=") // another order alone makes no other list
		if seen[list] {
			t.Fatalf("%s is there twice", target)
		}
		seen[list] = true
	}
}

// The titles hold what the searches look for as often as these say.
func TestTitles(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	for _, s := range searches {
		found := 0
		for n := 1; n <= rows; n++ {
			if strings.Contains(titleOf(n, rows), s.words) {
				found++
			}
		}
		if want := s.finds(rows); found != want {
			t.Errorf("%q is in %d titles, want %d", s.words, found, want)
		}
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"items":[],"next":null}`:                                  "",
		`{"items":[],"next":"/v1/properties?city=A\u0026cursor=x"}`: "/v1/properties?city=A&cursor=x",
		`{"items":[],"next":"/v1/properties?cursor=x"}`:             "/v1/properties?cursor=x",
	} {
		if got := next([]byte(body)); got != want {
			t.Errorf("next of %s is %q, want %q", body, got, want)
		}
	}
}

func TestZipfian(t *testing.T) {
	t.Parallel()
	const n, draws = 100, 200_000
	z := newZipfian(n, rand.New(rand.NewPCG(1, 2)))
	var counts [n]int
	for range draws {
		counts[z.next()]++
	}
	if share := float64(counts[0]) / float64(counts[9]); share < 9 || share > 11 {
		t.Errorf("the first is drawn %.2f times as often as the tenth, not 10 times", share)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	usual, err := choose("", false)
	if err != nil || len(usual) == 0 || slices.ContainsFunc(usual, func(s section) bool { return s.long }) {
		t.Errorf("%d sections, none of them long, are wanted; error %v", len(usual), err)
	}
	if long, err := choose("faults", false); err != nil || len(long) != 1 {
		t.Errorf("%d sections by the name of a long one, error %v", len(long), err)
	}
	if all, err := choose("", true); err != nil || len(all) != len(sections) {
		t.Errorf("%d sections with the long ones, error %v", len(all), err)
	}
	if some, err := choose("reads,idle", false); err != nil || len(some) != 2 || some[0].name != "idle" {
		t.Errorf("%d sections, error %v", len(some), err)
	}
	if _, err := choose("nothing", false); err == nil {
		t.Error("an unknown section is accepted")
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newReport(true)
	r.Rows = []Row{
		{What: "a < b", Value: .9, Unit: ratio, Target: atLeast(.6)},
		{What: "idle", Value: 0, Unit: percent, Target: atMost(1)},
		{What: "late", Value: 7, Unit: milliseconds, Target: atMost(5)},
		{What: "compared with", Value: 3, Unit: ratio},
	}
	var table strings.Builder
	if err := r.print(&table); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(table.String(), "MISSED"); got != 1 {
		t.Errorf("%d rows miss their targets:\n%s", got, &table)
	}
	dir := t.TempDir()
	if err := r.save(dir); err != nil {
		t.Fatal(err)
	}
	chart, err := os.ReadFile(filepath.Join(dir, "bench.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(chart, new(struct{})); err != nil {
		t.Errorf("the chart is no XML: %v", err)
	}
	if strings.Contains(string(chart), "compared with") {
		t.Error("a row without a target is in the chart")
	}
}
