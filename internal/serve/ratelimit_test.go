package serve_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// A client that has used up its requests is told when the next one may come. Others, and probes, are not held up.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	var metrics *telemetry.API
	a := start(t, func(o *serve.Options) {
		o.RateLimit, o.TrustedProxies, metrics = 3, "127.0.0.0/8,2001:db8::7", o.Metrics
	})
	for i, want := range []string{"r=2", "r=1", "r=0"} {
		r := a.get("/v1/properties/17")
		if got := r.Header.Get("RateLimit"); r.StatusCode != 200 || !strings.HasPrefix(got, `"client";`+want+";t=") {
			t.Errorf("request %d: %d, RateLimit %s, want %s", i, r.StatusCode, got, want)
		}
		if got := r.Header.Get("RateLimit-Policy"); got != `"client";q=3;w=60` {
			t.Errorf("RateLimit-Policy %s", got)
		}
	}
	r := a.write("POST", "/v1/properties", house)
	r.problem(t, http.StatusTooManyRequests)
	if after := r.Header.Get("Retry-After"); after == "" || after == "0" || !strings.HasPrefix(r.Header.Get("RateLimit"), `"client";r=0;t=`) {
		t.Errorf("Retry-After %q, RateLimit %s", after, r.Header.Get("RateLimit"))
	}
	if r := a.get("/"); r.StatusCode != 429 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("a page: %d %s", r.StatusCode, r.Header.Get("Content-Type"))
	}
	if r := a.get("/readyz"); r.StatusCode != 200 || r.Header.Get("RateLimit") != "" {
		t.Errorf("a probe: %d", r.StatusCode)
	}
	for _, from := range []string{"192.0.2.7", "192.0.2.7:1234, 127.0.0.9", "spoofed, 198.51.100.1, 192.0.2.7"} {
		if r := a.get("/v1/properties/17", "X-Forwarded-For: "+from); r.StatusCode != 200 {
			t.Errorf("from %s: %d", from, r.StatusCode)
		}
	}
	if r := a.get("/v1/properties/17", "X-Forwarded-For: 192.0.2.7"); r.StatusCode != 429 {
		t.Errorf("another of the same client: %d", r.StatusCode)
	}
	if n := metrics.RateLimited.Value(); n != 3 {
		t.Errorf("%d refused requests are counted, want 3", n)
	}
	if r := a.get("/v1/properties/17", "X-Forwarded-For: 10.0.0.1, what?"); r.StatusCode != 429 { // the proxy's own
		t.Errorf("from nowhere: %d", r.StatusCode)
	}
	if off := start(t).get("/v1/properties"); off.Header.Get("RateLimit") != "" {
		t.Error("without a limit there is a header of it")
	}
}

// Only a trusted proxy says who the client is; of IPv6 a client is its network. Tokens come back with
// time, and clients that have all of them are forgotten.
func TestClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := serve.NewLimiter(2, "10.0.0.0/8")
		admit := func(peer, forwarded string) bool {
			r := httptest.NewRequest("GET", "/v1/properties", nil)
			r.RemoteAddr = peer
			if forwarded != "" {
				r.Header.Set("X-Forwarded-For", forwarded)
			}
			return l.Admit(http.Header{}, r, time.Now())
		}
		for _, c := range []struct {
			peer, forwarded string
			want            bool
		}{
			{"192.0.2.1:1", "198.51.100.1", true}, {"192.0.2.1:2", "198.51.100.2", true}, {"192.0.2.1:3", "198.51.100.3", false},
			{"[::ffff:192.0.2.1]:4", "", false}, {"192.0.2.2:1", "", true},
			{"[2001:db8::1]:1", "", true}, {"[2001:db8::2%eth0]:1", "", true}, {"[2001:db8::3]:1", "", false}, {"[2001:db8:0:1::3]:1", "", true},
			{"10.0.0.1:1", "198.51.100.1, 10.0.0.2", true}, {"10.0.0.3:1", "x, 198.51.100.1", true}, {"[::ffff:10.0.0.1]:1", "198.51.100.1", false},
			{"10.0.0.1:1", "198.51.100.1, [2001:db8:1::1]:443", true}, {"@", "", true}, {"@", "", true}, {"@", "", false},
		} {
			if got := admit(c.peer, c.forwarded); got != c.want {
				t.Errorf("from %s, forwarded for %q: admitted %t, want %t", c.peer, c.forwarded, got, c.want)
			}
		}
		for _, c := range []struct {
			pause time.Duration
			asked int
			want  int // admitted
		}{
			{29 * time.Second, 1, 0}, // before one has come back
			{2 * time.Second, 2, 1},
			{29 * time.Second, 2, 1}, // in the next window: the bucket is a former one now
			{10 * time.Minute, 5, 2}, // all are back, and no more
		} {
			time.Sleep(c.pause)
			admitted := 0
			for range c.asked {
				if admit("192.0.2.1:5", "") {
					admitted++
				}
			}
			if admitted != c.want {
				t.Errorf("%v later %d are admitted, want %d", c.pause, admitted, c.want)
			}
		}
		if n := l.Clients(); n > 2 {
			t.Errorf("%d clients are remembered, want the one of the last two windows", n)
		}
		l.SetMostClients(3)
		admitted := 0
		for i := range 9 {
			if admit(fmt.Sprintf("198.51.100.%d:1", 10+i), "") {
				admitted++
			}
		}
		if n := l.Clients(); n > 5 || admitted != 4 { // two of their own, two of the shared bucket
			t.Errorf("%d clients are remembered, %d requests admitted, want few", n, admitted)
		}
	})
}
