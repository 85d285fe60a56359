package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// level is what this process has counted at one level of the cache.
type level struct {
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
}

// levels are the levels of the cache, nearest the client first.
type levels struct {
	L1       level `json:"l1"`
	View     level `json:"view"`
	Queryset level `json:"queryset"`
}

// streamCount is how many streams of changes are open, and may be.
type streamCount struct {
	Open int `json:"open"`
	Max  int `json:"max"`
}

func (s *Server) levels() levels {
	counted := func(l telemetry.Level) level {
		return level{s.Metrics.Cache(l, telemetry.Hit).Value(), s.Metrics.Cache(l, telemetry.Miss).Value()}
	}
	return levels{counted(telemetry.L1), counted(telemetry.View), counted(telemetry.Queryset)}
}

const (
	keyspaceAge     = time.Second            // how old the shown keyspace may be
	keyspaceTimeout = 500 * time.Millisecond // how long Redis may take to tell
	readyTimeout    = time.Second            // how long PostgreSQL may take to answer a probe
)

// keyspaceCache keeps Redis' counts, so that asking for them often does not cost
// Redis more.
type keyspaceCache struct {
	mu    sync.Mutex
	value rediscache.KeyspaceStats
	err   error
	taken time.Time
}

func (m *keyspaceCache) get(ctx context.Context, ask func(context.Context) (rediscache.KeyspaceStats, error)) (rediscache.KeyspaceStats, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.taken.IsZero() || now.Sub(m.taken) >= keyspaceAge {
		// Not the request's own context: others wait for this answer too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyspaceTimeout)
		defer cancel()
		m.value, m.err = ask(ctx)
		m.taken = now
	}
	return m.value, m.err
}

// cacheMetrics is GET /v1/cache/metrics. Redis' own counts are null while it
// does not answer.
func (s *Server) cacheMetrics(c echo.Context) error {
	body, err := s.cacheMetricsBody(c.Request().Context())
	if err != nil {
		return err
	}
	s.writeUncached(c, http.StatusOK, jsonType, body)
	return nil
}

func (s *Server) cacheMetricsBody(ctx context.Context) ([]byte, error) {
	var answer struct {
		Hits   *uint64  `json:"keyspace_hits"`
		Misses *uint64  `json:"keyspace_misses"`
		Ratio  *float64 `json:"hit_ratio"`
		Levels levels   `json:"levels"`

		Streams streamCount `json:"streams"`
	}
	answer.Levels = s.levels()
	answer.Streams = streamCount{int(s.Metrics.Streams.Value()), s.Streams.Max}
	if k, err := s.keyspace.get(ctx, s.KeyspaceStats); err == nil {
		ratio := hitRatio(k.Hits, k.Misses)
		answer.Hits, answer.Misses, answer.Ratio = &k.Hits, &k.Misses, &ratio
	}
	body, err := json.Marshal(answer)
	return append(body, '\n'), err
}

// MetricsHandler answers what METRICS_ADDR is for: metrics, and Go's profiles of the process.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.Metrics.Handler())
	mux.HandleFunc("GET /v1/cache/metrics", func(w http.ResponseWriter, r *http.Request) {
		body, err := s.cacheMetricsBody(r.Context())
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		w.Header()["Cache-Control"] = s.shared.noStore
		s.write(w, r, http.StatusOK, jsonType, body)
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/debug/pprof/", http.StatusFound)
	})
	return mux
}

// document is GET /openapi.json.
func (s *Server) document(v *serving) echo.HandlerFunc {
	etag := readthrough.ETag(v.openAPI)
	packed := readthrough.Compress(v.openAPI)
	return func(c echo.Context) error {
		h, body := c.Response().Header(), v.openAPI
		h["Vary"] = s.shared.vary
		h.Set("Content-Type", jsonType)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", `"`+etag+`"`)
		if acceptsGzip(c.Request().Header["Accept-Encoding"]) {
			body = []byte(packed)
			h["Content-Encoding"] = s.shared.gzip
			h.Set("ETag", `"`+etag+gzipSuffix+`"`)
		}
		http.ServeContent(c.Response().Writer, c.Request(), "", time.Time{}, bytes.NewReader(body))
		return nil
	}
}

// healthz tells that the process answers.
func (s *Server) healthz(c echo.Context) error {
	s.writeUncached(c, http.StatusOK, plainText, []byte("ok\n"))
	return nil
}

// readyz tells whether this process should get requests: PostgreSQL answers and
// nobody has told it to stop. Whether it uses the cache, and why not, stands in the
// answer, but does not decide: without the cache reads are slower, not wrong.
func (s *Server) readyz(c echo.Context) error {
	ctx, cancel := within(c.Request(), readyTimeout)
	defer cancel()
	err := s.Ready(ctx)
	if rec, ok := c.Response().Writer.(*recorder); ok {
		rec.err = err
	}
	s.examine(ctx)
	report := s.State.Report(err == nil && !s.draining.Load()).Public()
	body, encodeErr := json.Marshal(report)
	if encodeErr != nil {
		return encodeErr
	}
	status := http.StatusOK
	if !report.Ready {
		status = http.StatusServiceUnavailable
		c.Response().Header().Set("Retry-After", retryAfter)
	}
	s.writeUncached(c, status, jsonType, append(body, '\n'))
	return nil
}

const plainText = "text/plain; charset=utf-8"

func (s *Server) writeUncached(c echo.Context, status int, contentType string, body []byte) {
	c.Response().Header()["Cache-Control"] = s.shared.noStore
	s.write(c.Response().Writer, c.Request(), status, contentType, body)
}
