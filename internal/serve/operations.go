package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
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
	var answer struct {
		Hits   *uint64  `json:"keyspace_hits"`
		Misses *uint64  `json:"keyspace_misses"`
		Ratio  *float64 `json:"hit_ratio"`
		Levels levels   `json:"levels"`
	}
	answer.Levels = s.levels()
	if k, err := s.keyspace.get(c.Request().Context(), s.KeyspaceStats); err == nil {
		ratio := hitRatio(k.Hits, k.Misses)
		answer.Hits, answer.Misses, answer.Ratio = &k.Hits, &k.Misses, &ratio
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	s.writeUncached(c, http.StatusOK, jsonType, append(body, '\n'))
	return nil
}

// document is GET /openapi.json.
func (v *serving) document(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Content-Type", jsonType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+readthrough.ETag(v.openAPI)+`"`)
	http.ServeContent(c.Response().Writer, c.Request(), "", time.Time{}, bytes.NewReader(v.openAPI))
	return nil
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
