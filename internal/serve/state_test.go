package serve_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// silent is a listener to which nobody connects.
type silent struct{ closed chan struct{} }

func (l silent) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}
func (l silent) Close() error   { close(l.closed); return nil }
func (l silent) Addr() net.Addr { return &net.TCPAddr{} }

// watched runs a server in a bubble of its own time and calls then.
func watched(t *testing.T, o serve.Options, then func(log *logBuffer)) {
	t.Helper()
	var log logBuffer
	log.use(&o)
	if o.State == nil {
		o.State = cachestate.New(o.Log, time.Now)
	}
	if o.Examine == nil {
		o.Examine = func(context.Context) (cachestate.Reason, string) { return cachestate.OK, "" }
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- serve.New(o).Run(ctx, silent{make(chan struct{})}, time.Second) }()
	synctest.Wait()
	then(&log)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Once a minute the log says what passed through the cache, if anything did.
func TestTrafficIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := telemetry.NewAPI()
		o := serve.Options{Site: listingtest.Site(), Metrics: m, KeyspaceStats: func(context.Context) (rediscache.KeyspaceStats, error) {
			return rediscache.KeyspaceStats{Hits: 30, Misses: 10}, nil
		}}
		watched(t, o, func(log *logBuffer) {
			minute := func() string {
				before := len(log.String())
				time.Sleep(time.Minute) // of the bubble
				synctest.Wait()
				var lines []string
				for line := range strings.Lines(log.String()[before:]) {
					if strings.Contains(line, "traffic") {
						lines = append(lines, line)
					}
				}
				return strings.Join(lines, "")
			}
			if text := minute(); text != "" {
				t.Errorf("without traffic:\n%s", text)
			}
			m.Cache(telemetry.L1, telemetry.Hit).Add(2)
			m.Cache(telemetry.L1, telemetry.Miss).Inc()
			m.Cache(telemetry.View, telemetry.Bypass).Add(4)
			text := minute()
			for _, want := range []string{
				"level=INFO", "l1.hits=2 l1.misses=1 l1.ratio=0.6667 l1.bypasses=0", "view.hits=0 view.misses=0 view.ratio=0 view.bypasses=4",
				"queryset.hits=0", "redis_keyspace.hits=30 redis_keyspace.misses=10 redis_keyspace.ratio=0.75",
			} {
				if !strings.Contains(text, want) || strings.Count(text, "\n") != 1 {
					t.Errorf("want one line with %q:\n%s", want, text)
				}
			}
			if text := minute(); text != "" {
				t.Errorf("in the next minute, without traffic:\n%s", text)
			}
			m.Cache(telemetry.L1, telemetry.Hit).Inc()
			if text := minute(); !strings.Contains(text, "l1.hits=1 l1.misses=0 l1.ratio=1") {
				t.Errorf("the figures are not those of the minute alone:\n%s", text)
			}
		})
	})
}

// Without a beat for a moment, as between two epochs, the cache counts as used.
func TestMomentWithoutABeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		o := serve.Options{Site: listingtest.Site(), Metrics: telemetry.NewAPI(), Examine: func(context.Context) (cachestate.Reason, string) {
			if asked++; asked%2 == 0 {
				return cachestate.NoBeat, ""
			}
			return cachestate.OK, ""
		}}
		watched(t, o, func(log *logBuffer) {
			time.Sleep(5500 * time.Millisecond) // of the bubble
			synctest.Wait()
			if text := log.String(); strings.Contains(text, "no-beat") {
				t.Errorf("it was told:\n%s", text)
			}
		})
	})
}

// The state is found out without requests, and a change of it is logged once.
func TestStateIsWatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		why := make(chan cachestate.Reason, 1)
		why <- cachestate.NoBeat
		now := cachestate.OK
		o := serve.Options{Site: listingtest.Site(), Metrics: telemetry.NewAPI(), Examine: func(context.Context) (cachestate.Reason, string) {
			select {
			case now = <-why:
			default:
			}
			return now, ""
		}}
		watched(t, o, func(log *logBuffer) {
			time.Sleep(4500 * time.Millisecond) // of the bubble
			why <- cachestate.OK
			time.Sleep(5 * time.Second)
			synctest.Wait()
			text := log.String()
			if strings.Count(text, "\n") != 2 || !strings.Contains(text, "reason=no-beat") || !strings.Contains(text, "after=no-beat lasted=5s") {
				t.Errorf("want a line for the beginning and one for the end:\n%s", text)
			}
		})
	})
}

// A state that lasts is told again.
func TestStateThatLastsIsToldAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := serve.Options{Site: listingtest.Site(), Metrics: telemetry.NewAPI(), Examine: func(context.Context) (cachestate.Reason, string) { return cachestate.NoBeat, "" }}
		watched(t, o, func(log *logBuffer) {
			time.Sleep(2 * time.Minute) // of the bubble
			synctest.Wait()
			if text := log.String(); !strings.Contains(text, "still not used") {
				t.Errorf("it was not told again:\n%s", text)
			}
		})
	})
}

// A look that hangs is ended, and what it says then is the state.
func TestLookThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := serve.Options{Site: listingtest.Site(), Metrics: telemetry.NewAPI(), Examine: func(ctx context.Context) (cachestate.Reason, string) {
			<-ctx.Done()
			return cachestate.DatabaseDown, ctx.Err().Error()
		}}
		watched(t, o, func(log *logBuffer) {
			time.Sleep(5 * time.Second) // of the bubble
			synctest.Wait()
			if text := log.String(); !strings.Contains(text, "reason=database-down") {
				t.Errorf("it was not told:\n%s", text)
			}
		})
	})
}

// A look that the end of the process has ended says nothing of the servers.
func TestLookAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		o := serve.Options{Site: listingtest.Site(), Metrics: telemetry.NewAPI(), State: cachestate.New(slog.New(slog.DiscardHandler), time.Now)}
		o.Examine = func(ctx context.Context) (cachestate.Reason, string) {
			if looks++; looks == 1 {
				return cachestate.OK, ""
			}
			<-ctx.Done()
			return cachestate.RedisDown, ctx.Err().Error()
		}
		watched(t, o, func(*logBuffer) {
			time.Sleep(1500 * time.Millisecond) // of the bubble
			synctest.Wait()
		})
		if p := o.State.Present(); looks != 2 || p.Reason != cachestate.OK {
			t.Errorf("after %d looks the state is %s, %q", looks, p.Reason, p.Detail)
		}
	})
}
