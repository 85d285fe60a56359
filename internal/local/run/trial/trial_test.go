package trial_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/local/run/trial"
	"github.com/freshlist/freshlist/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// part notes what is done to it.
type part struct{ paused atomic.Bool }

func (p *part) Pause() error  { p.paused.Store(true); return nil }
func (p *part) Resume() error { p.paused.Store(false); return nil }

func serve(t *testing.T, c trial.Config) (page *trial.Trial, origin string) {
	page = trial.New(c)
	t.Cleanup(page.Close)
	s := httptest.NewServer(page)
	t.Cleanup(s.Close)
	return page, s.URL
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func do(t *testing.T, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp, string(text)
}

// The buttons stop a part and let it go on, only for the page itself, and whatever was stopped
// goes on at the end.
func TestButtons(t *testing.T) {
	t.Parallel()
	invalidator := &part{}
	page, origin := serve(t, trial.Config{API: "127.0.0.1:1", Dashboard: "http://127.0.0.1:8081", Parts: map[string]trial.Part{"invalidator": invalidator}})
	resp, text := do(t, "GET", origin+"/?framed", "")
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors http://127.0.0.1:8081 http://localhost:8081") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the policy is %s", policy)
	}
	if !strings.Contains(text, "Stop invalidator") || strings.Contains(text, "Redis") || strings.Contains(text, "Edit once") || !strings.Contains(text, "does not answer") {
		t.Errorf("the page is %s", text)
	}
	for _, file := range regexp.MustCompile(`(?:href|src)="(/trial[^"]+)"`).FindAllStringSubmatch(text, -1) {
		if resp, _ := do(t, "GET", origin+file[1], ""); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", file[1], resp.Status)
		}
	}
	stop := url.Values{"part": {"invalidator"}}.Encode()
	for _, headers := range [][]string{
		{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, {"Origin: http://127.0.0.1:8081", "Sec-Fetch-Site: same-site"}, {"Origin: null"}, {"Origin: http://evil.example"},
		{"Host: evil.example", "Origin: http://evil.example", "Sec-Fetch-Site: same-origin"}, {"Host: 10.0.0.1"},
	} {
		if resp, _ := do(t, "POST", origin+"/stop", stop, headers...); resp.StatusCode < 400 || invalidator.paused.Load() {
			t.Errorf("%v: %s, stopped %v", headers, resp.Status, invalidator.paused.Load())
		}
	}
	for _, target := range []string{"/stop?part=invalidator", "/edit", "/?part=invalidator"} {
		if do(t, "GET", origin+target, ""); invalidator.paused.Load() {
			t.Errorf("GET %s has stopped it", target)
		}
	}
	if resp, text := do(t, "POST", origin+"/stop?framed", stop, "Origin: "+origin, "Sec-Fetch-Site: same-origin"); resp.Request.URL.RawQuery != "framed" || !invalidator.paused.Load() || !strings.Contains(text, "Go on with invalidator") {
		t.Errorf("stopped %v: %s", invalidator.paused.Load(), text)
	}
	if do(t, "POST", origin+"/continue", stop); invalidator.paused.Load() {
		t.Error("it does not go on")
	}
	if resp, _ := do(t, "POST", origin+"/stop", "part=Redis"); resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a part that is not there: %s", resp.Status)
	}
	do(t, "POST", origin+"/stop", stop)
	page.Close()
	if page.Close(); invalidator.paused.Load() {
		t.Error("what was stopped does not go on at the end")
	}
}

// An edit is seen through the API, with the invalidator at work and without.
func TestEdits(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: time.Second})
	d.Seed(0)
	i := d.Invalidate()
	s := d.API().Serve()
	_, origin := serve(t, trial.Config{API: strings.TrimPrefix(s.URL, "http://"), Dashboard: "http://127.0.0.1:1", Database: d.Database.Owner, Bound: 20 * time.Second})
	state := func() (got trial.State) {
		_, text := do(t, "GET", origin+"/state", "")
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	for n := 1; n <= 6; n++ {
		do(t, "POST", origin+"/edit", "")
		if seen := state().Seen; seen.Edits != n || seen.Fault != "" || seen.Last == "" || seen.Late > 0 || seen.Took <= 0 {
			t.Fatalf("after %d edits: %+v", n, seen)
		}
		if n == 3 {
			i.Stop()
		}
	}
	do(t, "POST", origin+"/edits", "")
	d.Await("edits that go on", func() bool { now := state(); return now.Editing && now.Seen.Edits > 8 })
	do(t, "POST", origin+"/enough", "")
	if state().Editing {
		t.Error("they go on")
	}
	if slow := state().Seen.Slowest; slow <= 0 {
		t.Error(fmt.Sprint("the slowest is ", slow))
	}
}

// The colours are those of the pages.
func TestColours(t *testing.T) {
	t.Parallel()
	root := regexp.MustCompile(`(?s)^:root.*?\n}\n\n@media screen.*?\n}\n`)
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return root.FindString(string(text))
	}
	if mine, theirs := read("static/trial.css"), read("../../../serve/render/static/freshlist.css"); mine == "" || mine != theirs {
		t.Errorf("the page has\n%s\nthe others have\n%s", mine, theirs)
	}
}
