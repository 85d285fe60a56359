package invalidate_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// BenchmarkPurgeDelay measures from the acknowledged commit of a single edit to the
// message that its page is purged, edits being 5 to 50 ms apart. In between it
// measures the bare chain, which no design can beat: NOTIFY, one select by who
// hears it, one UNLINK. Run it on a quiet machine:
//
//	go test -run '^$' -bench PurgeDelay -benchtime 1000x ./internal/invalidate
func BenchmarkPurgeDelay(b *testing.B) {
	d := deployment.New(b, deployment.Options{Bound: time.Second})
	d.Seed(0)
	d.Invalidate()
	api, writer, chain := d.API(), d.Connect(), newChain(d)
	heard := d.Listen()
	const page = "properties/1"
	var delays, bare []time.Duration
	gap := func() { <-time.After(time.Duration(5+rand.IntN(46)) * time.Millisecond) }
	for b.Loop() {
		api.Get(page, formats[0])
		gap()
		_, err := writer.Exec(b.Context(), "update properties set price = price + 1 where id = 1")
		committed := time.Now()
		d.Must(err)
		_, at := heard.Until(page)
		delays = append(delays, max(0, at.Sub(committed)))
		gap()
		bare = append(bare, chain.run(writer))
	}
	slices.Sort(delays)
	slices.Sort(bare)
	for unit, of := range map[string][]time.Duration{"": delays, "bare-": bare} {
		b.ReportMetric(milliseconds(of[len(of)/2]), unit+"p50-ms")
		b.ReportMetric(milliseconds(of[len(of)*99/100]), unit+"p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// chain is the least that any invalidation by notification does.
type chain struct {
	d        *deployment.Deployment
	unlinked chan time.Time
}

// newChain starts what answers each notification on a channel of its own.
func newChain(d *deployment.Deployment) *chain {
	d.Helper()
	listener, reader := d.Connect(), d.Connect()
	_, err := listener.Exec(d.Context(), "listen bare_chain")
	d.Must(err)
	c := &chain{d, make(chan time.Time)}
	ctx, cancel := context.WithCancel(d.Context())
	done := make(chan struct{})
	d.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for {
			if _, err := listener.WaitForNotification(ctx); err != nil {
				return
			}
			var price string
			if err := reader.QueryRow(ctx, "select price::text from properties where id = 1").Scan(&price); err != nil {
				return
			}
			if err := d.Redis.Unlink(ctx, d.Space.Prefix+":bare").Err(); err != nil {
				return
			}
			c.unlinked <- time.Now()
		}
	}()
	return c
}

// run rings and returns how long after the commit the key was unlinked.
func (c *chain) run(writer *pgx.Conn) time.Duration {
	c.d.Helper()
	_, err := writer.Exec(c.d.Context(), "notify bare_chain")
	committed := time.Now()
	c.d.Must(err)
	return max(0, (<-c.unlinked).Sub(committed))
}
