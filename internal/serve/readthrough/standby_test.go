package readthrough_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// standby is the standby of a deployment.
type standby struct {
	*deployment.Deployment
	conn *pgx.Conn
	at   pgtest.Database
}

// withStandby makes a deployment with one listing, an invalidator and a standby.
func withStandby(t *testing.T, o deployment.Options) *standby {
	t.Helper()
	o.Postgres = pgtest.Start(t)
	s := &standby{Deployment: listing100(t, o)}
	server := o.Postgres.Standby(t)
	s.at = server.At(t, s.Database)
	conn, err := pgx.Connect(t.Context(), s.at.Superuser)
	s.Must(err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	s.conn = conn
	s.Invalidate()
	return s
}

// reading has an API process read the standby.
func (s *standby) reading(p *deployment.Process) {
	pool, err := database.Open(database.Config{URL: s.at.API, Application: "freshlist-api standby", MaxConns: 4})
	s.Must(err)
	s.Cleanup(pool.Close)
	p.Standbys, p.Limits.Standbys = database.NewStandbys(pool, p.Metrics.StandbyLag.Set), true
}

// awaitUsed asks for ever other queries until a read of the standby has been used.
func (s *standby) awaitUsed(api *deployment.API) {
	s.Helper()
	used, n := api.Metrics.Standby(telemetry.StandbyUsed), 0
	before := used.Value()
	s.Await("a read of the standby", func() bool {
		n++
		api.Get(fmt.Sprintf("properties?city=FOLSOM&min_price=%d", n), render.JSON)
		return used.Value() > before
	})
}

// hold stops replay.
func (s *standby) hold() {
	s.Helper()
	_, err := s.conn.Exec(s.Context(), "select pg_wal_replay_pause()")
	s.Must(err)
	s.Await("replay to stop", func() (stopped bool) {
		s.Exec("select pg_logical_emit_message(false, 'freshlist', '')")
		s.Must(s.conn.QueryRow(s.Context(), "select pg_get_wal_replay_pause_state() = 'paused'").Scan(&stopped))
		return stopped
	})
}

// Misses are read from a standby, and stored, while it has replayed what has been purged for; from the primary
// while it has not, and for a token.
func TestStandbyShowsWhatWasPurgedFor(t *testing.T) {
	t.Parallel()
	s := withStandby(t, deployment.Options{})
	api := s.API(s.reading)
	s.awaitUsed(api)
	used := api.Metrics.Standby(telemetry.StandbyUsed)
	before := used.Value()
	asked := readthrough.Request{Query: s.Query("properties/summary?city=FOLSOM"), Format: render.JSON, Token: 3}
	answer, err := api.Cache.Get(t.Context(), asked)
	if s.Must(err); used.Value() != before {
		t.Error("the answer for a token was read from the standby")
	}
	wantStatus(s.Deployment, answer, stored)

	if a := api.Get("properties/1", render.JSON); !strings.Contains(a.Body, `"price":100`) {
		t.Errorf("the answer is %s", a.Body)
	}
	s.hold()
	raise(s.Deployment)
	for _, query := range []string{"properties/1", folsom} {
		if a := api.Get(query, render.JSON); !strings.Contains(a.Body, `"price":101`) {
			t.Errorf("with a standby that is behind %s is %s", query, a.Body)
		}
		if isStale(s.Deployment, query, render.JSON) {
			t.Errorf("%s is cached as the standby shows it", query)
		}
	}
	if api.Metrics.Standby(telemetry.StandbyBehind).Value() == 0 || api.Metrics.StandbyLag.Value() <= 0 {
		t.Error("the metrics do not say that the standby is behind")
	}
	_, err = s.conn.Exec(t.Context(), "select pg_wal_replay_resume()")
	s.Must(err)
	s.awaitUsed(api)
}

// A standby that shows another epoch is none of the present primary: perhaps that of a former one, which
// still runs. One that shows no epoch may be any server's.
func TestStandbyOfAnotherEpoch(t *testing.T) {
	t.Parallel()
	s := withStandby(t, deployment.Options{})
	api := s.API(s.reading)
	s.awaitUsed(api)
	used, behind := api.Metrics.Standby(telemetry.StandbyUsed), api.Metrics.Standby(telemetry.StandbyBehind)
	for i, sql := range []string{"update freshlist.banner set epoch = 'another'", "delete from freshlist.banner"} {
		s.Exec(sql)
		s.Await("the standby to show it", func() (replayed bool) {
			const ask = "select coalesce((select epoch from freshlist.banner), 'none') = $1"
			s.Must(s.conn.QueryRow(t.Context(), ask, []string{"another", "none"}[i]).Scan(&replayed))
			return replayed
		})
		before := [2]uint64{uint64(used.Value()), uint64(behind.Value())}
		api.Get(fmt.Sprint("properties/", 1+i), render.JSON)
		if after := [2]uint64{uint64(used.Value()), uint64(behind.Value())}; after[0] != before[0] || after[1] == before[1] {
			t.Errorf("after %s: used and behind %v, then %v", sql, before, after)
		}
	}
}

// With as many live queries as may be, answers are read from a standby and not stored.
func TestStandbyWhenFull(t *testing.T) {
	t.Parallel()
	s := withStandby(t, deployment.Options{Live: 1})
	api := s.API(s.reading)
	api.Get(folsom, render.JSON)
	used := api.Metrics.Standby(telemetry.StandbyUsed)
	before := used.Value()
	s.Await("a read of the standby", func() bool {
		a := api.Get("properties/1", render.JSON)
		return used.Value() > before && a.CacheStatus == notStored
	})
}
