package invalidate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// purgeTimes notes when an invalidator sends each purge of a query.
type purgeTimes struct {
	channel string // which only a purge names

	mu    sync.Mutex
	clock bool // it has been read since the latest: the round ends in a beat
	times []purgeTime
}

type purgeTime struct {
	begun, answered time.Time
	beatDue         bool
}

func (p *purgeTimes) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (p *purgeTimes) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (p *purgeTimes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		begun := time.Now()
		err := next(ctx, cmds)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.clock = p.clock || slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Name() == "time" })
		if purges(cmds, p.channel) && named(cmds) > 0 {
			p.times = append(p.times, purgeTime{begun, time.Now(), p.clock})
			p.clock = false
		}
		return err
	}
}

// crowd makes one connection count for so many subscribers: it subscribes to as many patterns.
func crowd(d *deployment.Deployment, subscribers int) {
	d.Helper()
	patterns := make([]string, subscribers)
	for i := range patterns {
		patterns[i] = d.Space.Purged(0) + strings.Repeat("*", i+1)
	}
	messages := d.Redis.PSubscribe(d.Context(), patterns...)
	for range patterns {
		_, err := messages.Receive(d.Context())
		d.Must(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			if _, err := messages.ReceiveMessage(context.Background()); err != nil { // it has been closed
				return
			}
		}
	})
	d.Cleanup(func() { _ = messages.Close(); reading.Wait() })
}

// The more subscribers hear of a purge, the longer the invalidator leaves Redis alone behind it, unless a
// beat is due.
func TestRoundsAreSpacedBySubscribers(t *testing.T) {
	t.Parallel()
	const subscribers, edits = 600, 10
	d := deployment.New(t, deployment.Options{Bound: 20 * time.Second})
	sent := &purgeTimes{channel: d.Space.Purged(0)}
	_, stop := startHooked(d, sent)
	defer stop()
	listings(d, "LODI", 1, edits)
	queries := views("properties/%d", edits)
	fill(d, queries)
	crowd(d, subscribers)
	heard := d.Listen()
	for i, query := range queries {
		d.Exec(fmt.Sprintf("update properties set price = price + 1 where id = %d", i+1))
		heard.Until(query)
	}
	stop()
	if n := len(sent.times); n != edits {
		t.Fatalf("%d purges, want one for each of %d edits", n, edits)
	}
	const third = subscribers * 7 * time.Microsecond // of the time may go into telling them
	for i := 1; i < edits; i++ {
		if gap := sent.times[i].begun.Sub(sent.times[i-1].answered); gap < 3*third && !sent.times[i].beatDue {
			t.Errorf("purge %d came %v after the one before, want at least %v", i, gap, 3*third)
		}
	}
}
