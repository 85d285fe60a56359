package invalidate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// stateRig is an invalidator without servers, whose state of caching a test looks at.
type stateRig struct {
	*testing.T
	*Invalidator
}

func newStateRig(t *testing.T) stateRig {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // nobody connects
	t.Cleanup(func() { _ = rdb.Close() })
	return stateRig{t, New(Config{
		Redis: rdb, Space: rediskey.Space{Prefix: "here", Partitions: 2}, Bound: time.Second,
		Log: slog.New(slog.DiscardHandler), Metrics: telemetry.NewInvalidator(),
	})}
}

// expect fails the test unless the state is of this reason, and its detail holds some words.
func (r stateRig) expect(why cachestate.Reason, detail string) {
	r.Helper()
	if p := r.state.Present(); p.Reason != why || !strings.Contains(p.Detail, detail) {
		r.Errorf("the state is %s, %q; want %s, %q", p.Reason, p.Detail, why, detail)
	}
}

// A proof counts until its end, whatever comes in between, unless Redis is gone or does not
// have it any more; then the state is what has come in between.
func TestAProofCountsForItsBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newStateRig(t)
		r.beatPublished(time.Now())
		r.expect(cachestate.OK, "")
		r.beatPrevented(cachestate.OtherLeader, "for a moment")
		r.beatExpired(false)
		time.Sleep(r.Bound - 1) // of the bubble
		r.beatExpired(false)
		r.expect(cachestate.OK, "")
		time.Sleep(time.Nanosecond)
		r.beatExpired(false)
		r.expect(cachestate.OtherLeader, "for a moment")
		r.beatPrevented(cachestate.CatchingUp, "many")
		r.expect(cachestate.CatchingUp, "many")
		r.beatExpired(true)
		r.expect(cachestate.CatchingUp, "many")

		r.beatPublished(time.Now())
		r.beatPrevented(cachestate.OtherLeader, "overcome")
		r.beatPublished(time.Now())
		time.Sleep(r.Bound)
		r.beatExpired(false)
		r.expect(cachestate.NoBeat, "longer than the bound")

		r.beatPublished(time.Now())
		r.beatExpired(true)
		r.expect(cachestate.NoBeat, "not in Redis")

		r.beatPublished(time.Now())
		r.beatPrevented(cachestate.RedisDown, "refused")
		r.expect(cachestate.RedisDown, "refused")
	})
}

// While Redis stores nothing, proofs do not make the cache used.
func TestFullRedisIsTheStateWhateverIsProved(t *testing.T) {
	t.Parallel()
	r := newStateRig(t)
	r.setRedisFull(true, "full")
	r.beatPublished(time.Now())
	r.expect(cachestate.RedisFull, "full")
	r.leaderBeats()
	r.expect(cachestate.RedisFull, "full")
	r.setRedisFull(false, "")
	r.beatPublished(time.Now())
	r.expect(cachestate.OK, "")
}

// A standby has no proofs of its own that could end; those of the leader it looks at elsewhere.
func TestStandbyKeepsItsState(t *testing.T) {
	t.Parallel()
	none := cachestate.Wrap(cachestate.NoBeat, errors.New("no beat"))
	r := newStateRig(t)
	r.leaderBeats()
	r.setRole(standby)
	r.beatsRead(none)
	r.expect(cachestate.OK, "")
	r.beatsRead(cachestate.Wrap(cachestate.RedisDown, errors.New("refused")))
	r.expect(cachestate.RedisDown, "refused")
	r.setRole(leader)
	r.beatPublished(time.Now())
	r.beatsRead(none)
	r.expect(cachestate.NoBeat, "")
}

func TestReasonsOfErrors(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]cachestate.Reason{
		cachestate.Wrap(cachestate.RedisFull, io.EOF): cachestate.RedisFull,
		rediscache.ErrFenced:                          cachestate.OtherLeader,
		feed.ErrTerm:                                  cachestate.OtherLeader,
		rediscache.ErrStateLost:                       cachestate.NoBeat,
		feed.ErrMarker:                                cachestate.NoBeat,
		feed.ErrCatalog:                               cachestate.NoBeat,
		rediscache.ErrLate:                            cachestate.NoBeat,
		io.ErrUnexpectedEOF:                           cachestate.DatabaseDown,
		&pgconn.PgError{Code: "42501"}:                cachestate.NoRights,     // insufficient_privilege
		&pgconn.PgError{Code: "3F000"}:                cachestate.NotInstalled, // invalid_schema_name
		&pgconn.PgError{Code: "42883"}:                cachestate.NotInstalled, // undefined_function
		&pgconn.PgError{Code: "42P01"}:                cachestate.NotInstalled, // undefined_table
		&pgconn.PgError{Code: "25006"}:                cachestate.InRecovery,   // read_only_sql_transaction
		&pgconn.PgError{Code: "0A000"}:                cachestate.InRecovery,   // feature_not_supported
		&pgconn.PgError{Code: "57P05"}:                cachestate.NoBeat,       // idle_session_timeout
		&pgconn.PgError{Code: "57014"}:                cachestate.NoBeat,       // query_canceled
		&pgconn.PgError{Code: "55P03"}:                cachestate.NoBeat,       // lock_not_available
		&pgconn.PgError{Code: "40001"}:                cachestate.NoBeat,       // serialization_failure
		&pgconn.PgError{Code: "57P01"}:                cachestate.DatabaseDown, // admin_shutdown
		&pgconn.PgError{Code: "28P01"}:                cachestate.DatabaseDown, // invalid_password
		&pgconn.PgError{Code: "53300"}:                cachestate.DatabaseDown, // too_many_connections
	} {
		if got := reasonOf(fmt.Errorf("read the changes: %w", err)); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}

func TestInWhatABeatDisagrees(t *testing.T) {
	t.Parallel()
	r := newStateRig(t)
	for name, c := range map[string]struct {
		change func(*rediscache.Beat)
		want   cachestate.Reason
	}{
		"nothing":    {func(*rediscache.Beat) {}, cachestate.OK},
		"database":   {func(b *rediscache.Beat) { b.Database = "7/6" }, cachestate.OtherDeployment},
		"partitions": {func(b *rediscache.Beat) { b.Partitions++ }, cachestate.OtherDeployment},
		"bound":      {func(b *rediscache.Beat) { b.Bound++ }, cachestate.Bound},
	} {
		beat := rediscache.Beat{Database: "7/5", Partitions: 2, Bound: time.Second}
		c.change(&beat)
		if why, detail := r.disagrees(&beat, "7/5"); why != c.want || (detail == "") != (why == cachestate.OK) {
			t.Errorf("%s: %s, %q; want %s", name, why, detail, c.want)
		}
	}
	// So does what the marker says, where there is no beat.
	for there, want := range map[string]cachestate.Reason{
		"prefix=here partitions=2 bound=2s":  cachestate.Bound,
		"prefix=here partitions=3 bound=1s":  cachestate.OtherDeployment,
		"prefix=there partitions=2 bound=2s": cachestate.OtherDeployment,
	} {
		if why, detail := differences(there, r.agreed()); why != want || strings.Contains(detail, "partitions") != strings.Contains(there, "3") {
			t.Errorf("%s: %s, %q; want %s", there, why, detail, want)
		}
	}
}

// An error that comes again and again is told once in a while, another one at once.
func TestErrorIsReportedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := reporter{log: slog.New(slog.NewTextHandler(&log, nil))}
		expect := func(lines int, what string) {
			t.Helper()
			if got := strings.Count(log.String(), "\n"); got != lines {
				t.Errorf("%s: %d lines, want %d:\n%s", what, got, lines, log.String())
			}
		}
		for range 9 {
			r.report(t.Context(), cachestate.DatabaseDown, io.EOF)
			time.Sleep(time.Second) // of the bubble
		}
		expect(1, "within ten seconds")
		r.report(t.Context(), cachestate.DatabaseDown, io.ErrUnexpectedEOF)
		expect(2, "another one")
		time.Sleep(repeatAfter)
		r.report(t.Context(), cachestate.DatabaseDown, io.ErrUnexpectedEOF)
		expect(3, "after ten seconds")
	})
}
