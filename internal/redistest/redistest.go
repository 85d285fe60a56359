// Package redistest gives tests real Redis on private servers.
//
// All tests of one test process share a server, which starts with the first test
// that asks; each test gets a key prefix of its own and may run in parallel. A
// test that restarts, kills, pauses, fills or flushes Redis starts its own server.
// A server that cannot be started fails the test: nothing is skipped.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/testmain"
)

// startTimeout is generous: it is only reached by a server that never starts.
const startTimeout = time.Minute

// Main is a TestMain: it runs the tests, stops the shared server and looks for
// goroutines left behind.
func Main(m *testing.M, options ...goleak.Option) { testmain.Run(m, options...) }

// Space is one test's part of the shared server.
type Space struct {
	URL    string        // the server, password included
	Prefix string        // first word of every key, no other test has it
	Client *redis.Client // closed at the end of the test
}

// prefixes counts the spaces of this process.
var prefixes atomic.Int64

// New returns a fresh space on the shared server.
func New(t testing.TB) Space {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("start shared redis: %v", err)
	}
	return Space{
		URL:    s.URL(),
		Prefix: fmt.Sprintf("test%d", prefixes.Add(1)),
		Client: s.Client(t),
	}
}

// Server is a private Redis server of one test. Its methods are for one goroutine
// at a time, except URL and Client.
type Server struct {
	redis *local.Redis
}

// shared is the server of this process.
var shared = sync.OnceValues(func() (*Server, error) {
	s, err := start(nil)
	if err == nil {
		testmain.AtExit(s.remove)
	}
	return s, err
})

// Start starts a server for one test, with further lines of redis.conf. It is
// removed at the end of the test.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := start(settings)
	if err != nil {
		t.Fatalf("start redis: %v", err)
	}
	t.Cleanup(func() { check(t, "remove redis", s.remove()) })
	return s
}

func start(more []string) (*Server, error) {
	return startWith(local.RedisOptions{Settings: append([]string{"enable-debug-command local"}, more...)})
}

// startWith starts a server in a folder of its own.
func startWith(options local.RedisOptions) (*Server, error) {
	dir, err := local.ScratchDir("freshlist-redis-*")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	options.Dir, options.Disposable = dir, true
	r, err := local.StartRedis(ctx, options)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Server{redis: r}, nil
}

func (s *Server) remove() error {
	return errors.Join(s.redis.Kill(), os.RemoveAll(s.redis.Dir()))
}

// URL returns the address of the server with its password.
func (s *Server) URL() string { return s.redis.URL() }

// Client returns a client that is closed at the end of the test. It never retries:
// a fault that the test makes is a fault that it sees.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(s.URL())
	check(t, "parse redis address", err)
	options.MaxRetries = -1
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)
	t.Cleanup(func() { check(t, "close redis client", client.Close()) })
	return client
}

// Stop stops the server in order; its data are lost.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	check(t, "stop redis", s.redis.Stop())
}

// Kill kills the server.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	check(t, "kill redis", s.redis.Kill())
}

// Start starts a stopped server again, on the same port: with the content of the
// file snapshot, as Save wrote it, or empty if that is "".
func (s *Server) Start(t testing.TB, snapshot string) {
	t.Helper()
	check(t, "place snapshot", s.redis.SetSnapshot(snapshot))
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	check(t, "start redis", s.redis.Start(ctx))
}

// Restart kills the server and starts it again as Start does.
func (s *Server) Restart(t testing.TB, snapshot string) {
	t.Helper()
	s.Kill(t)
	s.Start(t, snapshot)
}

// Save writes what the server holds now to a file and returns its path, good for
// Start until the end of the test.
func (s *Server) Save(t testing.TB) string {
	t.Helper()
	check(t, "save", s.Client(t).Save(t.Context()).Err())
	content, err := os.ReadFile(s.redis.Snapshot())
	check(t, "read snapshot", err)
	path := filepath.Join(t.TempDir(), "snapshot.rdb")
	check(t, "write snapshot", os.WriteFile(path, content, 0o600))
	return path
}

// Pause stops the server in its tracks (SIGSTOP); connections stay open.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	check(t, "pause redis", s.redis.Pause())
}

// Resume lets a paused server go on (SIGCONT).
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	check(t, "resume redis", s.redis.Resume())
}

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
