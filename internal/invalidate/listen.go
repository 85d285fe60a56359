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

// The channels. Writers ring on the first. On the second the invalidator sends pings to
// itself, which show that rings on the first would arrive.
const (
	changesChannel = "freshlist"
	pingChannel    = "freshlist_ping"
)

// listener keeps one LISTEN connection and passes notifications on as rings. A connection
// that is open but dead receives nothing and returns no error. So the listener also sends
// pings to itself, on a connection of its own: a ping may hang for hours, and neither the
// loop nor the leadership may wait for it.
type listener struct {
	rings   chan struct{} // one ring is waiting, or none: rings carry nothing
	pingNow chan struct{} // send a ping now
	connect func(ctx context.Context, purpose string) (*pgx.Conn, error)
	report  func(error)

	mu    sync.Mutex
	pings pings

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// startListener begins to listen; connect must give a connection for each purpose.
func startListener(ctx context.Context, connect func(context.Context, string) (*pgx.Conn, error), report func(error)) *listener {
	l := &listener{rings: make(chan struct{}, 1), pingNow: make(chan struct{}, 1), connect: connect, report: report}
	ctx, l.cancel = context.WithCancel(ctx)
	listening := pgxlisten.Listener{
		Connect:        func(ctx context.Context) (*pgx.Conn, error) { return connect(ctx, "listen") },
		LogError:       func(_ context.Context, err error) { l.disconnected(); report(err) },
		ReconnectDelay: 50 * time.Millisecond,
	}
	listening.Handle(changesChannel, handler{l.ring, l.pingSoon})
	listening.Handle(pingChannel, handler{l.receivePing, l.pingSoon})
	l.done.Go(func() { _ = listening.Listen(ctx) }) // it returns the context's error, when stop is called
	l.done.Go(func() { l.pingLoop(ctx) })
	return l
}

// handler handles the notifications of a channel; begun is called when it is listened to.
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

func (l *listener) receivePing(_ context.Context, n *pgconn.Notification, _ *pgx.Conn) error {
	if number, err := strconv.ParseUint(n.Payload, 10, 64); err == nil {
		l.update(func(h *pings) { h.receive(number) })
	}
	return nil
}

// disconnected records that the connection is lost. The loop must know at once that it
// cannot rely on rings.
func (l *listener) disconnected() {
	l.update((*pings).disconnected)
	l.wakeLoop()
}

// wakeLoop makes the loop poll.
func (l *listener) wakeLoop() { _ = l.ring(context.Background(), nil, nil) }

func (l *listener) update(what func(*pings)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	what(&l.pings)
}

// healthy reports whether writers can be asked to ring.
func (l *listener) healthy(now time.Time) (healthy bool) {
	l.update(func(h *pings) { healthy = h.healthy(now) })
	return healthy
}

// overdue reports whether the listener must be replaced.
func (l *listener) overdue(now time.Time) (overdue bool) {
	l.update(func(h *pings) { overdue = h.overdue(now) })
	return overdue
}

// pingSoon sends a ping now, unless one is under way.
func (l *listener) pingSoon() {
	select {
	case l.pingNow <- struct{}{}:
	default:
	}
}

// pingTimeout bounds one ping. The connection may be dead, so it must end some time; and
// each ping that is ended so leaves a line in PostgreSQL's log.
const pingTimeout = 5 * time.Minute

// pingLoop sends pings until ctx is done.
func (l *listener) pingLoop(ctx context.Context) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			closeConn(conn)
		}
	}()
	for ctx.Err() == nil {
		if err := l.pingOnce(ctx, &conn); err != nil && ctx.Err() == nil {
			l.update((*pings).failed)
			l.wakeLoop()
			l.report(err)
		}
		var pause time.Duration
		l.update(func(h *pings) { pause = h.interval() })
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-l.pingNow:
		case <-t.C:
		}
		t.Stop()
	}
}

// pingOnce sends a ping and waits until it is committed.
func (l *listener) pingOnce(ctx context.Context, conn **pgx.Conn) (err error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if *conn == nil || (*conn).IsClosed() {
		if *conn, err = l.connect(ctx, "ring"); err != nil {
			return err
		}
	}
	var number uint64
	l.update(func(h *pings) { number = h.send(time.Now()) })
	hangs := time.AfterFunc(hungPing, func() {
		l.update(func(h *pings) { h.hung(time.Now()) })
		l.wakeLoop()
	})
	defer hangs.Stop()
	if _, err := (*conn).Exec(ctx, "select pg_notify($1, $2)", pingChannel, strconv.FormatUint(number, 10)); err != nil {
		return fmt.Errorf("send a ping: %w", err)
	}
	l.update(func(h *pings) { h.committed(time.Now()) })
	return nil
}
