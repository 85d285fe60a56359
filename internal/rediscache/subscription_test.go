package rediscache_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/faultproxy"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// follower is a Follow that is under way.
type follower struct {
	*testing.T
	heard connections
	links chan *wire // each connection that was made
}

// patience is how long to wait for what must happen: it is reached only if it does not.
const patience = time.Minute

// follow begins to follow the purges of a space; address may lead through a proxy.
func follow(t *testing.T, s redistest.Space, address string, partitions int, wrap func(net.Conn) *wire) *follower {
	t.Helper()
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{T: t, heard: make(connections, 16), links: make(chan *wire, 16)}
	options.MaxRetries = -1
	options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		link := wrap(conn)
		f.links <- link
		return link, nil
	}
	client := redis.NewClient(options)
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() {
		rediscache.Subscribe(ctx, client, rediskey.Space{Prefix: s.Prefix, Partitions: partitions}, f.heard)
	})
	t.Cleanup(func() {
		cancel()
		following.Wait()
		_ = client.Close()
	})
	return f
}

// link waits for the next connection.
func (f *follower) link() *wire {
	f.Helper()
	select {
	case w := <-f.links:
		return w
	case <-time.After(patience):
		f.Fatal("no connection is made")
		return nil
	}
}

// want waits for what the ear is told next.
func (f *follower) want(connected bool) {
	f.Helper()
	select {
	case got := <-f.heard:
		if got != connected {
			f.Fatalf("the ear is told %v, want %v", got, connected)
		}
	case <-time.After(patience):
		f.Fatalf("the ear is told nothing, want %v", connected)
	}
}

// wire is a connection to Redis that a test reaches into.
type wire struct {
	net.Conn
	after   func(read []byte) bool // whether the answers may wait here, given all that was read; nil: never
	read    []byte
	waiting chan struct{} // closed when the client asks for more behind that point
	resume  chan struct{} // closed by the test to go on
}

func plainWire(conn net.Conn) *wire { return &wire{Conn: conn} }

// Read gives the answers byte by byte up to the point where they wait.
func (w *wire) Read(p []byte) (int, error) {
	if w.after == nil {
		return w.Conn.Read(p)
	}
	if w.after(w.read) {
		w.after = nil
		close(w.waiting)
		<-w.resume
		return w.Conn.Read(p)
	}
	n, err := w.Conn.Read(p[:1])
	w.read = append(w.read, p[:n]...)
	return n, err
}

// A connection that ends, or is given up because nothing comes, has missed purges:
// the ear is told before it hears again.
func TestFollowTellsOfABreak(t *testing.T) {
	t.Parallel()
	t.Run("ended", func(t *testing.T) {
		t.Parallel()
		s := redistest.New(t)
		f := follow(t, s, s.URL, 1, plainWire)
		f.want(true)
		_ = f.link().Conn.Close()
		f.want(false)
		f.want(true)
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		s := redistest.New(t)
		proxy := faultproxy.New(t, s.URL)
		f := follow(t, s, proxy.URL(s.URL), 1, plainWire)
		f.want(true)
		proxy.Silence(faultproxy.Both)
		f.want(false)
		proxy.Resume()
		f.want(true)
	})
}

// The client library may subscribe again by itself, on another connection, without an
// error (it does when a managed Redis announces that a node moves). Here the server is
// made to confirm once more.
func TestFollowNoticesASubscriptionMadeAgain(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	space := rediskey.Space{Prefix: s.Prefix, Partitions: 3}
	f := follow(t, s, s.URL, 3, plainWire)
	f.want(true)
	if _, err := f.link().Write([]byte("SUBSCRIBE " + space.Purged(0) + "\r\n")); err != nil {
		t.Fatal(err)
	}
	f.want(false)
	f.want(true)
}

// Purges are heard when all partitions' channels are: not after the first.
func TestFollowHearsWhenAllChannelsAreConfirmed(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	waiting, resume := make(chan struct{}), make(chan struct{})
	f := follow(t, s, s.URL, 3, func(conn net.Conn) *wire {
		return &wire{Conn: conn, waiting: waiting, resume: resume, after: func(read []byte) bool {
			at := bytes.Index(read, []byte("subscribe\r\n"))
			return at >= 0 && bytes.HasSuffix(read[at:], []byte("\r\n:1\r\n"))
		}}
	})
	defer close(resume)
	select {
	case <-waiting:
	case <-time.After(patience):
		t.Fatal("no channel is confirmed")
	}
	if len(f.heard) > 0 {
		t.Error("the ear is told that purges are heard when one of three channels is")
	}
}
