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

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/caching"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
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
func (r stateRig) expect(why caching.Reason, detail string) {
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
		r.proved(time.Now())
		r.expect(caching.OK, "")
		r.hinder(caching.OtherLeader, "for a moment")
		r.expire(false)
		time.Sleep(r.Bound - 1) // of the bubble
		r.expire(false)
		r.expect(caching.OK, "")
		time.Sleep(1)
		r.expire(false)
		r.expect(caching.OtherLeader, "for a moment")
		r.hinder(caching.CatchingUp, "many")
		r.expect(caching.CatchingUp, "many")
		r.expire(true)
		r.expect(caching.CatchingUp, "many")

		r.proved(time.Now())
		r.hinder(caching.OtherLeader, "overcome")
		r.proved(time.Now())
		time.Sleep(r.Bound)
		r.expire(false)
		r.expect(caching.NoBeat, "longer than the bound")

		r.proved(time.Now())
		r.expire(true)
		r.expect(caching.NoBeat, "not in Redis")

		r.proved(time.Now())
		r.hinder(caching.RedisDown, "refused")
		r.expect(caching.RedisDown, "refused")
	})
}

// While Redis stores nothing, proofs do not make the cache used.
func TestFullRedisIsTheStateWhateverIsProved(t *testing.T) {
	t.Parallel()
	r := newStateRig(t)
	r.refused(true, "full")
	r.proved(time.Now())
	r.expect(caching.RedisFull, "full")
	r.followed()
	r.expect(caching.RedisFull, "full")
	r.refused(false, "")
	r.proved(time.Now())
	r.expect(caching.OK, "")
}

// A standby has no proofs of its own that could end; those of the leader it looks at elsewhere.
func TestStandbyKeepsItsState(t *testing.T) {
	t.Parallel()
	none := caching.Because(caching.NoBeat, errors.New("no beat"))
	r := newStateRig(t)
	r.followed()
	r.setRole(standby)
	r.seen(none)
	r.expect(caching.OK, "")
	r.seen(caching.Because(caching.RedisDown, errors.New("refused")))
	r.expect(caching.RedisDown, "refused")
	r.setRole(leader)
	r.proved(time.Now())
	r.seen(none)
	r.expect(caching.NoBeat, "")
}

func TestReasonsOfErrors(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]caching.Reason{
		caching.Because(caching.RedisFull, io.EOF): caching.RedisFull,
		cache.ErrFenced:                caching.OtherLeader,
		feed.ErrTerm:                   caching.OtherLeader,
		cache.ErrLost:                  caching.NoBeat,
		feed.ErrMarker:                 caching.NoBeat,
		feed.ErrCatalog:                caching.NoBeat,
		cache.ErrLate:                  caching.NoBeat,
		io.ErrUnexpectedEOF:            caching.DatabaseDown,
		&pgconn.PgError{Code: "42501"}: caching.NoRights,     // insufficient_privilege
		&pgconn.PgError{Code: "3F000"}: caching.NotInstalled, // invalid_schema_name
		&pgconn.PgError{Code: "42883"}: caching.NotInstalled, // undefined_function
		&pgconn.PgError{Code: "42P01"}: caching.NotInstalled, // undefined_table
		&pgconn.PgError{Code: "25006"}: caching.InRecovery,   // read_only_sql_transaction
		&pgconn.PgError{Code: "0A000"}: caching.InRecovery,   // feature_not_supported
		&pgconn.PgError{Code: "57P05"}: caching.NoBeat,       // idle_session_timeout
		&pgconn.PgError{Code: "57014"}: caching.NoBeat,       // query_canceled
		&pgconn.PgError{Code: "55P03"}: caching.NoBeat,       // lock_not_available
		&pgconn.PgError{Code: "40001"}: caching.NoBeat,       // serialization_failure
		&pgconn.PgError{Code: "57P01"}: caching.DatabaseDown, // admin_shutdown
		&pgconn.PgError{Code: "28P01"}: caching.DatabaseDown, // invalid_password
		&pgconn.PgError{Code: "53300"}: caching.DatabaseDown, // too_many_connections
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
		change func(*cache.Beat)
		want   caching.Reason
	}{
		"nothing":    {func(*cache.Beat) {}, caching.OK},
		"database":   {func(b *cache.Beat) { b.Database = "7/6" }, caching.OtherDeployment},
		"partitions": {func(b *cache.Beat) { b.Partitions++ }, caching.OtherDeployment},
		"bound":      {func(b *cache.Beat) { b.Bound++ }, caching.Bound},
	} {
		beat := cache.Beat{Database: "7/5", Partitions: 2, Bound: time.Second}
		c.change(&beat)
		if why, detail := r.disagrees(&beat, "7/5"); why != c.want || (detail == "") != (why == caching.OK) {
			t.Errorf("%s: %s, %q; want %s", name, why, detail, c.want)
		}
	}
	// So does what the marker says, where there is no beat.
	for there, want := range map[string]caching.Reason{
		"prefix=here partitions=2 bound=2s":  caching.Bound,
		"prefix=here partitions=3 bound=1s":  caching.OtherDeployment,
		"prefix=there partitions=2 bound=2s": caching.OtherDeployment,
	} {
		if why, detail := contrast(there, r.agreed()); why != want || strings.Contains(detail, "partitions") != strings.Contains(there, "3") {
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
			r.report(t.Context(), caching.DatabaseDown, io.EOF)
			time.Sleep(time.Second) // of the bubble
		}
		expect(1, "within ten seconds")
		r.report(t.Context(), caching.DatabaseDown, io.ErrUnexpectedEOF)
		expect(2, "another one")
		time.Sleep(repeatAfter)
		r.report(t.Context(), caching.DatabaseDown, io.ErrUnexpectedEOF)
		expect(3, "after ten seconds")
	})
}
