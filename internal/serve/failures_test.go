package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// reads answers as a function says.
type reads func(context.Context, readthrough.Request) (readthrough.Answer, error)

func (f reads) Get(ctx context.Context, r readthrough.Request) (readthrough.Answer, error) {
	return f(ctx, r)
}

// StillValid lets everything stand.
func (f reads) StillValid(*readthrough.Origin, time.Time) bool { return true }

// What goes wrong inside shows as a status and, where it helps, a time to try
// again; never in words of the inside.
func TestFailuresOfReads(t *testing.T) {
	t.Parallel()
	secret := errors.New("secret: column properties.owner")
	for _, c := range []struct {
		err    error
		status int
	}{
		{fmt.Errorf("read: %w: %w", database.ErrBusy, secret), 503},
		{fmt.Errorf("read: %w: %w", database.ErrUnavailable, secret), 503},
		{fmt.Errorf("read: %w: %w", database.ErrInRecovery, secret), 503},
		{fmt.Errorf("read: %w: %w", context.DeadlineExceeded, secret), 503},
		{fmt.Errorf("read: %w", secret), 500},
	} {
		a := start(t, func(o *serve.Options) {
			o.Reads = reads(func(context.Context, readthrough.Request) (readthrough.Answer, error) {
				return readthrough.Answer{}, c.err
			})
		})
		r := a.get("/v1/properties")
		r.problem(t, c.status)
		page := a.get("/")
		for _, r := range []answer{r, page} {
			if r.StatusCode != c.status || strings.Contains(r.body, "secret") {
				t.Errorf("%v: %d %s, want %d without internals", c.err, r.StatusCode, r.body, c.status)
			}
			if retry := r.Header.Get("Retry-After"); (retry != "") != (c.status == 503) {
				t.Errorf("%v: Retry-After %q", c.err, retry)
			}
		}
	}
}

// answersInTime asks until the answer is 200. A busy machine may make the first ones late.
func (a *api) answersInTime(target string) {
	a.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		r := a.get(target)
		if r.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			a.t.Fatalf("%s: still %d %s", target, r.StatusCode, r.body)
		}
	}
}

// A request that gets no connection, or no rows, in its time is told to come
// again.
func TestDatabaseThatIsHeldUp(t *testing.T) {
	t.Parallel()
	a := start(t, func(o *serve.Options) { o.Timeout = 50 * time.Millisecond })
	tx, err := a.database.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table properties"); err != nil {
		t.Fatal(err)
	}
	var requests sync.WaitGroup
	for i := range 8 { // the pool has 4 connections
		requests.Go(func() {
			r := a.get(fmt.Sprintf("/v1/properties/%d", i+1))
			if r.StatusCode != 503 || r.Header.Get("Retry-After") != "1" {
				t.Errorf("request %d: %d %s, want 503 with Retry-After", i, r.StatusCode, r.body)
			}
		})
	}
	requests.Wait()
	if r := a.write("PATCH", "/v1/properties/17", `{"price": 1}`); r.StatusCode != 503 {
		t.Errorf("a write: %d %s, want 503", r.StatusCode, r.body)
	}
	a.answersInTime("/readyz") // PostgreSQL answers meanwhile
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.answersInTime("/v1/properties/1") // once the interrupted statements have ended
}

// Nobody is to be alarmed by a client that went away.
func TestClientGone(t *testing.T) {
	t.Parallel()
	var log logBuffer
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan struct{})
	a := start(t, log.debug, func(o *serve.Options) {
		o.Reads = reads(func(ctx context.Context, _ readthrough.Request) (readthrough.Answer, error) {
			cancel()
			<-ctx.Done()
			defer close(answered)
			return readthrough.Answer{}, ctx.Err()
		})
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.http.URL+"/v1/properties", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := a.http.Client().Do(r); err == nil {
		response.Body.Close()
		t.Fatal("a request that its client gave up was answered")
	}
	<-answered
	a.http.Close() // waits for the handler
	if text := log.String(); !strings.Contains(text, "level=DEBUG") || !strings.Contains(text, "status=499") {
		t.Errorf("want a line at level debug, with status 499:\n%s", text)
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	var log logBuffer
	a := start(t, log.use, func(o *serve.Options) {
		o.Reads = reads(func(context.Context, readthrough.Request) (readthrough.Answer, error) { panic("secret") })
	})
	if r := a.get("/v1/properties"); r.StatusCode != 500 || strings.Contains(r.body, "secret") {
		t.Errorf("%d %s, want 500 without internals", r.StatusCode, r.body)
	}
	if r := a.get("/"); r.StatusCode != 500 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("a page: %d %s, want 500 as a page", r.StatusCode, r.Header.Get("Content-Type"))
	}
	if text := log.String(); !strings.Contains(text, "secret") || !strings.Contains(text, "failures_test.go") {
		t.Errorf("the log does not say what and where: %s", text)
	}
	if r := a.get("/healthz"); r.StatusCode != 200 {
		t.Errorf("afterwards: %d, want 200", r.StatusCode)
	}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) use(o *serve.Options) {
	o.Log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func (l *logBuffer) debug(o *serve.Options) {
	o.Log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestLog(t *testing.T) {
	t.Parallel()
	var quiet, loud logBuffer
	a, b := start(t, quiet.use), start(t, loud.debug)
	for _, api := range []*api{a, b} {
		api.get("/v1/properties?limit=3", "X-Request-Id: req-1")
		api.get("/v1/properties?limit=0")
		api.exec("revoke select on properties from freshlist_api")
		api.get("/v1/properties/1", "X-Request-Id: req-2")
	}
	text := quiet.String()
	if strings.Contains(text, "req-1") || !strings.Contains(text, "req-2") || strings.Count(text, "\n") != 1 {
		t.Errorf("at level info want one line, of the error:\n%s", text)
	}
	for _, want := range []string{"status=500", "target=/v1/properties/1", "42501", "level=ERROR"} {
		if !strings.Contains(text, want) {
			t.Errorf("the line of the error lacks %q:\n%s", want, text)
		}
	}
	text = loud.String()
	if !strings.Contains(text, "id=req-1 method=GET target=\"/v1/properties?limit=3\" status=200") || strings.Count(text, "\n") != 3 {
		t.Errorf("at level debug want a line for each request:\n%s", text)
	}
}

// A slow request is logged for being slow.
func TestSlowRequestIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		var o serve.Options
		log.use(&o)
		o.Metrics = telemetry.NewAPI()
		o.Site = listingtest.Site()
		o.Timeout = time.Minute
		o.Reads = reads(func(_ context.Context, r readthrough.Request) (readthrough.Answer, error) {
			time.Sleep(time.Duration(r.Query.Key.Number) * time.Millisecond) // of the test's clock
			return readthrough.Answer{Status: 200}, nil
		})
		s := serve.New(o)
		for _, id := range []string{"999", "1000"} {
			s.ServeHTTP(discard{http.Header{}}, newRequest(t, "/v1/properties/"+id))
		}
		if text := log.String(); strings.Contains(text, "properties/999") || !strings.Contains(text, "level=WARN") || !strings.Contains(text, "took=1s") {
			t.Errorf("want a warning about the request of one second alone:\n%s", text)
		}
	})
}

func newRequest(t *testing.T, target string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://test"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI = target
	return r
}

// discard is a client that reads nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header               { return d.header }
func (d discard) Write(b []byte) (int, error)       { return len(b), nil }
func (d discard) WriteHeader(int)                   {}
func (d discard) WriteString(s string) (int, error) { return len(s), nil }

func TestRequestID(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, good := range []string{"a", "7f3e-11.B_c:2", strings.Repeat("x", 64)} {
		if got := a.get("/healthz", "X-Request-Id: "+good).Header.Get("X-Request-Id"); got != good {
			t.Errorf("X-Request-Id %q came back as %q", good, got)
		}
	}
	seen := map[string]bool{}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", `a"b`, "a\tb", "é", "<script>", "a,b"} {
		got := a.get("/healthz", "X-Request-Id: "+bad).Header.Get("X-Request-Id")
		if got == bad || len(got) < 20 || seen[got] {
			t.Errorf("X-Request-Id %q: got %q, want one of the server's own, each time another", bad, got)
		}
		seen[got] = true
	}
	if got := a.get("/v1/properties?limit=0", "X-Request-Id: req").Header.Get("X-Request-Id"); got != "req" {
		t.Errorf("a problem has the request id %q, want req", got)
	}
}
