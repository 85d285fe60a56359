package invalidate

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgxlisten"
)

// The channels: writers ring on the first; on the second the invalidator rings
// to itself, to know that it would hear the first.
const (
	changesChannel = "freshlist"
	proofChannel   = "freshlist_proof"
)

// proofEvery is how often the listener is proved: two transactions each time, so not
// oftener than needed, since the beats find what it misses. It counts as deaf if it has not
// heard itself for twice that. One that has not heard itself at all is asked again soon.
const (
	proofEvery = 4 * time.Second
	proofFirst = 20 * time.Millisecond
)

// listener keeps one LISTEN connection and turns what it hears into rings. A
// connection that is open but dead hears nothing and fails nowhere, so it is
// proved: a proof that is not heard in time ends it, and another is begun.
type listener struct {
	rings chan struct{} // one ring is waiting, or none: rings carry nothing

	mu    sync.Mutex
	sent  uint64    // number of the last proof sent
	heard uint64    // number of the last proof heard
	since time.Time // of the oldest proof that has not been heard

	cancel context.CancelFunc
	done   chan struct{}
}

// startListener begins to listen; connect must give a connection for LISTEN.
func startListener(ctx context.Context, connect func(context.Context) (*pgx.Conn, error), report func(error)) *listener {
	l := &listener{rings: make(chan struct{}, 1), done: make(chan struct{})}
	ctx, l.cancel = context.WithCancel(ctx)
	listening := pgxlisten.Listener{
		Connect:        connect,
		LogError:       func(_ context.Context, err error) { l.lost(); report(err) },
		ReconnectDelay: 50 * time.Millisecond,
	}
	listening.Handle(changesChannel, pgxlisten.HandlerFunc(l.ring))
	listening.Handle(proofChannel, pgxlisten.HandlerFunc(l.hear))
	go func() {
		defer close(l.done)
		_ = listening.Listen(ctx) // it returns the context's error, when stop is called
	}()
	return l
}

// stop ends the listener and waits for it.
func (l *listener) stop() {
	l.cancel()
	<-l.done
}

func (l *listener) ring(context.Context, *pgconn.Notification, *pgx.Conn) error {
	select {
	case l.rings <- struct{}{}:
		runtime.Gosched() // to the loop at once, on this thread
	default: // one is waiting already
	}
	return nil
}

func (l *listener) hear(_ context.Context, n *pgconn.Notification, _ *pgx.Conn) error {
	number, err := strconv.ParseUint(n.Payload, 10, 64)
	if err != nil {
		return nil // anybody may notify on any channel
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if number > l.sent {
		return nil
	}
	l.heard, l.since = max(l.heard, number), time.Time{}
	return nil
}

// lost notes that the connection has gone: what was rung meanwhile is not heard,
// and the loop must know at once that it cannot rely on being rung.
func (l *listener) lost() {
	l.mu.Lock()
	l.heard = 0
	l.mu.Unlock()
	_ = l.ring(context.Background(), nil, nil)
}

// prove returns the payload of the next proof; the caller sends it.
func (l *listener) prove(now time.Time) (payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	if l.since.IsZero() {
		l.since = now
	}
	return strconv.FormatUint(l.sent, 10)
}

// hears reports whether the listener has heard itself at all, so that a ring sent
// from now on will be heard.
func (l *listener) hears() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard > 0
}

// deaf reports whether a proof has been waiting to be heard for too long.
func (l *listener) deaf(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.since.IsZero() && now.Sub(l.since) > 2*proofEvery
}
