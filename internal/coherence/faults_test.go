package coherence

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/faultproxy"
	"github.com/freshlist/freshlist/internal/local"
)

// fault is something that breaks, for a while, and is mended.
type fault struct {
	name     string
	do       func(r *rig, random *rand.Rand)
	long     bool // takes many seconds
	prepares bool // needs a PostgreSQL that can prepare transactions
}

// faults are all that the random runs know.
var faults = slices.Concat(outages, definitions, disagreements, pressures)

// outages are the faults of scenarios 19 to 23, for the long run, and reads that are
// overtaken by edits: on a fast machine few are without help.
var outages = []fault{
	{name: "invalidator killed", do: func(r *rig, random *rand.Rand) {
		p := r.invalidators[random.IntN(len(r.invalidators))]
		p.Kill(r)
		r.hold(random)
		p.Start(r)
	}},
	{name: "invalidator stopped", do: func(r *rig, random *rand.Rand) {
		p := r.invalidators[random.IntN(len(r.invalidators))]
		p.Stop(r)
		r.hold(random)
		p.Continue(r)
	}},
	{name: "all invalidators killed", do: func(r *rig, random *rand.Rand) {
		for _, p := range r.invalidators {
			p.Kill(r)
		}
		r.hold(random)
		for _, p := range r.invalidators {
			p.Start(r)
		}
	}},
	{name: "all invalidators stopped", do: func(r *rig, random *rand.Rand) {
		for _, p := range r.invalidators {
			p.Stop(r)
		}
		r.hold(random)
		for _, p := range r.invalidators {
			p.Continue(r)
		}
	}},
	{name: "connections of the invalidators ended", do: func(r *rig, random *rand.Rand) {
		for range 5 {
			r.terminate()
			r.hold(random)
		}
	}},
	{name: "link of an invalidator silent", do: func(r *rig, random *rand.Rand) {
		link := r.links[random.IntN(len(r.links))]
		link.Silence([]faultproxy.Direction{faultproxy.ToClient, faultproxy.ToServer, faultproxy.Both}[random.IntN(3)])
		r.hold(random)
		link.Resume()
	}},
	{name: "link of an invalidator cut", do: func(r *rig, random *rand.Rand) {
		link := r.links[random.IntN(len(r.links))]
		link.Refuse()
		r.hold(random)
		link.Resume()
	}},
	{name: "answers to an API late", do: func(r *rig, random *rand.Rand) {
		link := r.readLinks[random.IntN(len(r.readLinks))]
		for range 20 {
			link.Silence(faultproxy.ToClient)
			sleepUpTo(r.bound/4, random)
			link.Resume()
			sleepUpTo(r.bound/4, random)
		}
	}},
	{name: "LISTEN dead", do: func(r *rig, random *rand.Rand) {
		defer r.dropNotifications()()
		r.hold(random)
		r.hold(random)
	}},
	{name: "PostgreSQL restarted", do: func(r *rig, random *rand.Rand) {
		r.outage(func() { r.postgres.Restart(r, local.Fast) })
	}},
	{name: "PostgreSQL restarted at once", do: func(r *rig, random *rand.Rand) {
		r.crash(func() { r.postgres.Restart(r, local.Immediate) })
	}},
	{name: "PostgreSQL killed", do: func(r *rig, random *rand.Rand) {
		r.crash(func() { r.postgres.Restart(r, local.Kill) })
	}},
	{name: "Redis restarted empty", do: func(r *rig, random *rand.Rand) { r.redisServer.Restart(r, "") }},
	{name: "Redis restarted from an old snapshot", do: func(r *rig, random *rand.Rand) {
		old := r.redisServer.Save(r)
		r.hold(random)
		r.redisServer.Restart(r, old)
	}},
	{name: "Redis went back unnoticed", do: func(r *rig, random *rand.Rand) {
		r.check(r.redis.Save(context.Background()).Err())
		r.hold(random)
		r.goBack()
	}},
	{name: "FLUSHALL", do: func(r *rig, random *rand.Rand) {
		r.check(r.redis.FlushAll(context.Background()).Err())
	}},
	{name: "Redis stopped", do: func(r *rig, random *rand.Rand) {
		r.redisServer.Pause(r)
		r.hold(random)
		r.redisServer.Resume(r)
	}},
	{name: "Redis down", do: func(r *rig, random *rand.Rand) {
		r.redisServer.Kill(r)
		r.hold(random)
		r.redisServer.Start(r, "")
	}},
	{name: "Redis full", do: func(r *rig, random *rand.Rand) {
		r.fill()
		r.hold(random)
		r.check(r.redis.ConfigSet(context.Background(), "maxmemory", "0").Err())
	}},
	{name: "API killed", do: func(r *rig, random *rand.Rand) {
		p := r.apis[random.IntN(len(r.apis))]
		r.outage(func() {
			p.Restart(r)
			p.AwaitReady(r)
		})
	}},
	{name: "API stopped", do: func(r *rig, random *rand.Rand) {
		p := r.apis[random.IntN(len(r.apis))]
		p.Stop(r)
		r.hold(random)
		p.Continue(r)
	}},
}

// hold keeps a fault up for a random time around B.
func (r *rig) hold(random *rand.Rand) { sleepUpTo(2*r.bound, random) }

func sleepUpTo(most time.Duration, random *rand.Rand) {
	time.Sleep(time.Duration(random.Int64N(int64(most))))
}

// outage does what makes requests fail for a while.
func (r *rig) outage(do func()) {
	r.tally.down(r.journal.history.now())
	do()
	r.tally.up(r.journal.history.now())
}

// crash does what PostgreSQL recovers from, perhaps without its last commits.
func (r *rig) crash(do func()) {
	since := r.journal.history.now()
	r.journal.history.mayLose(since - lossy)
	r.outage(do)
	r.check(r.journal.resync(context.Background(), since))
}

// terminate ends all connections of the invalidators to PostgreSQL.
func (r *rig) terminate() {
	r.asSuperuser(`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'freshlist-invalidator%'`)
}

// asSuperuser runs SQL that the owner may not.
func (r *rig) asSuperuser(sql string) {
	r.Helper()
	conn, err := pgx.Connect(context.Background(), r.database.Superuser)
	r.check(err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(context.Background(), sql)
	r.check(err)
}

// dropNotifications stops the processes of PostgreSQL that serve LISTEN: the connections stay
// open and nothing comes. The function that it returns lets them go on.
func (r *rig) dropNotifications() (mend func()) {
	r.Helper()
	conn, err := pgx.Connect(context.Background(), r.database.Superuser)
	r.check(err)
	defer conn.Close(context.Background())
	var pids []int32
	fleet.Await(r, "a listener", func() bool {
		rows, err := conn.Query(context.Background(),
			`select pid from pg_stat_activity where application_name = 'freshlist-invalidator listen' and state = 'idle'`)
		r.check(err)
		pids, err = pgx.CollectRows(rows, pgx.RowTo[int32])
		r.check(err)
		return len(pids) > 0
	})
	for _, pid := range pids {
		r.check(syscall.Kill(int(pid), syscall.SIGSTOP))
	}
	return func() {
		for _, pid := range pids {
			_ = syscall.Kill(int(pid), syscall.SIGCONT) // it may have ended with its server
		}
	}
}

// goBack puts Redis back to what it last saved, without ending a connection: as
// after a failover to a replica that was behind.
func (r *rig) goBack() {
	r.Helper()
	r.check(r.redis.Do(context.Background(), "debug", "reload", "nosave").Err())
}

// fill leaves Redis less memory than it needs: it evicts what has a time to live,
// beats too.
func (r *rig) fill() {
	r.Helper()
	used := r.redis.InfoMap(context.Background(), "memory").Val()["Memory"]["used_memory"]
	n, err := strconv.ParseInt(used, 10, 64)
	r.check(err)
	r.check(r.redis.ConfigSet(context.Background(), "maxmemory", strconv.FormatInt(n*9/10, 10)).Err())
}

// loadUncaptured edits with the triggers disabled, and enables them again, in one
// transaction: capture looks afterwards as it did before.
func (r *rig) loadUncaptured() {
	r.Helper()
	const load = `
		set local lock_timeout = '2s';
		alter table public.properties disable trigger user;
		update public.properties set price = price + 10;
		alter table public.properties enable always trigger freshlist_insert, enable always trigger freshlist_update,
			enable always trigger freshlist_delete, enable always trigger freshlist_truncate`
	conn := r.connect()
	defer conn.Close(context.Background())
	// The lock waits for all writers that are at work; they wait for the mutex only to
	// commit, so this transaction must not hold it while it waits.
	_ = r.journal.run(context.Background(), conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(context.Background(), load)
		return err // not got in time: nothing was loaded
	})
}
