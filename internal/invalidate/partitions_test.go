package invalidate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// dimmer keeps an invalidator from one partition of Redis, as the loss of its server does.
type dimmer struct {
	tag   string
	dark  atomic.Bool
	after atomic.Bool            // what it sends is executed, and only the answers are lost
	only  atomic.Pointer[string] // what it hides has this argument

	// What is called when registrations of this partition alone have been answered: it catches up. An
	// error is what the invalidator gets instead of the answer.
	catchingUp atomic.Pointer[func(context.Context) error]

	refused atomic.Int64 // commands so far
}

var errDark = errors.New("the server of this partition is gone")

func dim(d *deployment.Deployment, partition int) *dimmer {
	return &dimmer{tag: strings.TrimSuffix(d.Space.Fence(partition), "fence")}
}

func (m *dimmer) hides(cmd redis.Cmder) (hidden bool) {
	if !m.dark.Load() {
		return false
	}
	defer func() {
		if hidden {
			m.refused.Add(1)
		}
	}()
	only, its := m.only.Load(), false
	for _, word := range cmd.Args() {
		text, _ := word.(string)
		if only != nil && text == *only {
			return true
		}
		its = its || strings.HasPrefix(text, m.tag)
	}
	return its && only == nil
}

func (m *dimmer) DialHook(next redis.DialHook) redis.DialHook { return next }

func (m *dimmer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !m.hides(cmd) {
			return next(ctx, cmd)
		}
		if m.after.Load() {
			_ = next(ctx, cmd)
		}
		cmd.SetErr(errDark)
		return errDark
	}
}

func (m *dimmer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var hidden, others []redis.Cmder
		for _, cmd := range cmds {
			if m.hides(cmd) {
				hidden = append(hidden, cmd)
			}
			if !m.hides(cmd) || m.after.Load() {
				others = append(others, cmd)
			}
		}
		if len(others) == 0 {
			for _, cmd := range hidden {
				cmd.SetErr(errDark)
			}
			return errDark
		}
		err := next(ctx, others)
		if f := m.catchingUp.Load(); f != nil && m.alone(cmds) {
			if err := (*f)(ctx); err != nil {
				for _, cmd := range cmds {
					cmd.SetErr(err)
				}
				return err
			}
		}
		for _, cmd := range hidden {
			cmd.SetErr(errDark)
			err = errDark // as of the first command that has one
		}
		return err
	}
}

// alone reports whether a pipeline asks for something of this partition's windows and nothing else.
func (m *dimmer) alone(cmds []redis.Cmder) bool {
	return len(cmds) == 1 && slices.Contains(cmds[0].Args(), any(m.tag+"windows"))
}

// dimmed is a deployment with three partitions, one of which can be made dark, and in each two
// queries: one that the tests' edits touch, and one that they do not.
type dimmed struct {
	*deployment.Deployment
	*dimmer
	invalidator *invalidate.Invalidator
	stop        func()
	api         *deployment.API
	touched     []string
	untouched   []string
}

const darkPart = 1

func newDimmed(t *testing.T) *dimmed {
	t.Helper()
	d := &dimmed{Deployment: deployment.New(t, deployment.Options{Bound: 2 * time.Second, Partitions: 3})}
	d.Exec("insert into properties (id, title, property_type, price, city) values (1, 'House', 'Condo', 2000, 'FOLSOM'), (2, 'House', 'Condo', 2000, 'LODI')")
	d.dimmer = dim(d.Deployment, darkPart)
	d.start()
	d.api = d.API()
	d.touched, d.untouched = d.ofEach("FOLSOM"), d.ofEach("LODI")
	for p := range d.Partitions {
		warm(d.Deployment, d.api, d.touched[p], d.untouched[p])
	}
	d.Await("the invalidator knows all queries", func() bool { return d.invalidator.Report().Live == 2*d.Partitions })
	return d
}

// start starts an invalidator that the dimmer keeps from the partition.
func (d *dimmed) start() {
	d.Helper()
	d.invalidator, d.stop = startHooked(d.Deployment, d.dimmer)
	d.Cleanup(d.stop)
}

// ofEach returns a query for the listings of a city in each partition.
func (d *dimmed) ofEach(city string) []string {
	queries := make([]string, d.Partitions)
	for n, left := 1, d.Partitions; left > 0; n++ {
		q := fmt.Sprintf("properties?city=%s&min_price=%d", city, n)
		if p := d.Space.Partition(q); queries[p] == "" {
			queries[p], left = q, left-1
		}
	}
	return queries
}

// edit changes what touched queries show.
func (d *dimmed) edit() (xid uint64) {
	return d.Exec("update properties set price = price + 1 where id = 1")
}

func (d *dimmed) generation(p int) string {
	return d.Redis.HGet(d.Context(), d.Space.Fence(p), "generation").Val()
}

// goDark makes the partition dark, by whatever the invalidator does next there.
func (d *dimmed) goDark() {
	d.Helper()
	d.dark.Store(true)
	d.Await("the partition is dark", func() bool { return d.invalidator.Report().Dark == 1 })
}

// comeBack makes the partition reachable, and waits until it is in use.
func (d *dimmed) comeBack(xid uint64) {
	d.Helper()
	d.dark.Store(false)
	d.AwaitApplied(xid)
	d.Await("no partition is dark", func() bool { return d.invalidator.Report().Dark == 0 })
}

// wantOthers fails the test unless the other partitions show an edit, and serve from the cache.
func (d *dimmed) wantOthers(xid uint64) {
	d.Helper()
	for p := range d.Partitions {
		if p == darkPart {
			continue
		}
		d.Await("a beat of the others", func() bool { b := d.Beat(p); return b != nil && b.Sees(xid) })
		if a := d.api.Get(d.untouched[p], render.JSON); a.CacheStatus != hit {
			d.Errorf("partition %d: %s, want a hit", p, a.CacheStatus)
		}
		d.wantFresh(p)
	}
}

// wantFresh fails the test unless the touched query of a partition shows the present, and can be
// cached.
func (d *dimmed) wantFresh(p int) {
	d.Helper()
	want := d.api.Fresh(d.touched[p], render.JSON)
	d.Await("a right hit of a touched query", func() bool {
		a := d.api.Get(d.touched[p], render.JSON)
		if a.Body != want {
			d.Fatalf("partition %d is stale: %s", p, a.CacheStatus)
		}
		return a.CacheStatus == hit
	})
}

// wantKept fails the test unless the partitions are of the generations of before, but for those
// that are to begin anew.
func (d *dimmed) wantKept(before []string, anew ...int) {
	d.Helper()
	for p := range d.Partitions {
		begun := len(anew) > 0 && anew[0] == p
		if now := d.generation(p); (now != before[p]) != begun {
			d.Errorf("partition %d: generation %s, then %s", p, before[p], now)
		}
	}
}

func (d *dimmed) generations() (all []string) {
	for p := range d.Partitions {
		all = append(all, d.generation(p))
	}
	return all
}

func (d *dimmed) wantWarm() {
	d.Helper()
	if a := d.api.Get(d.untouched[darkPart], render.JSON); a.CacheStatus != hit {
		d.Errorf("what no edit has touched is not served: %s", a.CacheStatus)
	}
}

// A partition whose server is gone keeps only itself from being cached. It comes back warm,
// without what was edited meanwhile.
func TestADarkPartition(t *testing.T) {
	t.Parallel()
	d := newDimmed(t)
	before := d.generations()
	d.goDark()
	for range 3 {
		d.wantOthers(d.edit())
	}
	d.Await("the beat of the dark one ends", func() bool {
		return strings.Contains(d.api.Get(d.touched[darkPart], render.JSON).CacheStatus, "no-beat")
	})
	d.wantOthers(d.edit())
	if kept := d.changes(); kept < 4 {
		t.Errorf("%d changes are kept, want all of 4", kept)
	}
	last := d.edit()
	d.comeBack(last)
	d.wantWarm()
	d.wantFresh(darkPart)
	d.wantOthers(last)
	d.wantKept(before)
	d.Await("what was kept is swept", func() bool { return d.changes() == 0 })
}

// changes returns how many changes PostgreSQL holds.
func (d *dimmed) changes() (n int) {
	d.Helper()
	d.Must(d.Connect().QueryRow(d.Context(), "select count(*) from freshlist.properties_changes").Scan(&n))
	return n
}

// A partition that has lost what it held begins anew, and no other does.
func TestADarkPartitionThatIsLost(t *testing.T) {
	t.Parallel()
	d := newDimmed(t)
	before := d.generations()
	d.goDark()
	d.edit()
	d.Must(d.Redis.Del(t.Context(), d.Space.Fence(darkPart), d.Space.Live(darkPart)).Err())
	last := d.edit()
	d.comeBack(last)
	if a := d.api.Get(d.untouched[darkPart], render.JSON); a.CacheStatus == hit {
		t.Error("it serves what was cached before")
	}
	d.wantFresh(darkPart)
	d.wantOthers(last)
	d.wantKept(before, darkPart)
}

// A purge fails in one partition. Whether it was executed or not, the query is purged for when the
// partition comes back, though seq may say that Redis is where it was left.
func TestAPurgeThatFailsInOnePartition(t *testing.T) {
	t.Parallel()
	for name, executed := range map[string]bool{"executed": true, "not executed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDimmed(t)
			before := d.generations()
			d.after.Store(executed)
			d.only.Store(&d.touched[darkPart])
			d.dark.Store(true)
			d.edit()
			d.Await("a purge fails", func() bool { return d.refused.Load() > 0 }) // it may be entered again at once
			d.wantOthers(d.edit())
			last := d.edit()
			d.comeBack(last)
			d.wantWarm()
			d.wantFresh(darkPart)
			d.wantKept(before)
		})
	}
}

// The next leader knows from which position a dark partition has to catch up.
func TestALeaderEndsWhileAPartitionIsDark(t *testing.T) {
	t.Parallel()
	d := newDimmed(t)
	before := d.generations()
	d.goDark()
	d.wantOthers(d.edit())
	d.stop()
	d.edit()
	d.start()
	d.Await("the partition is dark for the next one", func() bool { return d.invalidator.Report().Dark == 1 })
	last := d.edit()
	d.wantOthers(last)
	d.comeBack(last)
	d.wantWarm()
	d.wantFresh(darkPart)
	d.wantKept(before)
}

// A leader that is told to end while a partition catches up stores the position of the others, as it
// does at its end if there is something to store, and not that of this one.
func TestALeaderEndsWhileAPartitionCatchesUp(t *testing.T) {
	t.Parallel()
	d := newDimmed(t)
	before := d.generations()
	applied := d.invalidator.Metrics.ChangesApplied.Value()
	d.goDark()
	missed := d.edit()
	d.AwaitSome(missed)
	conn := d.Connect()
	var ended atomic.Bool
	end := func(ctx context.Context) error {
		var stored uint64
		if err := conn.QueryRow(t.Context(), `
			select count(*) from freshlist.properties_changes
			where xid >= $1::xid8 and pg_visible_in_snapshot(xid, (select positions[1] from freshlist.marker))`, missed).Scan(&stored); err != nil {
			return err
		}
		if stored == d.invalidator.Metrics.ChangesApplied.Value()-applied {
			return errDark // there is nothing to store: the next time, perhaps
		}
		if ended.CompareAndSwap(false, true) {
			go d.stop()
		}
		<-ctx.Done()
		return nil
	}
	d.catchingUp.Store(&end)
	d.dark.Store(false)
	d.Await("the end of the leader, while the partition catches up and something is to be stored", func() bool {
		d.Exec("update properties set price = price + 1 where id = 2") // which does not touch the query that was missed
		return ended.Load()
	})
	d.stop()
	d.catchingUp.Store(nil)
	d.start()
	d.wantFresh(darkPart)
	d.wantKept(before)
}

// What is kept for a dark partition is bounded. Beyond, it begins anew, and what was kept goes.
func TestADarkPartitionIsGivenUp(t *testing.T) {
	t.Parallel()
	const some = "insert into properties (id, title, property_type, price, city) select n, 'House', 'Condo', 2000, 'LODI' from generate_series(%d, %d) as n"
	for name, test := range map[string]struct {
		edit string
		kept int
	}{
		"by one edit of very many rows": {fmt.Sprintf(some, 1000, 8000), 1_000_000},
		"by the kept changes":           {fmt.Sprintf(some, 1000, 1100), 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDimmed(t)
			before := d.generations()
			d.invalidator.SetKept(test.kept)
			d.goDark()
			d.AwaitSome(d.Exec(test.edit))
			d.Await("nothing is kept", func() bool { d.AwaitSome(d.edit()); return d.changes() <= 1 })
			last := d.edit()
			d.comeBack(last)
			d.wantFresh(darkPart)
			d.wantKept(before, darkPart)
		})
	}
}

// AwaitSome waits until the partitions that are not dark show a transaction.
func (d *dimmed) AwaitSome(xid uint64) {
	d.Helper()
	for p := range d.Partitions {
		if p != darkPart {
			d.Await("a beat of the others", func() bool { b := d.Beat(p); return b != nil && b.Sees(xid) })
		}
	}
}

// An API process that does not reach one partition goes on to serve the others from the cache.
func TestAnAPIWithoutOnePartition(t *testing.T) {
	t.Parallel()
	d := newDimmed(t)
	without := dim(d.Deployment, darkPart)
	api := d.API(func(p *deployment.Process) { p.Hooks = append(p.Hooks, without) })
	for _, q := range d.untouched {
		warm(d.Deployment, api, q)
	}
	without.dark.Store(true)
	for range 3 {
		for range 20 { // in a row, as many as make the process leave that part of Redis alone
			if a := api.Get(d.untouched[darkPart], render.JSON); a.CacheStatus == hit {
				t.Fatal("a hit without Redis")
			}
		}
		for p, q := range d.untouched {
			if a := api.Get(q, render.JSON); p != darkPart && a.CacheStatus != hit {
				t.Fatalf("partition %d: %s", p, a.CacheStatus)
			}
		}
	}
}
