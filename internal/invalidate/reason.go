package invalidate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// beatState is whether the last beat of this process still counts, and what keeps the next
// one from being published. A beat counts for B, so the cache is out of use only once the
// last one has ended. A trouble that ends sooner is not reported.
type beatState struct {
	mu         sync.Mutex
	validUntil time.Time         // the end of the last proof of this process, by its clock
	reason     cachestate.Reason // what has come in between since; OK: nothing
	detail     string
	redisFull  bool // Redis stores nothing
}

// beatPublished records that a beat was published whose time was noted at noted or later.
func (i *Invalidator) beatPublished(noted time.Time) {
	h := &i.beatState
	h.mu.Lock()
	defer h.mu.Unlock()
	h.validUntil, h.reason, h.detail = noted.Add(i.Bound), cachestate.OK, ""
	if !h.redisFull {
		i.state.Set(cachestate.OK, "")
	}
}

// beatPrevented records what keeps the next beat from being published.
func (i *Invalidator) beatPrevented(why cachestate.Reason, detail string) {
	h := &i.beatState
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason, h.detail = why, detail
	// Without Redis the last proof is of no use.
	if why == cachestate.RedisDown || !time.Now().Before(h.validUntil) {
		i.state.Set(why, detail)
	}
}

// leaderBeats records that the beats of another process are valid.
func (i *Invalidator) leaderBeats() {
	h := &i.beatState
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason = cachestate.OK
	if !h.redisFull {
		i.state.Set(cachestate.OK, "")
	}
}

// beatExpired changes the state when the last beat has ended. withdrawn says that the beat
// is no longer in Redis.
func (i *Invalidator) beatExpired(withdrawn bool) {
	h := &i.beatState
	h.mu.Lock()
	defer h.mu.Unlock()
	if i.state.Present().Reason != cachestate.OK || !withdrawn && time.Now().Before(h.validUntil) {
		return
	}
	switch {
	case h.reason != cachestate.OK:
		i.state.Set(h.reason, h.detail)
	case withdrawn:
		i.state.Set(cachestate.NoBeat, "what was published is not in Redis any more")
	default:
		i.state.Set(cachestate.NoBeat, "a round takes longer than the bound")
	}
}

// setRedisFull records whether Redis stores nothing, even after it has evicted what it may.
func (i *Invalidator) setRedisFull(full bool, detail string) {
	h := &i.beatState
	h.mu.Lock()
	defer h.mu.Unlock()
	h.redisFull = full
	if full {
		i.state.Set(cachestate.RedisFull, detail)
	}
}

// Interrupted reports an error that keeps this process from its work.
func (i *Invalidator) Interrupted(ctx context.Context, err error) {
	why := reasonOf(err)
	if errors.Is(err, rediscache.ErrFenced) {
		why = i.fencedBy(ctx)
	}
	if i.state.Present().Reason == cachestate.OK {
		i.reports.report(ctx, why, err)
	}
	i.beatPrevented(why, err.Error())
}

// reasonOf returns for which reason nothing is proved while an error comes. Every error
// that interrupts the work passes here.
func reasonOf(err error) cachestate.Reason {
	if why, found := cachestate.ReasonOf(err); found {
		return why
	}
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, rediscache.ErrFenced), errors.Is(err, feed.ErrTerm):
		return cachestate.OtherLeader
	case errors.Is(err, rediscache.ErrStateLost), errors.Is(err, feed.ErrMarker), isAltered(err), isRefusedForTime(err):
		return cachestate.NoBeat
	case errors.As(err, &pg):
		return reasonOfCode(pg.Code)
	}
	return cachestate.DatabaseDown // it is no error of Redis: those say so
}

// reasonOfCode returns the reason that a SQLSTATE stands for.
func reasonOfCode(code string) cachestate.Reason {
	switch code {
	case pgerrcode.InsufficientPrivilege:
		return cachestate.NoRights
	case pgerrcode.InvalidSchemaName, pgerrcode.UndefinedFunction, pgerrcode.UndefinedTable, pgerrcode.UndefinedColumn:
		return cachestate.NotInstalled
	case pgerrcode.ReadOnlySQLTransaction, pgerrcode.FeatureNotSupported:
		return cachestate.InRecovery // on a standby, unlogged tables are not supported
	case pgerrcode.IdleSessionTimeout, pgerrcode.QueryCanceled, pgerrcode.LockNotAvailable:
		return cachestate.NoBeat
	}
	switch code[:2] {
	case "08", "28", "3D", "53", "57", "58": // connection, login, database, resources, operator, system
		return cachestate.DatabaseDown
	}
	return cachestate.NoBeat
}

// reporter logs an error that comes again and again once in a while only.
type reporter struct {
	log *slog.Logger

	mu   sync.Mutex
	last string
	at   time.Time
}

const repeatAfter = 10 * time.Second

func (r *reporter) report(ctx context.Context, why cachestate.Reason, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := err.Error()
	if text == r.last && time.Since(r.at) < repeatAfter {
		return
	}
	r.last, r.at = text, time.Now()
	r.log.LogAttrs(ctx, slog.LevelWarn, "invalidation interrupted, trying again",
		slog.String("reason", why.String()), slog.String("error", text))
}

// watchEvery is how often Redis is looked at for what rounds do not show.
func (i *Invalidator) watchEvery() time.Duration {
	return min(max(i.Bound/4, 100*time.Millisecond), time.Second)
}

// Watch keeps the state right whatever the loop does, until ctx is done: it holds a proof
// that has ended, or is not in Redis any more, for none, and finds out whether Redis is
// full. It also repeats a state that lasts.
func (i *Invalidator) Watch(ctx context.Context) {
	watch := rediscache.NewBeatReader(i.Redis, i.Space)
	tick := time.NewTicker(i.watchEvery())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, err := watch.Beats(ctx)
		if ctx.Err() != nil {
			return
		}
		i.beatsRead(err)
		i.state.LogDue()
	}
}

// beatsRead handles the result of reading the beats. checkLeader compares their contents.
func (i *Invalidator) beatsRead(err error) {
	why, _ := cachestate.ReasonOf(err)
	i.setRedisFull(why == cachestate.RedisFull, fmt.Sprint(err))
	switch {
	case why == cachestate.RedisDown:
		i.beatPrevented(why, err.Error())
	case i.role() == standby || why == cachestate.RedisFull:
	default:
		i.beatExpired(why == cachestate.NoBeat)
	}
}

// checkLeader finds out whether the present leader publishes valid beats.
func (i *Invalidator) checkLeader(ctx context.Context, conn *pgx.Conn) error {
	if time.Since(i.leaderChecked) < i.watchEvery() {
		return nil
	}
	i.leaderChecked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, i.stepTimeout())
	defer cancel()
	why, detail, err := i.judgeLeader(ctx, conn)
	switch {
	case err != nil:
		return err
	case why == cachestate.OK:
		i.leaderBeats()
	default:
		i.beatPrevented(why, detail)
		i.beatExpired(true)
	}
	return nil
}

// judgeLeader says why the proofs of the process that has the leader lock are of no use to
// this deployment, or that they are.
func (i *Invalidator) judgeLeader(ctx context.Context, conn *pgx.Conn) (why cachestate.Reason, detail string, err error) {
	beats, err := rediscache.NewBeatReader(i.Redis, i.Space).Beats(ctx)
	if why, found := cachestate.ReasonOf(err); found && why != cachestate.NoBeat {
		return why, err.Error(), nil
	}
	for _, beat := range beats {
		if why, detail := i.disagrees(&beat, i.database); why != cachestate.OK {
			return why, detail, nil
		}
	}
	if err != nil {
		return i.judgeMarker(ctx, conn)
	}
	return cachestate.OK, "", nil
}

// databaseQuery gives a database the name that beats give it.
const databaseQuery = `select concat((select system_identifier from pg_control_system()), '/',
	(select oid from pg_database where datname = current_database()))`

// identify learns which database this process works on.
func (i *Invalidator) identify(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, i.stepTimeout())
	defer cancel()
	if err := conn.QueryRow(ctx, databaseQuery).Scan(&i.database); err != nil {
		return fmt.Errorf("read which database this is: %w", err)
	}
	return nil
}

// agreed spells the settings in which all processes must agree. A change of any begins a
// new epoch: what was cached under the old ones must not count again when they come back.
func (i *Invalidator) agreed() string {
	return fmt.Sprintf("prefix=%s partitions=%d bound=%s", i.Space.Prefix, i.Space.Partitions, i.Bound)
}

// disagrees says in what a beat is not of this deployment.
func (i *Invalidator) disagrees(beat *rediscache.Beat, database string) (cachestate.Reason, string) {
	switch {
	case beat.Database != database:
		return cachestate.OtherDeployment, fmt.Sprintf("under the prefix %q stand proofs of another database", i.Space.Prefix)
	case beat.Partitions != i.Space.Partitions:
		return cachestate.OtherDeployment, fmt.Sprintf("REDIS_PARTITIONS is %d here, %d for the leader", i.Space.Partitions, beat.Partitions)
	case beat.Bound != i.Bound:
		return cachestate.Bound, fmt.Sprintf("STALENESS_BOUND is %v here, %v for the leader", i.Bound, beat.Bound)
	}
	return cachestate.OK, ""
}

// judgeMarker tells a leader that works under other settings from one that proves nothing.
// The marker says what it works under.
func (i *Invalidator) judgeMarker(ctx context.Context, conn *pgx.Conn) (cachestate.Reason, string, error) {
	const query = `select to_jsonb(m) ->> 'agreed' from freshlist.marker as m order by revision desc limit 1`
	var agreed *string
	err := conn.QueryRow(ctx, query).Scan(&agreed)
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows), errors.As(err, &pg):
	case err != nil:
		return cachestate.OK, "", fmt.Errorf("read what the leader works under: %w", err)
	case agreed != nil && *agreed != "" && *agreed != i.agreed():
		why, detail := differences(*agreed, i.agreed())
		return why, detail, nil
	}
	return cachestate.OtherLeader, "another process has the leader lock of this database", nil
}

// differences says in what another deployment that leads on this database differs, by the
// spellings of what each has agreed on.
func differences(there, here string) (cachestate.Reason, string) {
	why := cachestate.Bound
	values := map[string]string{}
	for word := range strings.FieldsSeq(there) {
		name, value, _ := strings.Cut(word, "=")
		values[name] = value
	}
	var differ []string
	for word := range strings.FieldsSeq(here) {
		name, value, _ := strings.Cut(word, "=")
		if values[name] == value {
			continue
		}
		if name != "bound" {
			why = cachestate.OtherDeployment
		}
		differ = append(differ, fmt.Sprintf("%s is %s there and %s here", name, values[name], value))
	}
	return why, "another deployment leads on this database: " + strings.Join(differ, ", ")
}

// fencedBy says by whom this process was fenced: a leader of the same database, or one of
// another that shares the prefix.
func (i *Invalidator) fencedBy(ctx context.Context) cachestate.Reason {
	ctx, cancel := context.WithTimeout(ctx, i.stepTimeout())
	defer cancel()
	beats, _ := rediscache.NewBeatReader(i.Redis, i.Space).Beats(ctx)
	if i.database == "" {
		return cachestate.OtherLeader
	}
	for _, beat := range beats {
		if beat.Database != i.database {
			return cachestate.OtherDeployment
		}
	}
	return cachestate.OtherLeader
}
