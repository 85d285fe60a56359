package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
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
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %q:\n%s", want, text)
		}
	}
}
