package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/invalidate/dashboard"
	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// rig is a dashboard of what a test says.
type rig struct {
	*testing.T
	*dashboard.Dashboard
	config dashboard.Config
	report invalidate.Report
	url    string
}

func newRig(t *testing.T, changes ...func(*dashboard.Config)) *rig {
	t.Helper()
	space := redistest.New(t)
	r := &rig{T: t}
	age := 0.25
	r.report = invalidate.Report{
		Report: cachestate.Report{Ready: true, Caching: true}, Role: "leader", RoleSince: time.Now(), Epoch: "e1", BeatAge: &age, Capture: "ok", Live: 1234,
		Kinds: []match.Kinds{{Table: "homes", Lists: 1200, Summaries: 30, Rows: 4}},
	}
	r.config = dashboard.Config{
		Report: func() invalidate.Report { return r.report }, Stream: &activity.Stream{}, Metrics: telemetry.NewInvalidator(),
		Redis: space.Client, Space: rediskey.Space{Prefix: space.Prefix, Partitions: 1}, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&r.config)
	}
	r.serve(http.NotFoundHandler())
	return r
}

func (r *rig) serve(others http.Handler) {
	r.Dashboard = dashboard.New(r.config)
	r.Cleanup(r.Close)
	s := httptest.NewServer(r.Handler(others))
	r.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	r.url = s.URL
}

// client keeps no connection.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// do sends a request with headers, given as "Name: value", and returns the answer and its body.
func (r *rig) do(method, path, body string, headers ...string) (*http.Response, string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp, string(text)
}

// await waits until done.
func (r *rig) await(what string, done func() bool) {
	r.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("waited in vain: %s", what)
		}
	}
}

// row writes the row of an API process.
func (r *rig) row(p activity.Process) {
	r.Helper()
	if err := rediscache.WriteProcess(r.Context(), r.config.Redis, r.config.Space, p); err != nil {
		r.Fatal(err)
	}
}

// inline is what a strict policy forbids on a page.
var inline = regexp.MustCompile(`(?i)<script(?:>|\s+[^>]*>[^<])|<style|<[a-z][^>]*\s(?:style|on\w+)=|javascript:`)

func TestPage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	at := time.Now()
	r.row(activity.Process{
		ID: "1", Host: "web-1", PID: 4, Address: "10.0.0.1:8080", Version: "1.2.3", Started: at.Add(-100 * time.Second), At: at, Caching: true, Reason: "ok",
		Requests: 1000, Reads: 50, P50: 0.0002, P99: 0.012, Bypasses: map[string]uint64{"bound": 7},
		Levels:   map[string]activity.Counts{"l1": {Hits: 750, Misses: 250}, "view": {Hits: 150, Misses: 100}},
		MostRead: []activity.Reads{{Query: "homes?town=Galt", Rate: 12}},
	})
	r.row(activity.Process{ID: "2", Host: "web-2", Address: "10.0.0.2:8080", Started: at.Add(-time.Second), At: at, Reason: "no-beat"})
	resp, page := r.do("GET", "/", "")
	policy := resp.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "frame-src") {
		t.Errorf("the policy is %s", policy)
	}
	if found := inline.FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"} {
		if got := resp.Header.Get(header); got != want {
			t.Errorf("%s is %q", header, got)
		}
	}
	for _, want := range []string{
		"The cache is used", "leader", "250 ms old", "1,234", "homes", "1,200", "web-1", "10.0.0.2:8080", "75.0 %", "95.0 %", "homes?town=Galt",
		"no-beat", cachestate.NoBeat.Remedy(), cachestate.Bound.Meaning(), "Off here",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, file := range regexp.MustCompile(`(?:href|src)="(/dashboard/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		if resp, _ := r.do("GET", file[1], ""); resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s", file[1], resp.Status)
		}
	}

	r.report.Caching, r.report.Reason, r.report.Remedy, r.report.Detail = false, "redis-policy", cachestate.RedisPolicy.Remedy(), "it is <allkeys-lru>"
	_, page = r.do("GET", "/", "")
	for _, want := range []string{"Nothing is cached: redis-policy", cachestate.RedisPolicy.Meaning(), "CONFIG SET", "it is &lt;allkeys-lru&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// hostile is what names and values may hold.
const hostile = `<img src=x onerror=alert(1)>"'</script>` + "\n\ndata: x\u202e"

// events reads a stream of events until visit returns true.
func (r *rig) events(path string, visit func(name, data string) (done bool)) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", r.url+path, nil)
	resp, err := client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		r.Fatalf("%s is %s", path, got)
	}
	name := ""
	for lines := bufio.NewReader(resp.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			r.Fatalf("%s ended: %v", path, err)
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			if visit(name, value) {
				return
			}
		}
	}
}

// What comes from tables, keys, columns, queries and processes is shown as text, on the page and
// in what is sent later.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := hostile
	r.report.Kinds[0].Table, r.report.Epoch, r.report.Capture = hostile, hostile, hostile
	r.row(activity.Process{
		ID: "1", Host: hostile, Address: hostile, Version: hostile, Reason: hostile, Started: time.Now(), At: time.Now(),
		Bypasses: map[string]uint64{hostile: 1}, MostRead: []activity.Reads{{Query: hostile, Rate: 1}},
	})
	change := activity.Change{
		At: time.Now(), Table: hostile, Kind: "update", Key: &key, Columns: []string{hostile}, Purged: 1,
		Queries: []activity.Query{{Query: hostile, Purged: true, Why: hostile}, {Query: hostile, Why: hostile}},
	}
	inspect := func(what, html string) {
		t.Helper()
		if strings.Contains(html, "<img") || inline.MatchString(html) {
			t.Errorf("%s is not escaped: %s", what, html)
		}
	}
	panels := false
	r.events("/live", func(name, data string) bool {
		var parts map[string]string
		if name == "hello" {
			r.await("the dashboard to listen", r.config.Stream.Watched)
			r.config.Stream.Publish(activity.EventChange, change)
			r.config.Stream.Publish(activity.EventEpoch, activity.Epoch{Epoch: hostile, Reason: hostile})
			return false
		}
		if err := json.Unmarshal([]byte(data), &parts); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		for part, html := range parts {
			inspect(name+" "+part, html)
		}
		panels = panels || name == "panels" && strings.Contains(parts["purged"], "&lt;img")
		return panels
	})
	_, page := r.do("GET", "/?url="+"%3Cimg%20src%3Dx%3E%22", "")
	inspect("the page", page)
	for _, want := range []string{`<bdi>&lt;img src=x onerror=alert(1)&gt;`, "New epoch", `value="&lt;img src=x&gt;&#34;"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// A page of another origin cannot read the dashboard under a name of its own, and can try nothing.
func TestForgedRequests(t *testing.T) {
	t.Parallel()
	const own, token = "postgres://127.0.0.1:1/none", "0123456789abcdef"
	open := newRig(t, func(c *dashboard.Config) { c.OwnerURL, c.Hosts = own, []string{"fresh.example.org", ""} })
	closed := newRig(t)
	guarded := newRig(t, func(c *dashboard.Config) { c.OwnerURL, c.Token = own, token+",fedcba9876543210" })
	const sql = `{"sql": "select 1"}`
	json := "Content-Type: application/json"
	tried := http.StatusUnprocessableEntity // there is no database: it got as far as that
	for _, c := range []struct {
		on      *rig
		name    string
		headers []string
		want    int
	}{
		{open, "a program", []string{json}, tried},
		{open, "its own page", []string{json, "Origin: " + open.url, "Sec-Fetch-Site: same-origin"}, tried},
		{open, "another origin", []string{json, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{open, "another port", []string{json, "Origin: http://127.0.0.1:3000", "Sec-Fetch-Site: same-site"}, 403},
		{open, "an old browser", []string{json, "Origin: http://evil.example"}, 403},
		{open, "a sandboxed page", []string{json, "Origin: null"}, 403},
		{open, "a form", []string{"Content-Type: text/plain", "Origin: " + open.url}, 415},
		{open, "a form", []string{"Content-Type: application/x-www-form-urlencoded"}, 415},
		{open, "no type", nil, 415},
		{open, "a name of another's", []string{json, "Host: evil.example:8081", "Origin: http://evil.example:8081"}, 421},
		{open, "a name that was given", []string{json, "Host: fresh.example.org:8081"}, tried},
		{open, "a proxy here", []string{json, "X-Forwarded-For: 203.0.113.9"}, 403},
		{closed, "switched off", []string{json}, 403},
		{guarded, "no token", []string{json}, 401},
		{guarded, "a wrong token", []string{json, "Authorization: Bearer 0123456789abcdeF"}, 401},
		{guarded, "the token", []string{json, "Authorization: Bearer " + token}, tried},
		{guarded, "the other token through a proxy", []string{json, "X-Forwarded-For: 203.0.113.9", "Authorization: bearer fedcba9876543210"}, tried},
		{guarded, "the token from another origin", []string{json, "Authorization: Bearer " + token, "Origin: https://evil.example"}, 403},
	} {
		if resp, body := c.on.do("POST", "/explain/sql", sql, c.headers...); resp.StatusCode != c.want {
			t.Errorf("%s %v: %s, want %d: %s", c.name, c.headers, resp.Status, c.want, body)
		}
		if c.want == tried || c.on == closed {
			c.want = http.StatusServiceUnavailable // nobody leads here: it got as far as that
		}
		if resp, body := c.on.do("POST", explain.QuestionPath, "{}", c.headers...); resp.StatusCode != c.want {
			t.Errorf("a question of %s %v: %s, want %d: %s", c.name, c.headers, resp.Status, c.want, body)
		}
	}
	for _, body := range []string{"", "{", `{"sql": 1}`, `{"sql": "select 1", "more": 1}`, sql + sql, `{"sql": "` + strings.Repeat("x", 70<<10) + `"}`} {
		if resp, _ := open.do("POST", "/explain/sql", body, json); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.40s: %s", body, resp.Status)
		}
	}
	for host, want := range map[string]int{
		"127.0.0.1:8081": 200, "[::1]:8081": 200, "[::1]": 200, "10.1.2.3": 200, "localhost:8081": 200, "invalidator:8081": 200, "a.localhost": 200,
		"invalidator.internal:8081": 200, "FRESH.example.org.:1": 200, "evil.example": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example:8081": 421, "other.example.org": 421,
	} {
		for _, path := range []string{"/", "/explain?url=/"} {
			resp, _ := open.do("GET", path, "", "Host: "+host)
			if got := resp.StatusCode; (got == 421) != (want == 421) {
				t.Errorf("%s under %s: %s", path, host, resp.Status)
			}
		}
	}
	if resp, _ := open.do("OPTIONS", "/explain/sql", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"); resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a preflight is allowed")
	}
	for path, method := range map[string]string{"/explain/sql": "GET", "/": "POST", "/explain": "POST"} {
		if resp, _ := open.do(method, path, sql, json); resp.StatusCode < 400 {
			t.Errorf("%s %s: %s", method, path, resp.Status)
		}
	}
}

// While nobody looks on nothing is watched; those who look on share what is looked at.
func TestClosedDoesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Linger(0)
	if r.AtWork() || r.config.Stream.Watched() {
		t.Fatal("it is at work before anybody has opened it")
	}
	seen := 0
	r.events("/live", func(name, _ string) bool {
		if name != "panels" {
			return false
		}
		if seen++; seen == 1 {
			r.events("/live", func(name, _ string) bool { return name == "panels" })
		}
		return seen > 1
	})
	r.await("the end of the work", func() bool { return !r.AtWork() && !r.config.Stream.Watched() })
	r.do("GET", "/", "")
	r.await("the end of the work", func() bool { return !r.AtWork() && !r.config.Stream.Watched() })
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
	if mine, theirs := read("static/dashboard.css"), read("../../serve/render/static/freshlist.css"); mine == "" || mine != theirs {
		t.Errorf("the dashboard has\n%s\nthe pages have\n%s", mine, theirs)
	}
}

// The boxes say of an address and of a statement what is so.
func TestExplain(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	i := d.Invalidate()
	api := d.API()
	api.Get("properties?city=FOLSOM", render.JSON)
	api.Get("properties?city=GALT", render.JSON)
	r := &rig{T: t, config: dashboard.Config{
		Report: i.Report, Stream: i.Stream(), Metrics: i.Metrics, Redis: d.Redis, Space: d.Space, Log: slog.New(slog.DiscardHandler),
		DatabaseURL: d.Database.Invalidator, OwnerURL: d.Database.Owner, Index: i.WithIndex,
	}}
	r.serve(i.Handler(i.Metrics.Handler()))

	_, page := r.do("GET", "/?url=/v1/properties%3Fcity%3DFOLSOM", "")
	for _, want := range []string{"yes, as json", "It is purged by", "INSERT, DELETE or UPDATE that brings", `value="/v1/properties?city=FOLSOM"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	var address struct {
		Cached bool `json:"cached"`
	}
	if _, body := r.do("GET", "/explain?url=/v1/properties%3Fcity%3DFOLSOM", ""); json.Unmarshal([]byte(body), &address) != nil || !address.Cached {
		t.Errorf("as JSON: %s", body)
	}
	if resp, body := r.do("GET", "/explain?url=/v1/nothing", "", "Accept: text/html"); resp.StatusCode != 422 || !strings.Contains(body, "no described table") {
		t.Errorf("%s: %s", resp.Status, body)
	}

	d.Await("the live queries", func() bool { return i.Report().Live == 2 })
	if k := i.Report().Kinds; !slices.Contains(k, match.Kinds{Table: "properties", Lists: 2}) {
		t.Errorf("live by kind: %+v", k)
	}
	const sql = `{"sql": "update properties set city = 'FOLSOM', created_at = now() where id = (select min(id) from properties where city = 'GALT')"}`
	resp, body := r.do("POST", "/explain/sql", sql, "Content-Type: application/json", "Accept: text/html")
	for _, want := range []string{"1 row", "rolled back", "properties?city=FOLSOM", "purged"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s: it lacks %q: %s", resp.Status, want, body)
		}
	}
	var s struct {
		Rows, Purged, Live int
		Notes              []string
	}
	if _, body := r.do("POST", "/explain/sql", sql, "Content-Type: application/json; charset=utf-8"); json.Unmarshal([]byte(body), &s) != nil || s.Rows != 1 || s.Live != 2 || s.Purged < 1 || len(s.Notes) > 0 {
		t.Errorf("as JSON: %s", body)
	}
	if resp, body := r.do("POST", "/explain/sql", `{"sql": "drop table properties"}`, "Content-Type: application/json"); resp.StatusCode != 422 || !strings.Contains(body, "refused") {
		t.Errorf("%s: %s", resp.Status, body)
	}
	question := fmt.Sprintf(`{"description": %q, "captured": [{"table": 0}]}`, d.Site.Identity)
	var v explain.Verdict
	if resp, body := r.do("POST", explain.QuestionPath, question, "Content-Type: application/json"); json.Unmarshal([]byte(body), &v) != nil || v.Live != 2 || v.Purged != 2 {
		t.Errorf("of a change of anything: %s: %s", resp.Status, body)
	}
	for question, want := range map[string]string{
		`{"description": "another"}`: "another description", strings.Replace(question, "0}", "7}", 1): "no table number 7", "{": "cannot be read",
	} {
		if resp, body := r.do("POST", explain.QuestionPath, question, "Content-Type: application/json"); resp.StatusCode < 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %s: %s", question, resp.Status, body)
		}
	}
	if resp, body := r.do("GET", "/status", ""); resp.StatusCode != 200 || !strings.Contains(body, "live_by_kind") {
		t.Errorf("/status is hidden: %s", resp.Status)
	}
}
