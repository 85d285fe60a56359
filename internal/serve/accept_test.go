package serve

import (
	"net/http"
	"testing"

	"github.com/freshlist/freshlist/internal/serve/render"
)

// A stream is for who names its type and wants it more than the answer's own; a wildcard, as most
// clients send it, means the answer. What the cache in the process may answer is decided alike.
func TestAcceptOfAStream(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept     string
		json, html bool
	}{
		{"", false, false},
		{"*/*", false, false},
		{"text/*", false, false},
		{"text/event-stream", true, true},
		{"Text/Event-Stream", true, true},
		{"text/event-stream;charset=utf-8", true, true},
		{"text/event-stream, */*;q=0.1", true, true},
		{"text/event-stream, */*", true, true},
		{"text/event-stream;q=0", false, false},
		{"text/event-stream;q=0.5, */*", false, false},
		{"text/event-stream;q=x", false, false},
		{"application/json, text/event-stream", false, true},
		{"text/event-stream, text/html", true, false},
		{"application/json;q=0.4, text/event-stream;q=0.5", true, true},
		{"text/html;q=0.4 , text/event-stream;level=1; Q=0.5", true, true},
		{"text/*, text/event-stream;q=0.5", true, false},
		{"text/html;q=0.1, text/*, text/event-stream;q=0.5", true, true},
		{"text/event-streams, x-text/event-stream", false, false},
		{"application/signed-exchange;v=b3;q=0.7, text/event-stream", true, true},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7", false, false},
	} {
		fields := []string{c.accept}
		if got := wantsStream(fields, render.JSON); got != c.json {
			t.Errorf("%q: a stream instead of JSON: %t", c.accept, got)
		}
		if got := wantsStream(fields, render.HTML); got != c.html {
			t.Errorf("%q: a stream instead of a page: %t", c.accept, got)
		}
		r := &http.Request{Method: "GET", Header: http.Header{"Accept": fields}}
		if (c.json || c.html) && !mayWatch(r) {
			t.Errorf("%q: answered by the cache in the process", c.accept)
		}
		if r.Method = "HEAD"; mayWatch(r) {
			t.Errorf("%q: HEAD has a stream", c.accept)
		}
	}
}
