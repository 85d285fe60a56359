// Package tracing makes OpenTelemetry traces of what a process does: its requests, its statements to
// PostgreSQL, its calls of Redis and its purges, and sends them by OTLP over HTTP.
//
// It is off unless an endpoint is configured. Then nothing of it is installed, so nothing is slower.
//
// Its invariant: no span holds a value of a row, a parameter of a statement, an argument of a command of
// Redis or a text of an error, which may have any of these; nor a password.
package tracing

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/freshlist/freshlist/internal/telemetry"
)

// Config says where traces go, and of what.
type Config struct {
	URL      string // of the collector's traces
	Service  string // service.name, unless OTEL_SERVICE_NAME says another
	Version  string
	Database func() string // of an API: which database it writes to, as beats name it; "" if unknown yet
	Log      *slog.Logger
}

// Tracing is the traces of a process.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	below    trace.TracerProvider // of spans that have a parent
	database func() string

	flushTime time.Duration // flushTime, but for tests
}

// Start returns the traces of a process. What Config does not say the exporter and the sampler read from
// OpenTelemetry's own variables.
func Start(ctx context.Context, c Config) (*Tracing, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.URL))
	if err != nil {
		return nil, fmt.Errorf("send traces to OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	from, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", c.Service), attribute.String("service.version", c.Version)),
		resource.WithFromEnv(),
	)
	if err != nil {
		c.Log.WarnContext(ctx, "OTEL_RESOURCE_ATTRIBUTES is not all understood", "error", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { c.Log.Warn("traces cannot be sent", "error", err) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(from), sdk.WithIDGenerator(generator{}))
	return &Tracing{
		provider: provider, tracer: provider.Tracer("github.com/freshlist/freshlist"), below: below{provider}, database: c.Database,
		flushTime: flushTime,
	}, nil
}

// flushTime bounds how long the end of a process waits for the collector.
const flushTime = 3 * time.Second

// Close sends what is left, for flushTime at most.
func (t *Tracing) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.flushTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

// Handler makes a span of each request, as a part of its client's trace. Probes and static files have
// none, nor streams, which go on for hours.
func (t *Tracing) Handler(h http.Handler) http.Handler {
	return otelhttp.NewHandler(h, "request",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method }),
		otelhttp.WithFilter(func(r *http.Request) bool {
			return !slices.Contains([]string{"/healthz", "/readyz", "/metrics", "/v1/cache/metrics"}, r.URL.Path) &&
				!strings.HasPrefix(r.URL.Path, "/static/") && !strings.Contains(r.Header.Get("Accept"), "text/event-stream")
		}),
	)
}

// Answered names the span of a request, and says which level of the cache has answered.
func (t *Tracing) Answered(ctx context.Context, route telemetry.Route, source telemetry.Source) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	if route != telemetry.OtherRoute {
		span.SetName(route.String())
		span.SetAttributes(attribute.String("http.route", route.String()))
	}
	span.SetAttributes(attribute.String("freshlist.level", source.String()))
}

// ID returns the trace that a request is part of; "" if it is of none.
func (t *Tracing) ID(ctx context.Context) string {
	if c := trace.SpanContextFromContext(ctx); c.HasTraceID() {
		return c.TraceID().String()
	}
	return ""
}

// Wrote links the span of a write with the trace of its purge, which the invalidator will make: both know
// what that is called.
func (t *Tracing) Wrote(ctx context.Context, xid uint64) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(xidAttribute(xid))
	if database := t.database(); database != "" {
		span.AddLink(trace.Link{SpanContext: purgeOf(database, xid)})
	}
}

// mostPurges is how many transactions of one round have a span of their own purge.
const mostPurges = 16

// Purge begins the spans of a round that purges: one for each transaction, each a trace of its own that
// the write's trace is linked with. What the round does with the context belongs to the first.
// The function that is returned ends them.
func (t *Tracing) Purge(ctx context.Context, began time.Time, database string, xids []uint64) (context.Context, func(changes, purged int, err error)) {
	xids = slices.Clone(xids) // which may be there twice
	slices.Sort(xids)
	xids = slices.Compact(xids)
	within := ctx
	var spans []trace.Span
	for _, xid := range xids[:min(len(xids), mostPurges)] {
		named := context.WithValue(ctx, purgeKey{}, purgeOf(database, xid))
		options := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(xidAttribute(xid))}
		if len(spans) > 0 {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: spans[0].SpanContext()}))
		}
		named, span := t.tracer.Start(named, "purge", options...)
		if spans = append(spans, span); len(spans) == 1 {
			within = named
		}
	}
	return within, func(changes, purged int, err error) {
		for _, span := range spans {
			if err != nil {
				span.SetStatus(codes.Error, "")
			}
			span.SetAttributes(
				attribute.Int("freshlist.transactions", len(xids)), attribute.Int("freshlist.changes", changes), attribute.Int("freshlist.purged_queries", purged),
			)
			span.End()
		}
	}
}

func xidAttribute(xid uint64) attribute.KeyValue { return attribute.Int64("freshlist.xid", int64(xid)) }

// purgeOf returns the root of the trace in which the changes of a transaction are purged.
func purgeOf(database string, xid uint64) trace.SpanContext {
	sum := sha256.Sum256(fmt.Appendf(nil, "freshlist purge %s %d", database, xid))
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(sum[:16]), SpanID: trace.SpanID(sum[16:24]), TraceFlags: trace.FlagsSampled,
	})
}

// generator makes the ids of spans: by chance, but for those of purges.
type generator struct{}

type purgeKey struct{}

// NewIDs returns the ids of a root.
func (g generator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if purge, ok := ctx.Value(purgeKey{}).(trace.SpanContext); ok {
		return purge.TraceID(), purge.SpanID()
	}
	var id trace.TraceID
	for !id.IsValid() {
		for i := range id {
			id[i] = byte(rand.Uint32())
		}
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID returns the id of a span below another.
func (generator) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	for !id.IsValid() {
		for i := range id {
			id[i] = byte(rand.Uint32())
		}
	}
	return id
}

// PostgreSQL returns what makes spans of statements, without their parameters.
func (t *Tracing) PostgreSQL() pgx.QueryTracer {
	return otelpgx.NewTracer(otelpgx.WithTracerProvider(t.below))
}

// Redis makes spans of the calls of a client, without their arguments.
func (t *Tracing) Redis(rdb redis.UniversalClient) error {
	instrument := func(rdb *redis.Client) error {
		return redisotel.InstrumentTracing(rdb, redisotel.WithTracerProvider(t.below),
			redisotel.WithDBStatement(false), redisotel.WithCallerEnabled(false), redisotel.WithDialFilter(true))
	}
	switch c := rdb.(type) {
	case *redis.Client:
		return instrument(c)
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { _ = instrument(node) }) // it fails for other types only
	}
	return nil
}
