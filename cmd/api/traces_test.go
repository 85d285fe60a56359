package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/tracing/tracetest"
)

// With a collector named, requests are traces that have their statements and their calls of Redis below them. A
// write's leads to its purge, and holds nothing of what was written.
func TestTracesOfRequests(t *testing.T) {
	t.Parallel()
	database, r, collector := migrated.New(t), redistest.New(t), tracetest.New()
	defer collector.Close()
	addr := freeAddr(t)
	const token, title, city = "a-token-of-the-test", "a title of the test", "a city of the test"
	settings := map[string]string{
		"DATABASE_URL": database.API, "REDIS_URL": r.URL, "REDIS_PREFIX": r.Prefix, "HTTP_ADDR": addr, "WRITE_TOKEN": token,
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL,
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log lockedBuffer
	served := make(chan error, 1)
	go func() { served <- serveAPI(ctx, func(name string) string { return settings[name] }, &log) }()
	do := func(method, path, body string) (status int, xid string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, ""
		}
		defer resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Consistency-Token")
	}
	await(t, &log, func() bool { status, _ := do("GET", "/v1/properties", ""); return status == 200 })
	status, xid := do("POST", "/v1/properties", `{"title": "`+title+`", "property_type": "Condo", "price": 7, "city": "`+city+`"}`)
	if status != http.StatusCreated {
		t.Fatalf("the write: %d\n%s", status, &log)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()

	below := map[string]int{} // by what they are below
	for _, s := range collector.Spans() {
		below[string(s.ParentSpanId)]++
	}
	var read, written bool
	for _, s := range collector.Spans() {
		switch s.Name {
		case "GET /v1/{table}":
			read = read || below[string(s.SpanId)] > 1
		case "POST /v1/{table}":
			written = below[string(s.SpanId)] > 0 && len(s.Links) == 1 && strconv.FormatInt(tracetest.Attribute(s, "freshlist.xid").GetIntValue(), 10) == xid
		}
	}
	text := collector.Text()
	if !read || !written {
		t.Errorf("read %v, written %v: %s", read, written, text)
	}
	for _, value := range []string{token, title, city} {
		if strings.Contains(text, value) {
			t.Errorf("%q is in a trace", value)
		}
	}
}
