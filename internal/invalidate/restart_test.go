package invalidate_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// An invalidator that starts after 10,000 transactions applies them all, and keeps
// what they do not touch.
func TestRestartAppliesTheBacklogAndKeepsTheCache(t *testing.T) {
	t.Parallel()
	eachPartitioning(t, func(t *testing.T, partitions int) {
		const changes = 10_000
		// A leader that does not get to run for B/2 loses its lock, and applies some of it again.
		d := deployment.New(t, deployment.Options{Partitions: partitions, Bound: time.Minute})
		first := d.Invalidate()
		listings(d, "FOLSOM", 1, 200)
		listings(d, "GALT", 1001, 1200)
		conn := d.Connect()
		d.Await("the position to be stored", func() bool { // until then a restart applies again what is behind it
			var rows int
			d.Must(conn.QueryRow(t.Context(), "select count(*) from freshlist.properties_changes").Scan(&rows))
			return rows == 0
		})
		api := d.API()
		var touched, others []string
		for id := 1; id <= 40; id++ {
			touched = append(touched, fmt.Sprintf("properties/%d", id), fmt.Sprintf("properties?city=FOLSOM&min_price=%d", id))
			others = append(others, fmt.Sprintf("properties/%d", 1000+id), fmt.Sprintf("properties?city=GALT&min_price=%d", id))
		}
		warm(d, api, touched...)
		warm(d, api, others...)
		epoch := d.Beat(0).Epoch
		first.Stop()

		_, err := conn.Exec(t.Context(), fmt.Sprintf(`do $$ begin
			for n in 1..%d loop update properties set price = price + 1 where id = 1 + n %% 200; commit; end loop;
		end $$`, changes))
		d.Must(err)
		second := d.Invalidate()
		if applied := second.Metrics.ChangesApplied.Value(); applied != changes {
			t.Errorf("%d changes were applied, want %d", applied, changes)
		}
		if now := d.Beat(0).Epoch; now != epoch {
			t.Errorf("epoch %s has begun, want the cache kept in %s", now, epoch)
		}
		for q, there := range cached(d, touched...) {
			if there {
				t.Errorf("%s is still there", q)
			}
		}
		for _, q := range others {
			if answer := api.Get(q, formats[0]); answer.CacheStatus != hit {
				t.Errorf("%s: %s, want it kept", q, answer.CacheStatus)
			}
		}
		for _, q := range touched {
			if api.Get(q, formats[0]).Body != api.Fresh(q, formats[0]) {
				t.Errorf("%s is stale", q)
			}
		}
	})
}

// An invalidator that is told to stop when it has purged only some of what an edit makes
// stale leaves the edit to the next one.
func TestStopWithinARound(t *testing.T) {
	t.Parallel()
	const each = 300
	for name, fits := range map[string]func(queries, left int) bool{
		"after the first purge": func(_, left int) bool { return left < each },
		"at the last purge":     func(queries, left int) bool { return left < each && queries >= left },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deployment.New(t, deployment.Options{Bound: time.Minute})
			_, hold, stop := startHeld(d)
			defer stop()
			d.AwaitApplied(d.Exec("insert into properties (id, title, property_type, price, city) values (1, 'House', 'Condo', 2000, 'FOLSOM')"))
			many := views("properties?city=FOLSOM&min_price=%d", each)
			fill(d, many)
			// The invalidator learns of all of them; those that it learns of with their purge go at once.
			d.AwaitApplied(d.Exec("insert into properties (id, title, property_type, price, city) values (2, 'House', 'Condo', 2000, 'LODI')"))
			names := make([]string, len(many))
			for i, q := range many {
				names[i] = d.Space.View("json", q)
			}
			hold.arm(func(queries int) bool { return fits(queries, int(d.Redis.Exists(t.Context(), names...).Val())) })
			d.Exec("update properties set price = price + 1 where id = 1")
			hold.await(d)
			stop()
			if n := present(d, many); n == 0 || n == each {
				t.Fatalf("%d of %d queries were left, want some", n, each)
			}
			d.Invalidate()
			if n := present(d, many); n != 0 {
				t.Errorf("%d stale queries are left", n)
			}
		})
	}
}

// purgeCut lets a purge come to Redis, and keeps its answer back until the caller gives up.
type purgeCut struct {
	channel string
	fits    func() bool
	cut     chan struct{} // closed when it has come to Redis
	once    sync.Once
}

func (p *purgeCut) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (p *purgeCut) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (p *purgeCut) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		fits := purges(cmds, p.channel) && named(cmds) > 0 && p.fits()
		err := next(ctx, cmds)
		if !fits {
			return err
		}
		p.once.Do(func() { close(p.cut) })
		<-ctx.Done()
		for _, c := range cmds {
			c.SetErr(ctx.Err())
		}
		return ctx.Err()
	}
}

// An invalidator is told to stop before Redis has answered to a purge. It has purged before
// and not stored that yet. What it leaves does not make the next one believe that Redis has been
// put back.
func TestStopBeforeThePurgeIsAnswered(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: time.Minute, Partitions: 2})
	query := "properties?city=FOLSOM"
	for n := 1; d.Space.Partition(query) != 1; n++ {
		query = fmt.Sprintf("properties?city=FOLSOM&min_price=%d", n)
	}
	conn := d.Connect()
	cut := &purgeCut{channel: d.Space.Purged(1), cut: make(chan struct{}), fits: func() bool {
		var unstored int
		if conn.QueryRow(t.Context(), "select count(distinct xid) from freshlist.properties_changes").Scan(&unstored) != nil {
			return false
		}
		return unstored > 1 // the edit before is not stored
	}}
	isCut := func() bool {
		select {
		case <-cut.cut:
			return true
		default:
			return false
		}
	}
	i, stop := startHooked(d, cut)
	defer stop()
	d.Exec("insert into properties (id, title, property_type, price, city) values (1, 'House', 'Condo', 2000, 'FOLSOM'), (2, 'House', 'Condo', 2000, 'LODI')")
	epoch := d.Beat(0).Epoch
	d.Await("a purge that can be cut", func() bool {
		fill(d, []string{query})
		for _, id := range []int{2, 1} { // nothing cached shows the second
			applied := i.Metrics.ChangesApplied.Value()
			d.Exec("update properties set price = price + 1 where id = $1", id)
			d.Await("the edit to be applied", func() bool { return isCut() || i.Metrics.ChangesApplied.Value() > applied })
		}
		return isCut()
	})
	stop()
	next := d.Invalidate()
	if now := d.Beat(0).Epoch; now != epoch || next.Metrics.Lost.Value() != 0 {
		t.Errorf("epoch %s after %s, found lost %d times: the cache was thrown away", now, epoch, next.Metrics.Lost.Value())
	}
}
