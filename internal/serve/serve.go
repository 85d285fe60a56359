// Package serve is the API over HTTP: routes, parameters, conditional requests, problems,
// writes, health checks. Reads gives it finished answers; this package sends them.
//
// Every request passes ServeHTTP, which does what all answers have in common, and then Echo,
// which finds the route. Every answer of Reads is written by response.writeTo. So an
// answer's headers cannot depend on the cache level that it came from.
package serve

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/l1"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/watch"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// Reads answers the cacheable routes. A row that does not exist is an
// answer, of status 404, not an error.
type Reads interface {
	Get(context.Context, readthrough.Request) (readthrough.Answer, error)
	// StillValid reports whether an answer of an origin may still be served from this process.
	StillValid(origin *readthrough.Origin, now time.Time) bool
}

// Writes changes rows, as *database.Writer does.
type Writes interface {
	Create(context.Context, *listing.Table, database.Fields) (database.Written, error)
	CreateOnce(context.Context, *listing.Table, database.Fields, database.Once) (database.Kept, error)
	Patch(context.Context, *listing.Table, listing.Value, database.Fields, database.Precondition) (database.Written, error)
	Delete(context.Context, *listing.Table, listing.Value, database.Precondition) (database.Written, error)
}

// Options are what a Server is made of. All are needed but WriteToken, CORSOrigins, RateLimit,
// TrustedProxies, PrivateMetrics, DrainDelay, Site, Describe, Traces and
// Streams.
type Options struct {
	Site       *listing.Site // what is served at first; nil if that is not known yet
	Reads      Reads
	Writes     Writes
	Ready      func(context.Context) error // whether PostgreSQL answers
	WriteToken string                      // bearer token of writes, or several with commas between; empty = writes answer 403
	Timeout    time.Duration               // of one request's work
	L1MaxBytes int64                       // bound of the cache in this process; 0 = none
	L1Life     time.Duration               // longest time that Reads can allow an answer to be kept, from its beginning

	CORSOrigins    string        // origins that browsers may read from, with commas between, or *; empty = none
	RateLimit      int           // requests of one client in a minute; 0 = no bound
	TrustedProxies string        // addresses and networks, with commas between, whose X-Forwarded-For counts
	PrivateMetrics bool          // the metrics are left to MetricsHandler
	DrainDelay     time.Duration // for which Run goes on once it has been told to end: /readyz says 503 meanwhile

	// Describe reads the description of the tables that is installed; nil if it never changes.
	Describe func(context.Context) (*description.Description, error)

	Traces Traces // nil if none are made

	Streams Streams // of changes; the zero value allows none

	State         *cachestate.State                                       // why the cache is not used
	Examine       func(context.Context) (cachestate.Reason, string)       // finds that out
	KeyspaceStats func(context.Context) (rediscache.KeyspaceStats, error) // Redis' own counts
	Metrics       *telemetry.API
	Log           *slog.Logger
}

// Traces makes spans of requests, as *tracing.Tracing does.
type Traces interface {
	Handler(http.Handler) http.Handler
	Answered(context.Context, telemetry.Route, telemetry.Source)
	Wrote(ctx context.Context, xid uint64)
	ID(context.Context) string
}

// Streams says how the changes of answers are told to those who watch them.
type Streams struct {
	Max     int                        // most at once; beyond it the answer is 503
	AtOnce  int                        // reads for them at once; 0 = 1
	Bound   time.Duration              // B; 0 = a second
	Proved  func(context.Context) bool // whether there is a proof that purges are published; nil = never
	Comment time.Duration              // from one comment to the next; 0 = 10 s
}

// Server is the API's http.Handler.
type Server struct {
	Options
	serving   atomic.Pointer[serving]
	l1        *l1.Cache[*response] // nil if there is none
	tokens    [][sha256.Size]byte  // of WriteToken
	cors      *cors                // nil if no origin may read
	proxies   proxies              // that are trusted
	limiter   *limiter             // nil if there is no bound on requests
	written   sampler              // lines of writes
	refused   sampler              // and of what was refused: many of these must not hide those
	popular   activity.Popular     // which queries are read most
	watched   *watch.Hub
	shared    sharedHeaders
	keyspace  keyspaceCache
	recorders sync.Pool
	draining  atomic.Bool

	describing atomic.Bool    // in the background
	background sync.WaitGroup // what it runs in
	ended      context.Context
	end        context.CancelFunc
	reading    sync.Mutex // of the description
	readAt     time.Time  // when it was last, successfully
}

// New returns a server. Its in-process cache stores nothing until PurgeSubscriber has been
// told that purges arrive.
func New(o Options) *Server {
	s := &Server{Options: o, tokens: hashTokens(o.WriteToken), cors: newCORS(o.CORSOrigins)}
	s.proxies = parseProxies(o.TrustedProxies)
	s.limiter = newLimiter(o.RateLimit, s.proxies)
	s.shared = newSharedHeaders(s.cors)
	s.ended, s.end = context.WithCancel(context.Background())
	s.recorders.New = func() any { return new(recorder) }
	if o.L1MaxBytes > 0 {
		s.l1 = l1.New(o.L1MaxBytes, o.L1Life, (*response).weight)
		s.Metrics.ShowL1(s.l1.Size)
	}
	s.watched = s.newHub()
	s.SetSite(o.Site)
	return s
}

// maxURL is the length of the longest request target that is looked at.
const maxURL = 8 << 10

// ServeHTTP answers one request: it names it, keeps a panic from spreading,
// counts it, and logs what is worth it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := s.recorders.Get().(*recorder)
	*rec = recorder{ResponseWriter: w, begun: time.Now(), id: requestID(r.Header)}
	h := w.Header()
	h["X-Request-Id"] = []string{rec.id}
	h["X-Content-Type-Options"] = s.shared.nosniff
	h["Cross-Origin-Resource-Policy"] = s.shared.sameOrigin
	if s.cors != nil {
		s.cors.allow(h, r)
	}
	defer s.finish(rec, r)

	v := s.serving.Load()
	if s.limiter != nil && !s.limiter.admit(h, r, rec.begun) {
		s.Metrics.RateLimited.Inc()
		s.writeProblem(v, rec, r, s.limiter.tooMany())
		return
	}
	if len(r.RequestURI) > maxURL {
		s.writeProblem(v, rec, r, &problem{status: http.StatusRequestURITooLong, detail: "The address is longer than 8 KiB."})
		return
	}
	if s.l1 != nil && s.serveL1(v, rec, r) {
		return
	}
	s.route(v, rec, r)
}

// route answers what is not kept in this process.
func (s *Server) route(v *serving, rec *recorder, r *http.Request) {
	if s.cors != nil && s.cors.preflight(v, rec, r) || s.otherSpelling(v, rec, r) || s.otherMethod(v, rec, r) {
		return
	}
	v.router.ServeHTTP(rec, r)
}

// finish ends a request, also one that panicked. Where nothing was written the connection
// is closed without an answer: net/http would answer 200, and a client would take for done
// what was not.
func (s *Server) finish(rec *recorder, r *http.Request) {
	if cause := recover(); cause != nil {
		s.recoverFrom(cause, rec, r)
	}
	unanswered := rec.status == 0
	if unanswered {
		rec.status = unansweredStatus
	}
	took := time.Since(rec.begun)
	if !rec.answered.IsZero() {
		took = rec.answered.Sub(rec.begun)
	}
	if number := s.Metrics.Answered(rec.route, rec.status, rec.source, took); s.popular.Wants(number) && rec.status < http.StatusBadRequest && r.Method == http.MethodGet {
		s.popular.Note(r.RequestURI)
	}
	if s.Traces != nil {
		s.Traces.Answered(r.Context(), rec.route, rec.source)
	}
	s.log(rec, r, took)
	*rec = recorder{}
	s.recorders.Put(rec)
	if unanswered {
		panic(http.ErrAbortHandler)
	}
}

// recoverFrom answers 500, or cuts the connection if an answer has begun: its
// end must not look like a whole one.
func (s *Server) recoverFrom(cause any, rec *recorder, r *http.Request) {
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	s.Log.Error("panic in a request", "id", rec.id, "panic", cause, "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	s.writeProblem(s.serving.Load(), rec, r, &problem{status: http.StatusInternalServerError})
}

// deadline bounds the work on one request.
func (s *Server) deadline(r *http.Request) (context.Context, context.CancelFunc) {
	return within(r, s.Timeout)
}

// halfClosed is for how long an answer is worked on once the client has closed its side of
// the connection. It may have sent all it wants to and wait for the answer, or have gone:
// that cannot be told apart.
const halfClosed = 2 * time.Second

// within returns a context that ends after d, or halfClosed after the request's own, which
// ends as soon as the client has closed its side.
func within(r *http.Request, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), d)
	stop := context.AfterFunc(r.Context(), func() {
		patience := time.NewTimer(halfClosed)
		defer patience.Stop()
		select {
		case <-patience.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}
