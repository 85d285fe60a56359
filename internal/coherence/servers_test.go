package coherence

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/schema"
)

// install repairs the capture, as `invalidator install` does.
func install(r *rig) {
	r.Helper()
	conn := r.connect()
	defer conn.Close(context.Background())
	_, err := schema.Install(context.Background(), conn)
	r.check(err)
}

// patch changes a property through an API process and returns the token.
func patch(t *testing.T, api *fleet.Process, path, body string) (token string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, api.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	request.Header.Set("Authorization", "Bearer "+fleet.WriteToken)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("PATCH %s: %s", path, response.Status)
	}
	return response.Header.Get("Consistency-Token")
}

// Scenario 21: PostgreSQL is restarted in order, which keeps the cache, or crashes,
// which does not.
func TestPostgres(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: time.Second, apis: 2, invalidators: 1})
	r.work(2, 3, 2*time.Millisecond)
	for _, restart := range []struct {
		how  string
		do   func()
		kept bool
	}{
		{"fast", func() { r.outage(func() { r.postgres.Restart(t, local.Fast) }) }, true},
		{"immediate", func() { r.crash(func() { r.postgres.Restart(t, local.Immediate) }) }, false},
		{"killed", func() { r.crash(func() { r.postgres.Restart(t, local.Kill) }) }, false},
	} {
		epoch := r.epoch()
		restart.do()
		if !restart.kept {
			fleet.Await(t, restart.how+": a new epoch", func() bool { return r.epoch() != epoch })
		}
		r.leader()
		t.Logf("%s: in use again after %v", restart.how, r.awaitHit(patience))
		if kept := r.epoch() == epoch; kept != restart.kept {
			t.Errorf("%s: the cache was kept: %v", restart.how, kept)
		}
	}
}

// The data folder of a PostgreSQL that was stopped in order is put back later: what
// has been cached meanwhile is of a future that never was.
func TestColdCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: time.Second, apis: 1, invalidators: 1})
	var data string
	conn, err := pgx.Connect(t.Context(), r.database.Superuser)
	r.check(err)
	r.check(conn.QueryRow(t.Context(), "show data_directory").Scan(&data))
	r.check(conn.Close(t.Context()))
	r.work(1, 0, 2*time.Millisecond)

	r.edit("update public.properties set title = 'past' where id = 3")
	since := r.journal.history.now()
	r.outage(func() {
		r.postgres.Stop(t, local.Fast)
		run(t, "cp", "-a", data, data+".copy")
		r.postgres.Start(t)
	})
	r.awaitHit(patience)
	r.edit("update public.properties set title = 'future' where id = 3")
	fleet.Await(t, "the future is cached", func() bool {
		response, body := r.get(r.apis[0], "/v1/properties/3")
		return response != nil && fleet.Hit(response) && strings.Contains(body, "future")
	})
	epoch := r.epoch()
	r.journal.history.mayLose(since)
	r.outage(func() {
		r.postgres.Stop(t, local.Fast)
		r.check(os.RemoveAll(data))
		run(t, "mv", data+".copy", data)
		r.postgres.Start(t)
	})
	r.check(r.journal.resync(t.Context(), since))
	fleet.Await(t, "a new epoch", func() bool { return r.epoch() != epoch })
	r.awaitHit(patience)
	if _, body := r.get(r.apis[0], "/v1/properties/3"); !strings.Contains(body, "past") {
		t.Errorf("the future is back: %s", body)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if said, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, said)
	}
}

// Scenario 22: Redis forgets, remembers what is past, is away, or is full.
func TestRedis(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: time.Second, apis: 2, invalidators: 1})
	r.work(2, 2, 2*time.Millisecond)
	editAll := func() { r.edit("update public.properties set price = price + 1") }
	for _, broken := range []struct {
		how  string
		do   func()
		kept bool
	}{
		{"restarted empty", func() { r.redisServer.Restart(t, "") }, false},
		{"restarted from an old snapshot", func() {
			old := r.redisServer.Save(t)
			editAll()
			r.awaitApplied()
			r.awaitStored() // or all since the snapshot is applied anew, and nothing is lost with it
			r.redisServer.Restart(t, old)
		}, false},
		{"gone back unnoticed", func() {
			r.check(r.redis.Save(t.Context()).Err())
			editAll()
			r.awaitApplied()
			r.awaitStored()
			r.goBack()
		}, false},
		{"flushed", func() { r.check(r.redis.FlushAll(t.Context()).Err()) }, false},
		{"stopped", func() {
			r.redisServer.Pause(t)
			began := r.journal.history.now()
			editAll()
			r.until(began + instant(2*r.bound))
			r.redisServer.Resume(t)
		}, true},
		{"down", func() {
			r.redisServer.Kill(t)
			began := r.journal.history.now()
			editAll()
			r.until(began + instant(2*r.bound))
			r.redisServer.Start(t, "")
		}, false},
	} {
		r.leader()
		epoch := r.epoch()
		broken.do()
		if !broken.kept {
			fleet.Await(t, broken.how+": a new epoch", func() bool { now := r.epoch(); return now != "" && now != epoch })
		}
		t.Logf("%s: in use again after %v", broken.how, r.awaitHit(patience))
		if kept := r.epoch() == epoch; kept != broken.kept {
			t.Errorf("%s: the cache was kept: %v", broken.how, kept)
		}
	}

	r.fill()
	editAll()
	r.until(r.journal.history.now() + instant(r.bound))
	r.check(r.redis.ConfigSet(t.Context(), "maxmemory", "0").Err())
	r.awaitHit(patience)
}

// until waits for an instant of the history: a fault must last for some time.
func (r *rig) until(end instant) {
	_ = pause(context.Background(), time.Duration(end-r.journal.history.now()))
}

// awaitApplied waits until everything that has been committed is applied.
func (r *rig) awaitApplied() {
	r.Helper()
	conn := r.connect()
	defer conn.Close(context.Background())
	fleet.Await(r, "what is committed is applied", func() bool {
		applied, ok := r.applied()
		if !ok {
			return false
		}
		var left int
		err := conn.QueryRow(context.Background(), `select count(*) from freshlist.properties_changes
			where not pg_visible_in_snapshot(xid, $1::text::pg_snapshot)`, applied).Scan(&left)
		r.check(err)
		return left == 0
	})
}

// awaitStored waits until the invalidator has stored once more how far it has come. Somebody
// has to go on editing.
func (r *rig) awaitStored() {
	r.Helper()
	conn := r.connect()
	defer conn.Close(context.Background())
	revision := func() (n int64) {
		r.check(conn.QueryRow(context.Background(), "select max(revision) from freshlist.marker").Scan(&n))
		return n
	}
	before := revision()
	fleet.Await(r, "the position is stored", func() bool { return revision() > before })
}

// applied returns the snapshot that the present beat says is applied.
func (r *rig) applied() (snapshot string, ok bool) {
	beat, err := rediscache.ParseBeat(r.redis.Get(context.Background(), "freshlist:{00}:beat").Val())
	return beat.Applied, err == nil
}
