package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	a := start(t, func(o *serve.Options) {
		o.Examine = func(context.Context) (cachestate.Reason, string) {
			if down.Load() {
				return cachestate.DatabaseDown, "secret address"
			}
			return cachestate.NoBeat, "partition 0 has no beat"
		}
		ping := o.Ready
		o.Ready = func(ctx context.Context) error {
			if down.Load() {
				return errors.New("secret address")
			}
			return ping(ctx)
		}
	})
	var said cachestate.Report
	if r := a.get("/readyz"); r.StatusCode != 200 {
		t.Errorf("with PostgreSQL: %d %s, want 200", r.StatusCode, r.body)
	} else if r.as(t, &said); !said.Ready || said.Caching || said.Reason != "no-beat" || said.Detail != "partition 0 has no beat" {
		t.Errorf("without a beat /readyz says %s", r.body)
	}
	down.Store(true)
	r := a.get("/readyz")
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || strings.Contains(r.body, "secret") {
		t.Errorf("without PostgreSQL: %d %s, want 503", r.StatusCode, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &said); err != nil || said.Ready || said.Caching || said.Reason != "database-down" {
		t.Errorf("without PostgreSQL /readyz says %s", r.body)
	}
	if r := a.get("/healthz"); r.StatusCode != 200 {
		t.Errorf("healthz without PostgreSQL: %d, want 200", r.StatusCode)
	}
}

type cacheMetrics struct {
	Hits   *uint64                      `json:"keyspace_hits"`
	Misses *uint64                      `json:"keyspace_misses"`
	Ratio  *float64                     `json:"hit_ratio"`
	Levels map[string]map[string]uint64 `json:"levels"`
}

func TestCacheMetrics(t *testing.T) {
	t.Parallel()
	var metrics *telemetry.API
	a := start(t, func(o *serve.Options) { metrics = o.Metrics })
	for range 5 {
		metrics.Cache(telemetry.View, telemetry.Hit).Inc()
	}
	metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
	metrics.Cache(telemetry.L1, telemetry.Bypass).Inc()

	r := a.get("/v1/cache/metrics")
	var m cacheMetrics
	r.as(t, &m)
	if m.Hits == nil || *m.Hits != 3 || *m.Misses != 1 || *m.Ratio != 0.75 {
		t.Errorf("%s, want 3 hits, 1 miss, ratio 0.75", r.body)
	}
	levels, err := json.Marshal(m.Levels)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"l1":{"hits":0,"misses":0},"queryset":{"hits":0,"misses":1},"view":{"hits":5,"misses":0}}`
	if string(levels) != want {
		t.Errorf("levels %s, want %s", levels, want)
	}
}

func TestCacheMetricsOfNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keyspace rediscache.KeyspaceStats
		err      error
		want     string
	}{
		{rediscache.KeyspaceStats{}, nil, `{"keyspace_hits":0,"keyspace_misses":0,"hit_ratio":0,`},
		{rediscache.KeyspaceStats{Misses: 4}, nil, `{"keyspace_hits":0,"keyspace_misses":4,"hit_ratio":0,`},
		{rediscache.KeyspaceStats{}, errors.New("redis is down"), `{"keyspace_hits":null,"keyspace_misses":null,"hit_ratio":null,`},
	} {
		a := start(t, func(o *serve.Options) {
			o.KeyspaceStats = func(context.Context) (rediscache.KeyspaceStats, error) { return c.keyspace, c.err }
		})
		if r := a.get("/v1/cache/metrics"); r.StatusCode != 200 || !strings.HasPrefix(r.body, c.want) {
			t.Errorf("%+v, %v: %d %s, want %s", c.keyspace, c.err, r.StatusCode, r.body, c.want)
		}
	}
}

// Redis is asked once a second, however often somebody wants to know.
func TestKeyspaceIsOneSecondOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := uint64(0)
		var log logBuffer
		var o serve.Options
		log.use(&o)
		o.Metrics = telemetry.NewAPI()
		o.KeyspaceStats = func(context.Context) (rediscache.KeyspaceStats, error) {
			asked++
			return rediscache.KeyspaceStats{Hits: asked}, nil
		}
		s := serve.New(o)
		for _, want := range []uint64{1, 1, 2, 2, 3} {
			s.ServeHTTP(discard{map[string][]string{}}, newRequest(t, "/v1/cache/metrics"))
			if asked != want {
				t.Errorf("Redis was asked %d times, want %d", asked, want)
			}
			time.Sleep(time.Second / 2) // of the test's clock
		}
	})
}

// What is counted shows in /metrics under the names of the contract.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.get("/v1/properties")
	a.get("/v1/properties?limit=0")
	text := a.get("/metrics").body
	for _, want := range []string{
		"freshlist_database_reads_total 1\n",
		`freshlist_cache_requests_total{level="view",result="bypass"} 1` + "\n",
		`freshlist_http_answers_total{class="2xx"} 1` + "\n",
		`freshlist_http_answers_total{class="4xx"} 1` + "\n",
		`freshlist_http_answer_seconds_count{class="2xx",level="database",route="GET /v1/{table}"} 1` + "\n",
		`freshlist_http_answer_seconds_count{class="4xx",level="none",route="GET /v1/{table}"} 1` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %q:\n%s", want, text)
		}
	}
}

// METRICS_ADDR: the metrics, and profiles, are there and nowhere else, and the document says so.
func TestPrivateMetrics(t *testing.T) {
	t.Parallel()
	a := start(t, func(o *serve.Options) { o.PrivateMetrics = true })
	private := httptest.NewServer(a.server.MetricsHandler())
	defer private.Close()
	document := a.get("/openapi.json").body
	for _, target := range []string{"/metrics", "/v1/cache/metrics", "/debug/pprof/", "/debug/pprof/cmdline"} {
		a.get(target).problem(t, 404)
		response, err := http.Get(private.URL + target)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 || len(body) == 0 {
			t.Errorf("%s at its own address: %d, %v", target, response.StatusCode, err)
		}
		if strings.Contains(document, `"`+target+`"`) {
			t.Errorf("the document has %s", target)
		}
	}
	open := start(t)
	open.get("/debug/pprof/").problem(t, 404)
	if r := open.get("/metrics"); r.StatusCode != 200 {
		t.Errorf("/metrics without an address of its own: %d", r.StatusCode)
	}
}

// Pages of the origins that are named may read, and only read.
func TestCORS(t *testing.T) {
	t.Parallel()
	a := start(t, func(o *serve.Options) { o.CORSOrigins = "https://a.example,http://localhost:3000" })
	const asks = "Access-Control-Request-Method: "
	for _, target := range append(cacheable, "/v1/properties?limit=0", "/openapi.json", "/nowhere") {
		for origin, want := range map[string]string{"https://a.example": "https://a.example", "https://b.example": "", "null": ""} {
			r := a.get(target, "Origin: "+origin)
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s, from %s: allowed %q, want %q", target, origin, got, want)
			}
			if vary := strings.Join(r.Header["Vary"], ", "); !strings.Contains(vary, "Origin") {
				t.Errorf("%s, from %s: Vary %q", target, origin, vary)
			}
		}
	}
	r := a.request("OPTIONS", "/v1/properties", "", "Origin: https://a.example", asks+"GET", "Access-Control-Request-Headers: consistency-token")
	if r.StatusCode != 204 || r.Header.Get("Access-Control-Allow-Methods") != "GET, HEAD" ||
		!strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "Consistency-Token") || r.Header.Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("a browser that asks first: %d %v", r.StatusCode, r.Header)
	}
	if r := a.request("OPTIONS", "/v1/properties", "", "Origin: https://b.example", asks+"GET"); r.Header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("another origin asks first: %v", r.Header)
	}
	none := start(t)
	for _, r := range []answer{none.get("/v1/properties", "Origin: https://a.example"), none.request("OPTIONS", "/v1/properties", "", "Origin: https://a.example", asks+"GET")} {
		if r.Header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(strings.Join(r.Header["Vary"], ", "), "Origin") {
			t.Errorf("without origins: %v", r.Header)
		}
	}
	all := start(t, func(o *serve.Options) { o.CORSOrigins = "*" }).get("/v1/properties", "Origin: https://b.example")
	if all.Header.Get("Access-Control-Allow-Origin") != "*" || all.Header.Get("Vary") != "Accept-Encoding, Accept" {
		t.Errorf("all origins: %v", all.Header)
	}
}

// Each of two tokens counts, and nothing else.
func TestTwoWriteTokens(t *testing.T) {
	t.Parallel()
	const other = "another-token-of-the-test"
	a := start(t, func(o *serve.Options) { o.WriteToken = token + "," + other })
	for given, status := range map[string]int{token: 200, other: 200, token + "," + other: 401, "": 401, ",": 401, "x": 401} {
		r := a.request("PATCH", "/v1/properties/17", "{}", "Content-Type: application/json", "Authorization: Bearer "+given)
		if r.StatusCode != status {
			t.Errorf("token %q: %d, want %d", given, r.StatusCode, status)
		}
	}
}

// Writes and refused tokens leave a line at info, without the token; of very many, some.
func TestTraceOfWrites(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	a := start(t, func(o *serve.Options) {
		o.Log, o.TrustedProxies = slog.New(slog.NewTextHandler(&log, nil)), "127.0.0.1/32"
	})
	a.get("/v1/properties")
	a.write("PATCH", "/v1/properties/17", `{"price": 7}`)
	a.request("POST", "/v1/properties", "{}", "Content-Type: application/json", "X-Forwarded-For: 6.6.6.6, 198.51.100.1",
		"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if text := log.String(); !strings.Contains(text, "peer=198.51.100.1 trace_id=4bf92f3577b34da6a3ce929d0e0e4736") {
		t.Errorf("the log: %s", text)
	}
	const wrong = "a-wrong-token-of-the-test"
	for range 300 {
		a.request("DELETE", "/v1/properties/17", "", "Authorization: Bearer "+wrong)
	}
	a.write("PATCH", "/v1/properties/18", `{"price": 7}`)
	text := log.String()
	if strings.Contains(text, "method=GET") || !strings.Contains(text, "method=PATCH") || !strings.Contains(text, "status=401") || !strings.Contains(text, "target=/v1/properties/18") || !strings.Contains(text, "peer=127.0.0.1") {
		t.Errorf("the log: %.2000s", text)
	}
	if strings.Contains(text, wrong) || strings.Contains(text, token) {
		t.Error("a token is in the log")
	}
}

// lockedBuffer is a buffer that may be written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
