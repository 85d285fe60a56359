package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// An API takes another description over while it is read, without a restart; no reader sees
// an error of the server.
func TestAnotherDescriptionIsTakenOver(t *testing.T) {
	t.Parallel()
	database := migrated.New(t)
	addr := freeAddr(t)
	settings := map[string]string{
		"DATABASE_URL": database.API, "REDIS_URL": "redis://" + freeAddr(t) + "/0", "HTTP_ADDR": addr, "CACHE": "off",
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log lockedBuffer
	served := make(chan error, 1)
	go func() { served <- serveAPI(ctx, func(name string) string { return settings[name] }, &log) }()
	get := func(path string) int {
		r, err := http.Get("http://" + addr + path)
		if err != nil {
			return 0
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	await(t, &log, func() bool { return get("/v1/properties") == 200 })

	var failed atomic.Int64
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			for _, path := range []string{"/", "/v1/properties", "/v1/homes", "/homes"} {
				if status := get(path); status >= 500 || status == 0 {
					failed.Store(int64(status) + 1)
				}
			}
		}
	})
	conn, err := pgx.Connect(t.Context(), database.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	text := strings.NewReplacer("home: properties", "home: homes", "  properties:\n", "  homes:\n", "      postal_code:   {filter: any-of}\n", "").Replace(listingtest.PropertiesListings)
	if _, err := schema.InstallFile(t.Context(), conn, schema.File{Name: "homes.yaml", Text: text}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "alter table properties drop column postal_code"); err != nil {
		t.Fatal(err)
	}
	await(t, &log, func() bool { return get("/v1/homes") == 200 })
	close(done)
	readers.Wait()
	if status := failed.Load(); status != 0 {
		t.Errorf("a reader got %d\n%s", status-1, &log)
	}
	if status := get("/v1/properties"); status != 404 {
		t.Errorf("the former table answers %d", status)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// freeAddr returns an address that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func await(t *testing.T, log fmt.Stringer, so func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not become so:\n%s", log)
		}
	}
}

// lockedBuffer is a buffer that several may write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
