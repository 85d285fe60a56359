package invalidate

import (
	"context"
	"fmt"
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

// listener keeps one LISTEN connection and turns what it hears into rings. A
// connection that is open but dead hears nothing and fails nowhere, so the listener
// also rings to itself, on a connection of its own: that may hang for hours, and neither
// the loop nor the lead may wait for it.
type listener struct {
	rings   chan struct{} // one ring is waiting, or none: rings carry nothing
	again   chan struct{} // ring to oneself now
	connect func(ctx context.Context, purpose string) (*pgx.Conn, error)
	report  func(error)

	mu      sync.Mutex
	hearing hearing

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// startListener begins to listen; connect must give a connection for each purpose.
func startListener(ctx context.Context, connect func(context.Context, string) (*pgx.Conn, error), report func(error)) *listener {
	l := &listener{rings: make(chan struct{}, 1), again: make(chan struct{}, 1), connect: connect, report: report}
	ctx, l.cancel = context.WithCancel(ctx)
	listening := pgxlisten.Listener{
		Connect:        func(ctx context.Context) (*pgx.Conn, error) { return connect(ctx, "listen") },
		LogError:       func(_ context.Context, err error) { l.lost(); report(err) },
		ReconnectDelay: 50 * time.Millisecond,
	}
	listening.Handle(changesChannel, handler{l.ring, l.ringSoon})
	listening.Handle(proofChannel, handler{l.hear, l.ringSoon})
	l.done.Go(func() { _ = listening.Listen(ctx) }) // it returns the context's error, when stop is called
	l.done.Go(func() { l.ringOn(ctx) })
	return l
}

// handler handles what is heard on a channel; begun is called when it is listened to.
type handler struct {
	pgxlisten.HandlerFunc
	begun func()
}

// HandleBacklog is called once the channel is listened to.
func (h handler) HandleBacklog(context.Context, string, *pgx.Conn) error {
	h.begun()
	return nil
}

// stop ends the listener and waits for it.
func (l *listener) stop() {
	l.cancel()
	l.done.Wait()
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
	if number, err := strconv.ParseUint(n.Payload, 10, 64); err == nil {
		l.note(func(h *hearing) { h.hear(number) })
	}
	return nil
}

// lost notes that the connection has gone. The loop must know at once that it cannot
// rely on being rung.
func (l *listener) lost() {
	l.note((*hearing).lost)
	l.poke()
}

// poke has the loop look.
func (l *listener) poke() { _ = l.ring(context.Background(), nil, nil) }

func (l *listener) note(what func(*hearing)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	what(&l.hearing)
}

// fit reports whether writers can be asked to ring.
func (l *listener) fit(now time.Time) (fit bool) {
	l.note(func(h *hearing) { fit = h.fit(now) })
	return fit
}

// deaf reports whether the listener is to be given up.
func (l *listener) deaf(now time.Time) (deaf bool) {
	l.note(func(h *hearing) { deaf = h.deaf(now) })
	return deaf
}

// ringSoon has it ring to itself now, unless it does.
func (l *listener) ringSoon() {
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// ringPatience is how long a ring to oneself may take. It must end some time, since the link
// may be dead; and each that is ended so leaves a line in PostgreSQL's log.
const ringPatience = 5 * time.Minute

// ringOn rings to itself now and then, until ctx is done.
func (l *listener) ringOn(ctx context.Context) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			hangUp(conn)
		}
	}()
	for ctx.Err() == nil {
		if err := l.ringOnce(ctx, &conn); err != nil && ctx.Err() == nil {
			l.note((*hearing).failed)
			l.poke()
			l.report(err)
		}
		var pause time.Duration
		l.note(func(h *hearing) { pause = h.next() })
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-l.again:
		case <-t.C:
		}
		t.Stop()
	}
}

// ringOnce rings to itself and waits until that is committed.
func (l *listener) ringOnce(ctx context.Context, conn **pgx.Conn) (err error) {
	ctx, cancel := context.WithTimeout(ctx, ringPatience)
	defer cancel()
	if *conn == nil || (*conn).IsClosed() {
		if *conn, err = l.connect(ctx, "ring"); err != nil {
			return err
		}
	}
	var number uint64
	l.note(func(h *hearing) { number = h.send(time.Now()) })
	hangs := time.AfterFunc(hungRing, func() {
		l.note(func(h *hearing) { h.hung(time.Now()) })
		l.poke()
	})
	defer hangs.Stop()
	if _, err := (*conn).Exec(ctx, "select pg_notify($1, $2)", proofChannel, strconv.FormatUint(number, 10)); err != nil {
		return fmt.Errorf("ring to oneself: %w", err)
	}
	l.note(func(h *hearing) { h.committed(time.Now()) })
	return nil
}
