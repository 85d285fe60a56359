package tracing_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/telemetry"
	"github.com/freshlist/freshlist/internal/tracing"
	"github.com/freshlist/freshlist/internal/tracing/tracetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const secret = "s3cret"

// called returns the spans of a name.
func called(spans []*otlp.Span, name string) (found []*otlp.Span) {
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// A request's trace has what it asked of PostgreSQL and Redis, and leads to the purge of what it wrote.
// No value is in it.
func TestTraces(t *testing.T) {
	t.Parallel()
	collector := tracetest.New()
	t.Cleanup(collector.Close)
	traces, err := tracing.Start(t.Context(), tracing.Config{
		URL: collector.URL + "/v1/traces", Service: "freshlist-test", Version: "1.2.3", Database: func() string { return "7/5" },
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	config.Tracer = traces.PostgreSQL()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rdb := redistest.New(t).Client
	if err := traces.Redis(rdb); err != nil {
		t.Fatal(err)
	}
	work := func(ctx context.Context) {
		var said string
		if err := conn.QueryRow(ctx, "select $1::text", secret).Scan(&said); err != nil || said != secret {
			t.Errorf("%q, %v", said, err)
		}
		var n int
		if err := conn.QueryRow(ctx, "select $1::text::int", secret).Scan(&n); err == nil || !strings.Contains(err.Error(), secret) {
			t.Errorf("%v: that tests nothing", err)
		}
		if err := rdb.Do(ctx, "get", "a", secret).Err(); err == nil {
			t.Error("Redis takes a wrong command")
		}
	}
	id := ""
	h := traces.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		work(r.Context())
		traces.Wrote(r.Context(), 42)
		traces.Answered(r.Context(), telemetry.PatchRoute, telemetry.NoSource)
		id = traces.ID(r.Context())
		w.WriteHeader(http.StatusOK)
	}))
	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	r := httptest.NewRequest(http.MethodPatch, "/v1/properties/17", strings.NewReader(secret))
	r.Header.Set("Traceparent", "00-"+parent+"-00f067aa0ba902b7-01")
	r.Header.Set("Authorization", "Bearer "+secret)
	h.ServeHTTP(httptest.NewRecorder(), r)
	h = traces.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if trace.SpanFromContext(r.Context()).IsRecording() {
			t.Errorf("%s has a span", r.URL)
		}
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/readyz", nil))
	stream := httptest.NewRequest(http.MethodGet, "/v1/properties", nil)
	stream.Header.Set("Accept", "text/event-stream")
	h.ServeHTTP(httptest.NewRecorder(), stream)
	work(t.Context()) // for no request: of no trace
	within, end := traces.Purge(t.Context(), time.Now(), "7/5", []uint64{43, 42, 42})
	rdb.Ping(within)
	end(3, 2, nil)
	traces.Close(t.Context())

	spans := collector.Spans()
	requests, purges := called(spans, "PATCH /v1/{table}/{key}"), called(spans, "purge")
	if len(requests) != 1 || len(purges) != 2 || len(called(spans, "get")) != 1 || len(called(spans, "ping")) != 1 {
		t.Fatalf("%d spans: %s", len(spans), collector.Text())
	}
	request := requests[0]
	if got := hex.EncodeToString(request.TraceId); got != parent || id != parent {
		t.Errorf("the request is of trace %s, %s; want %s", got, id, parent)
	}
	statements := 0
	for _, s := range spans {
		if bytes.Equal(s.ParentSpanId, request.SpanId) {
			statements++
		}
	}
	if statements < 3 {
		t.Errorf("the request's span has %d below it: %s", statements, collector.Text())
	}
	purge := purges[0]
	if tracetest.Attribute(purge, "freshlist.xid").GetIntValue() != 42 {
		purge = purges[1]
	}
	if len(request.Links) != 1 || !bytes.Equal(request.Links[0].TraceId, purge.TraceId) || !bytes.Equal(request.Links[0].SpanId, purge.SpanId) {
		t.Errorf("the write leads to %v, its purge is %v", request.Links, purge)
	}
	if tracetest.Attribute(purge, "freshlist.purged_queries").GetIntValue() != 2 || len(purge.ParentSpanId) > 0 {
		t.Errorf("the purge: %v", purge)
	}
	if ping := called(spans, "ping")[0]; !bytes.Equal(ping.TraceId, purges[0].TraceId) && !bytes.Equal(ping.TraceId, purges[1].TraceId) {
		t.Errorf("what the purge asked of Redis is in no purge's trace: %v", ping)
	}
	text := collector.Text()
	if strings.Contains(text, secret) || config.Password != "" && strings.Contains(text, config.Password) {
		t.Errorf("a secret is in it: %s", text)
	}
	for _, want := range []string{"freshlist-test", "1.2.3"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in it", want)
		}
	}
}

// A collector that does not answer holds up the end of the process for a bounded time.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(release) })
	traces, err := tracing.Start(t.Context(), tracing.Config{URL: silent.URL, Service: "s", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	tracing.SetFlushTime(traces, 20*time.Millisecond)
	_, end := traces.Purge(t.Context(), time.Now(), "", []uint64{1})
	end(1, 1, nil)
	traces.Close(t.Context()) // it returns
	<-asked
}
