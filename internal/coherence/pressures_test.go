package coherence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/local"
)

// pressures are faults of others who use the same servers, and of sheer quantity.
var pressures = []fault{
	{name: "batches of thousands", do: (*rig).batches},
	{name: "backlog over the cap", do: (*rig).backlog, long: true},
	{name: "Redis full of foreign keys", do: (*rig).crowd},
	{name: "Redis may evict anything", do: func(r *rig, random *rand.Rand) {
		ctx := context.Background()
		was := r.redis.ConfigGet(ctx, "maxmemory-policy").Val()["maxmemory-policy"]
		r.check(r.redis.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru").Err())
		r.hold(random)
		r.check(r.redis.ConfigSet(ctx, "maxmemory-policy", was).Err())
	}},
	{name: "NOTIFY of another database hangs", do: (*rig).hangNotify},
	{name: "prepared before a crash, committed after", do: (*rig).preparedCrash, prepares: true},
}

// batches commits statements of 5,000 to 10,000 rows one after the other, in rows that
// nobody checks.
func (r *rig) batches(random *rand.Rand) {
	r.Helper()
	r.exec(`insert into public.properties (id, title, property_type, price, city)
		select 2000000 + n, 'Noise', 'Condo', n % 1000, 'NOISE' from generate_series(1, 10000) as n on conflict do nothing`)
	for end := r.journal.history.now() + instant(4*r.bound); r.journal.history.now() < end; {
		r.exec(fmt.Sprintf("update public.properties set price = (price + 1) %% 1000 where id between 2000001 and %d", 2005001+random.IntN(5000)))
	}
	r.exec("delete from public.properties where id > 2000000")
}

// backlog has more changes captured while no invalidator runs than one reads one by one.
func (r *rig) backlog(random *rand.Rand) {
	r.Helper()
	for _, p := range r.invalidators {
		p.Kill(r)
	}
	r.edit("update public.properties set price = price + 1 where id = 3 or id between 1 and 9")
	r.exec(`insert into freshlist.properties_changes (xid, new_row) select pg_current_xact_id(), c.new_row
		from (select new_row from freshlist.properties_changes where new_row is not null limit 1) as c, generate_series(1, 2100000)`)
	for _, p := range r.invalidators {
		p.Start(r)
		r.hold(random)
	}
}

// crowd fills Redis with keys of somebody else, which have no time to live, and takes
// them away.
func (r *rig) crowd(random *rand.Rand) {
	r.Helper()
	ctx := context.Background()
	const keys = 64
	block := strings.Repeat("x", 64<<10)
	var names []string
	for n := range keys {
		names = append(names, fmt.Sprintf("somebody else:%d", n))
		r.check(r.redis.Set(ctx, names[n], block, 0).Err())
	}
	r.check(r.redis.ConfigSet(ctx, "maxmemory", fmt.Sprint(keys*len(block))).Err())
	r.hold(random)
	r.hold(random)
	r.check(r.redis.ConfigSet(ctx, "maxmemory", "0").Err())
	r.check(r.redis.Unlink(ctx, names...).Err())
}

// hangNotify has a session of another database hang in its commit, after it has notified:
// it waits for a standby that is not there. It holds a lock which is needed by everybody
// who notifies.
func (r *rig) hangNotify(random *rand.Rand) {
	r.Helper()
	ctx := context.Background()
	conn := r.superuser()
	defer conn.Close(ctx)
	set := func(names string) {
		r.Helper()
		_, err := conn.Exec(ctx, "alter system set synchronous_standby_names = '"+names+"'")
		r.check(err)
		_, err = conn.Exec(ctx, "select pg_reload_conf()")
		r.check(err)
	}
	other, err := pgx.Connect(ctx, r.postgres.URL("postgres"))
	r.check(err)
	defer other.Close(ctx)
	set("nowhere")
	done, enough := make(chan error, 1), make(chan struct{})
	go func() {
		for { // the first commits may come before the server has read its settings again
			_, err := other.Exec(ctx, "set synchronous_commit = on; begin; select pg_logical_emit_message(true, 'other', ''), pg_notify('other', ''); commit")
			select {
			case <-enough:
				done <- err
				return
			default:
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	fleet.Await(r, "a commit that waits for a standby", func() bool {
		var n int
		r.check(conn.QueryRow(ctx, "select count(*) from pg_stat_activity where wait_event = 'SyncRep'").Scan(&n))
		return n > 0
	})
	r.hold(random)
	r.hold(random)
	close(enough)
	set("")
	r.check(<-done)
}

// preparedCrash prepares a transaction, has PostgreSQL crash, which forgets what it has
// captured, and commits it when pages are cached again.
func (r *rig) preparedCrash(random *rand.Rand) {
	r.Helper()
	ctx := context.Background()
	conn := r.connect()
	defer func() { _ = conn.Close(ctx) }()
	exec := func(sql string) {
		r.Helper()
		_, err := conn.Exec(ctx, sql)
		r.check(err)
	}
	const late = 603
	exec("begin")
	exec(fmt.Sprintf(`insert into public.properties (id, title, property_type, price, city, bedrooms)
		values (%d, 'Prepared', 'Condo', 101000, 'ATLANTIS', 2)`, late)) // where nobody else edits
	properties := r.journal.history.sites[more].Table("properties")
	now, err := readTable(ctx, conn, properties)
	r.check(err)
	row := slices.DeleteFunc(now, func(l listing.Row) bool { return l.Values[properties.Key].Number != late })
	exec("prepare transaction 'late'")
	_ = conn.Close(ctx)
	r.crash(func() { r.postgres.Restart(r, local.Immediate) })
	r.askFor(6*r.bound, random) // so that the page is cached, if the cache is in use at all before that transaction ends

	conn = r.connect()
	r.commitPrepared(conn, row)
	r.askFor(3*r.bound, random)
	r.edit(fmt.Sprintf("delete from public.properties where id = %d", late))
}

// lockWait asks for the list that no random edit touches, for some time.
func (r *rig) askFor(d time.Duration, random *rand.Rand) {
	var servers []string
	for _, a := range r.apis {
		servers = append(servers, a.URL)
	}
	reader := newReader(r.journal, r.tally, random, servers)
	defer reader.client.CloseIdleConnections()
	for end := r.journal.history.now() + instant(d); r.journal.history.now() < end; sleepUpTo(10*time.Millisecond, random) {
		for _, v := range r.journal.history.views {
			if v.path == "/v1/properties?city=ATLANTIS" {
				reader.ask(context.Background(), v)
			}
		}
	}
}

// commitPrepared commits the transaction that inserted some properties, as part of the history.
func (r *rig) commitPrepared(conn *pgx.Conn, inserted table) {
	r.Helper()
	j, ctx := r.journal, context.Background()
	j.commit.Lock()
	defer j.commit.Unlock()
	now, err := readContents(ctx, conn, j.history.sites[more])
	r.check(err)
	now.rows["properties"] = append(now.rows["properties"], inserted...)
	state := j.history.state(now)
	begun := j.history.now()
	j.history.addPossible(state, begun)
	_, err = conn.Exec(ctx, "commit prepared 'late'")
	r.check(err)
	j.history.setState(state, begun, j.history.now())
	j.last.Store(nil)
}
