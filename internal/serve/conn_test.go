package serve_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// counting counts what is written to its connections.
type counting struct {
	net.Listener
	writes *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// Answers of all sizes arrive whole, one after the other on one connection, and those
// of usual sizes by one system call each.
func TestAnAnswerIsOneWrite(t *testing.T) {
	t.Parallel()
	var body atomic.Pointer[string]
	s := serve.New(serve.Options{
		Site: listingtest.Site(),
		Reads: reads(func(context.Context, readthrough.Request) (readthrough.Answer, error) {
			return readthrough.Answer{Status: 200, Body: *body.Load()}, nil
		}),
		Timeout: time.Minute, Metrics: telemetry.NewAPI(), Log: slog.New(slog.NewTextHandler(testLog{t}, nil)),
		State:   cachestate.New(slog.New(slog.DiscardHandler), time.Now),
		Examine: func(context.Context) (cachestate.Reason, string) { return cachestate.OK, "" },
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var writes atomic.Int64
	go func() { done <- s.Run(ctx, counting{l, &writes}, time.Minute) }()

	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for _, size := range []int{0, 100, 3 << 10, 3<<10 + 1, 4000, 4096, 6000, 100_000, 256 << 10, 1 << 20, 6000, 100} {
		text := strings.Repeat("x", size)
		body.Store(&text)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
			before := writes.Load()
			request, err := http.NewRequestWithContext(ctx, method, "http://"+l.Addr().String()+"/v1/properties", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatalf("%s of %d bytes: %v", method, size, err)
			}
			got, err := io.ReadAll(response.Body)
			if err != nil || response.Body.Close() != nil {
				t.Fatalf("%s of %d bytes: %v", method, size, err)
			}
			want := size
			if method == http.MethodHead {
				want = 0
			}
			if len(got) != want || response.ContentLength != int64(size) {
				t.Errorf("%s of %d bytes: %d came", method, size, len(got))
			}
			if n := writes.Load() - before; n != 1 && size <= 256<<10 {
				t.Errorf("%s of %d bytes: %d writes, want 1", method, size, n)
			}
		}
	}
	client.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
