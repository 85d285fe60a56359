package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const token = "a-token-of-the-test"

// api is a running API on a database of its own, without Redis.
type api struct {
	t        testing.TB
	server   *serve.Server
	http     *httptest.Server
	database *pgx.Conn // the superuser's
}

// start starts an API; change may replace what it is made of.
func start(t testing.TB, change ...func(*serve.Options)) *api {
	t.Helper()
	db := migrated.New(t)
	a := startOn(t, db.API, db.Superuser, change...)
	a.exec(listings)
	return a
}

// startOn starts an API on a database, given by the addresses for it and for a superuser.
func startOn(t testing.TB, url, superuser string, change ...func(*serve.Options)) *api {
	t.Helper()
	pool, err := database.Open(database.Config{URL: url, Application: "test", MaxConns: 4, Timeout: time.Minute})
	if err != nil {
		t.Fatalf("open pool: %v", err)
	}
	t.Cleanup(pool.Close)
	metrics := telemetry.NewAPI()
	o := serve.Options{
		Site: listingtest.Site(),
		Reads: readthrough.New(readthrough.Config{
			Source:  database.NewReader(pool, metrics.DatabaseReads.Inc),
			Render:  render.Body,
			Site:    listingtest.Site,
			Metrics: metrics, Bound: time.Second, Timeout: time.Minute, Off: true,
		}),
		Writes:     database.NewWriter(pool),
		Ready:      pool.Ping,
		WriteToken: token,
		Timeout:    time.Minute,
		KeyspaceStats: func(context.Context) (rediscache.KeyspaceStats, error) {
			return rediscache.KeyspaceStats{Hits: 3, Misses: 1}, nil
		},
		Metrics: metrics,
		Log:     slog.New(slog.NewTextHandler(testLog{t}, nil)),
	}
	o.Examine = o.Reads.(*readthrough.Cache).Examine
	for _, c := range change {
		c(&o)
	}
	o.State = cachestate.New(o.Log, time.Now)
	conn, err := pgx.Connect(t.Context(), superuser)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	s := serve.New(o)
	t.Cleanup(s.Close)
	a := &api{t: t, server: s, http: httptest.NewServer(s), database: conn}
	t.Cleanup(a.http.Close)
	return a
}

// testLog shows an API's log in the output of its test.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// listings inserts 60 properties, the first the cheapest and newest.
const listings = `
	insert into properties (title, description, property_type, price, city, postal_code, bedrooms, bathrooms, living_area,
		latitude, longitude, created_at, updated_at)
	select 'Home ' || i, 'A quiet street.', case when i % 3 = 0 then 'Condo' else 'Residential' end, 100000 + i * 1000.5,
		case when i % 2 = 0 then 'FOLSOM' else 'ELK_GROVE' end, nullif('9563' || i % 10, '95639'), nullif(i % 6, 5),
		nullif(i % 5, 4) * 0.5, nullif(i % 7, 6) * 100 + 500, 38 + i / 100.0, -121 - i / 100.0,
		timestamptz '2008-05-15Z' - i * interval '1 minute', timestamptz '2008-05-15Z'
	from generate_series(1, 60) i`

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

// request sends a request and reads its answer. Headers are "Name: value".
func (a *api) request(method, target, body string, headers ...string) answer {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.http.URL+target, strings.NewReader(body))
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, target, err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header.Set("Accept-Encoding", "identity") // or the client would unpack
	}
	response, err := a.http.Client().Do(r)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatalf("%s %s: read body: %v", method, target, err)
	}
	return answer{response, string(b)}
}

func (a *api) get(target string, headers ...string) answer {
	a.t.Helper()
	return a.request(http.MethodGet, target, "", headers...)
}

// write sends a JSON body with the write token.
func (a *api) write(method, target, body string, headers ...string) answer {
	a.t.Helper()
	return a.request(method, target, body, append([]string{
		"Authorization: Bearer " + token, "Content-Type: application/json",
	}, headers...)...)
}

func (a *api) exec(sql string, args ...any) {
	a.t.Helper()
	if _, err := a.database.Exec(a.t.Context(), sql, args...); err != nil {
		a.t.Fatalf("%s: %v", sql, err)
	}
}

// problem is the body of an answer that went wrong.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Name   string `json:"name"`
		Detail string `json:"detail"`
	} `json:"errors"`
}

// problem reads an answer as a problem of the given status and returns the names
// in its errors.
func (r answer) problem(t *testing.T, status int) (names []string) {
	t.Helper()
	var p problem
	d := json.NewDecoder(bytes.NewReader([]byte(r.body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%s: %d %s: %v", r.Request.URL, r.StatusCode, r.body, err)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s: Content-Type %q, want application/problem+json", r.Request.URL, got)
	}
	if r.StatusCode != status || p.Status != status || p.Title != http.StatusText(status) {
		t.Fatalf("%s: status %d (in the body %d %q), want %d: %s", r.Request.URL, r.StatusCode, p.Status, p.Title, status, r.body)
	}
	for _, e := range p.Errors {
		if e.Detail == "" {
			t.Errorf("%s: error %q has no detail", r.Request.URL, e.Name)
		}
		names = append(names, e.Name)
	}
	return names
}

// list is the JSON of a page.
type list struct {
	Items []map[string]any `json:"items"`
	Next  *string          `json:"next"`
	Prev  *string          `json:"prev"`
}

// as reads a body of status 200 into v.
func (r answer) as(t testing.TB, v any) {
	t.Helper()
	if r.StatusCode/100 != 2 {
		t.Fatalf("%s: status %d: %s", r.Request.URL, r.StatusCode, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("%s: %v: %s", r.Request.URL, err, r.body)
	}
}
