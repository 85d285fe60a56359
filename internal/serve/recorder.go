package serve

import (
	"cmp"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/freshlist/freshlist/internal/telemetry"
)

// slow is how long a request takes at least to be logged for it.
const slow = time.Second

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	id       string
	begun    time.Time
	status   int       // 0: nothing yet
	bytes    int64     // of the body
	answered time.Time // when the first event of a stream was sent; zero if it is none
	err      error     // why the status is what it is; nil if that speaks for itself
	route    telemetry.Route
	source   telemetry.Source // of an answer to a read
}

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write notes how much is written.
func (r *recorder) Write(b []byte) (int, error) {
	r.implicit()
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// WriteString writes a text without copying it, where the connection can.
func (r *recorder) WriteString(text string) (int, error) {
	r.implicit()
	n, err := io.WriteString(r.ResponseWriter, text)
	r.bytes += int64(n)
	return n, err
}

// implicit is the status of a body without one.
func (r *recorder) implicit() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// log writes a line for a request that went wrong or took long, and at level
// debug for every one.
func (s *Server) log(rec *recorder, r *http.Request, took time.Duration) {
	level := slog.LevelDebug
	switch {
	case rec.status == unansweredStatus && clientGone(r): // nobody is to be alarmed by that
	case rec.status == unansweredStatus:
		level = slog.LevelError
	case rec.status >= http.StatusInternalServerError && rec.status != http.StatusServiceUnavailable:
		level = slog.LevelError
	case rec.status >= http.StatusInternalServerError, took >= slow:
		level = slog.LevelWarn
	case refused(rec.status), writes(r):
		level = slog.LevelInfo
	}
	ctx := r.Context()
	if !s.Log.Enabled(ctx, level) {
		return
	}
	skipped, ok := 0, true
	if level == slog.LevelInfo {
		lines := &s.written
		if refused(rec.status) {
			lines = &s.refused
		}
		if skipped, ok = lines.take(rec.begun); !ok {
			return
		}
	}
	attrs := []slog.Attr{
		slog.String("id", rec.id), slog.String("method", r.Method), slog.String("target", r.RequestURI),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took),
	}
	if cache := rec.Header()["Cache-Status"]; len(cache) > 0 {
		attrs = append(attrs, slog.String("cache", cache[0]))
	}
	if rec.err != nil {
		attrs = append(attrs, slog.Any("error", rec.err))
	}
	if level == slog.LevelInfo {
		peer := r.RemoteAddr
		if len(s.proxies) > 0 {
			peer = s.proxies.client(r).String()
		}
		attrs = append(attrs, slog.String("peer", peer))
	}
	trace := traceID(r.Header)
	if s.Traces != nil {
		trace = cmp.Or(s.Traces.ID(ctx), trace)
	}
	if trace != "" {
		attrs = append(attrs, slog.String("trace_id", trace))
	}
	if skipped > 0 {
		attrs = append(attrs, slog.Int("skipped", skipped))
	}
	s.Log.LogAttrs(ctx, level, "request", attrs...)
}

// writes reports whether a request is for a write, which leaves a line at level info.
func writes(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// refused reports whether a request was refused for who sent it, or how many: that leaves one, too.
func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}

// sampler bounds lines of a kind: of many in one second only the first are written, and the next
// line says how many were left out.
type sampler struct {
	mu      sync.Mutex
	second  int64
	written int
	skipped int
}

// maxTraced is how many lines a second are written.
const maxTraced = 50

// take reports whether a line is to be written, and how many were left out before it.
func (s *sampler) take(now time.Time) (skipped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Unix(); second != s.second {
		s.second, s.written = second, 0
	}
	if s.written == maxTraced {
		s.skipped++
		return 0, false
	}
	s.written++
	skipped, s.skipped = s.skipped, 0
	return skipped, true
}

// maxRequestID is the length of the longest request id that is taken over.
const maxRequestID = 64

// requestID returns the client's own id for the request, if it can stand in a
// log as it is, and a random one otherwise.
func requestID(h http.Header) string {
	if given := h["X-Request-Id"]; len(given) == 1 && plain(given[0]) {
		return given[0]
	}
	return rand.Text()
}

func plain(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}
