package invalidate_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// purgeHold holds up a purge that a client sends, as if its process were stopped just
// before.
type purgeHold struct {
	channel string                                 // which only a purge names
	armed   atomic.Pointer[func(queries int) bool] // says whether to hold up a purge of so many
	held    chan struct{}
	release chan struct{}
	once    sync.Once
}

// arm has the next purge be held up that fits: of so many queries.
func (h *purgeHold) arm(fits func(queries int) bool) { h.armed.Store(&fits) }

// await waits until a purge is held up.
func (h *purgeHold) await(d *deployment.Deployment) {
	d.Helper()
	d.Await("a purge to be held up", func() bool {
		select {
		case <-h.held:
			return true
		default:
			return false
		}
	})
}

// open lets go what is held up, and holds up nothing more.
func (h *purgeHold) open() { h.once.Do(func() { close(h.release) }) }

func (h *purgeHold) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *purgeHold) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *purgeHold) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if fits := h.armed.Load(); fits != nil && purges(cmds, h.channel) && (*fits)(named(cmds)) && h.armed.CompareAndSwap(fits, nil) {
			close(h.held)
			<-h.release
		}
		return next(ctx, cmds)
	}
}

// purges reports whether a pipeline holds a purge, which alone names the channel.
func purges(cmds []redis.Cmder, channel string) bool {
	return slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return slices.Contains(c.Args(), any(channel)) })
}

// named counts the queries that a pipeline of purges names.
func named(cmds []redis.Cmder) (queries int) {
	for _, c := range cmds {
		for _, arg := range c.Args() {
			if text, ok := arg.(string); ok && strings.HasPrefix(text, "properties") {
				queries++
			}
		}
	}
	return queries
}

// startHeld starts an invalidator whose purges can be held up. It ends when stop is called,
// which may be called twice.
func startHeld(d *deployment.Deployment) (i *invalidate.Invalidator, hold *purgeHold, stop func()) {
	d.Helper()
	hold = &purgeHold{channel: d.Space.Purged(0), held: make(chan struct{}), release: make(chan struct{})}
	i, stop = startHooked(d, hold, hold.open)
	return i, hold, stop
}

// startHooked starts an invalidator with a hook between it and Redis. It ends when stop is
// called, which may be called twice: it is told to end first, and then whatever keeps it from
// ending is released, so that it does nothing more.
func startHooked(d *deployment.Deployment, hook redis.Hook, release ...func()) (i *invalidate.Invalidator, stop func()) {
	d.Helper()
	client := d.Client(time.Minute)
	client.AddHook(hook)
	i = invalidate.New(invalidate.Config{
		DatabaseURL: d.Database.Invalidator, Redis: client, Space: d.Space, Bound: d.Bound,
		Log: slog.New(slog.NewTextHandler(d.Output(), nil)), Metrics: telemetry.NewInvalidator(),
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = i.Run(ctx) // it returns nil when ctx is done
	}()
	d.Await("the first beat", func() bool { return i.Metrics.Beats.Value() > 0 })
	return i, func() {
		cancel()
		for _, r := range release {
			r()
		}
		<-done
	}
}

// A leader is stopped between its drain and its purge, another one takes over and
// applies the change, and then the first goes on: the fence refuses what it does, and
// the cache is kept.
func TestOldLeaderIsFenced(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: 2 * time.Second})
	revenant, hold, stop := startHeld(d)
	defer stop()
	listings(d, "FOLSOM", 1, 6)
	api := d.API()
	warm(d, api, folsom, "properties/1")

	hold.arm(func(int) bool { return true })
	d.Exec("update properties set price = 1 where id = 1")
	hold.await(d)
	standby := d.Invalidate() // which gets the lock when PostgreSQL has ended the session of the first
	warm(d, api, folsom, "properties/1")
	hold.open()
	d.Await("the first is fenced off", func() bool { return revenant.Metrics.Fenced.Value() > 0 })
	if got := cached(d, folsom, "properties/1"); !got[folsom] || !got["properties/1"] {
		t.Errorf("the revenant has purged what was filled since: %v", got)
	}
	if body := api.Get(folsom, formats[0]).Body; body != api.Fresh(folsom, formats[0]) {
		t.Errorf("stale: %s", body)
	}
	if role := standby.Report().Role; role != "leader" {
		t.Errorf("the other one is %s, want leader", role)
	}
}
