package tracing

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// below makes spans only below others: what a process does by itself, such as to ask for changes
// many times a second, would be a trace each time. Its spans say that something failed, not how: the
// text of an error may hold values.
type below struct{ trace.TracerProvider }

// Tracer is that of trace.TracerProvider.
func (b below) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return belowTracer{b.TracerProvider.Tracer(name, options...)}
}

type belowTracer struct{ trace.Tracer }

// Start is that of trace.Tracer.
func (b belowTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, noop.Span{}
	}
	ctx, span := b.Tracer.Start(ctx, name, options...)
	span = quietSpan{span}
	return trace.ContextWithSpan(ctx, span), span
}

// quietSpan keeps the texts of errors to itself.
type quietSpan struct{ trace.Span }

// RecordError does nothing: the status says that there was one.
func (quietSpan) RecordError(error, ...trace.EventOption) {}

// SetStatus leaves the text out.
func (s quietSpan) SetStatus(code codes.Code, _ string) { s.Span.SetStatus(code, "") }
