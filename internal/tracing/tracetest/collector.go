// Package tracetest is a collector of traces for tests.
package tracetest

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector takes traces by OTLP over HTTP, and keeps them.
type Collector struct {
	*httptest.Server
	mu       sync.Mutex
	received []*trace.ResourceSpans
	faults   []error
}

// New returns a collector, which must be closed.
func New() *Collector {
	c := &Collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(c.take))
	return c
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	var sent collector.ExportTraceServiceRequest
	body := io.Reader(r.Body)
	var err error
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, err = gzip.NewReader(r.Body)
	}
	if err == nil {
		var read []byte
		if read, err = io.ReadAll(body); err == nil {
			err = proto.Unmarshal(read, &sent)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || r.URL.Path != "/v1/traces" {
		c.faults = append(c.faults, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.received = append(c.received, sent.ResourceSpans...)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// Spans returns the spans received so far.
func (c *Collector) Spans() (spans []*trace.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.received {
		for _, scope := range of.ScopeSpans {
			spans = append(spans, scope.Spans...)
		}
	}
	return spans
}

// Text returns all that has been received, as text.
func (c *Collector) Text() (text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.received {
		text += of.String() + "\n"
	}
	return text
}

// Attribute returns an attribute of a span, nil if it has none of that name.
func Attribute(s *trace.Span, name string) *common.AnyValue {
	for _, a := range s.Attributes {
		if a.Key == name {
			return a.Value
		}
	}
	return nil
}
