package serve_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
)

// running is a server under Run.
type running struct {
	addr string
	done chan error
}

// run runs an API's server until ctx ends.
func run(ctx context.Context, t *testing.T, a *api, drain time.Duration) running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := running{l.Addr().String(), make(chan error, 1)}
	go func() { r.done <- a.server.Run(ctx, l, drain) }()
	return r
}

// SIGTERM: a request that has begun gets its answer, no new one is taken, and
// Run returns when the last is done.
func TestDrainOnSigterm(t *testing.T) { // not parallel: the signal is the process'
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	begun, goOn := make(chan struct{}), make(chan struct{})
	a := start(t, func(o *serve.Options) {
		o.Reads = reads(func(ctx context.Context, _ readthrough.Request) (readthrough.Answer, error) {
			close(begun)
			<-goOn
			return readthrough.Answer{Status: 200, Body: "whole"}, ctx.Err()
		})
	})
	server := run(ctx, t, a, time.Minute)

	answered := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + server.addr + "/v1/properties")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		answered <- fmt.Sprint(response.StatusCode, " ", string(body), " ", err)
	}()
	<-begun
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	for { // the listener closes at once
		conn, err := net.Dial("tcp", server.addr)
		if err != nil {
			break
		}
		conn.Close()
	}
	if r := a.get("/readyz"); r.StatusCode != 503 { // by the other listener of this test
		t.Errorf("while it drains, /readyz is %d, want 503", r.StatusCode)
	}
	select {
	case err := <-server.done:
		t.Fatalf("Run returned %v before the request was answered", err)
	default:
	}
	close(goOn)
	if got := <-answered; got != "200 whole <nil>" {
		t.Errorf("the slow request got %q, want its whole answer", got)
	}
	if err := <-server.done; err != nil {
		t.Errorf("Run returned %v, want nil", err)
	}
}

// A request that outlasts the drain is cut off, and Run says so.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	begun := make(chan struct{})
	a := start(t, func(o *serve.Options) {
		o.Reads = reads(func(ctx context.Context, _ readthrough.Request) (readthrough.Answer, error) {
			close(begun)
			<-ctx.Done()
			return readthrough.Answer{}, ctx.Err()
		})
	})
	server := run(ctx, t, a, time.Millisecond)
	failed := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + server.addr + "/v1/properties")
		if err == nil {
			response.Body.Close()
		}
		failed <- err
	}()
	<-begun
	stop()
	if err := <-server.done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returned %v, want that the drain was too short", err)
	}
	if err := <-failed; err == nil {
		t.Error("the request was answered, want it cut off")
	}
}

func TestLimitsOfARequest(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	a := start(t)
	server := run(ctx, t, a, time.Minute)
	defer func() {
		stop()
		if err := <-server.done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	for _, c := range []struct {
		name   string
		url    int // length
		header int // length of all
		status int
	}{
		{"a long address", 8 << 10, 10 << 10, 400},
		{"too long an address", 8<<10 + 1, 10 << 10, 414},
		{"a long header", 100, 16 << 10, 200},
		{"too long a header", 100, 16<<10 + 1, 431},
	} {
		target := "/v1/properties?q=" // too long for q: 400
		target += strings.Repeat("x", c.url-len(target))
		request := "GET " + target + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Fill: "
		request += strings.Repeat("y", c.header-len(request)-4) + "\r\n\r\n"
		if got := status(t, server.addr, request); got != c.status {
			t.Errorf("%s: %d, want %d", c.name, got, c.status)
		}
	}
}

// status sends bytes and returns the status of what comes back.
func status(t *testing.T, addr, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatalf("send: %v", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	response.Body.Close()
	return response.StatusCode
}

// DRAIN_DELAY: the listener goes on while /readyz says that the process is going.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	a := start(t, func(o *serve.Options) { o.DrainDelay = 2 * time.Second })
	ctx, stop := context.WithCancel(t.Context())
	server := run(ctx, t, a, time.Minute)
	told := time.Now()
	stop()
	statuses := map[int]bool{}
	for {
		response, err := http.Get("http://" + server.addr + "/readyz")
		if err != nil {
			break
		}
		response.Body.Close()
		statuses[response.StatusCode] = true
	}
	if err := <-server.done; err != nil {
		t.Error(err)
	}
	if took := time.Since(told); took < 2*time.Second || !statuses[503] {
		t.Errorf("the listener closed after %v, and /readyz said %v", took, statuses)
	}
}
