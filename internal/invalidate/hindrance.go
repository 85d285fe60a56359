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

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/caching"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// hindrance is what keeps this process, or the leader that it stands by for, from proving
// anything at present. A proof counts for B, so the cache is out of use only once the last
// one has ended: what is overcome sooner is no state.
type hindrance struct {
	mu     sync.Mutex
	until  time.Time      // the end of the last proof of this process, by its clock
	why    caching.Reason // what has come in between since; OK: nothing
	detail string
	full   bool // Redis stores nothing
}

// proved notes that a proof was published whose time was noted at noted or later.
func (i *Invalidator) proved(noted time.Time) {
	h := &i.hindrance
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until, h.why, h.detail = noted.Add(i.Bound), caching.OK, ""
	if !h.full {
		i.state.Set(caching.OK, "")
	}
}

// hinder notes what keeps the next proof from being published.
func (i *Invalidator) hinder(why caching.Reason, detail string) {
	h := &i.hindrance
	h.mu.Lock()
	defer h.mu.Unlock()
	h.why, h.detail = why, detail
	// Without Redis the last proof is of no use.
	if why == caching.RedisDown || !time.Now().Before(h.until) {
		i.state.Set(why, detail)
	}
}

// followed notes that another process's proofs are there.
func (i *Invalidator) followed() {
	h := &i.hindrance
	h.mu.Lock()
	defer h.mu.Unlock()
	h.why = caching.OK
	if !h.full {
		i.state.Set(caching.OK, "")
	}
}

// expire ends the state of caching with the last proof. withdrawn says that the proof is
// not in Redis any more.
func (i *Invalidator) expire(withdrawn bool) {
	h := &i.hindrance
	h.mu.Lock()
	defer h.mu.Unlock()
	if i.state.Present().Reason != caching.OK || !withdrawn && time.Now().Before(h.until) {
		return
	}
	switch {
	case h.why != caching.OK:
		i.state.Set(h.why, h.detail)
	case withdrawn:
		i.state.Set(caching.NoBeat, "what was published is not in Redis any more")
	default:
		i.state.Set(caching.NoBeat, "a round takes longer than the bound")
	}
}

// refused notes whether Redis stores nothing, though what it may evict has been evicted.
func (i *Invalidator) refused(full bool, detail string) {
	h := &i.hindrance
	h.mu.Lock()
	defer h.mu.Unlock()
	h.full = full
	if full {
		i.state.Set(caching.RedisFull, detail)
	}
}

// Interrupted takes in an error that keeps this process from its work.
func (i *Invalidator) Interrupted(ctx context.Context, err error) {
	why := reasonOf(err)
	if errors.Is(err, cache.ErrFenced) {
		why = i.whoFenced(ctx)
	}
	if i.state.Present().Reason == caching.OK {
		i.reports.report(ctx, why, err)
	}
	i.hinder(why, err.Error())
}

// reasonOf returns for which reason nothing is proved while an error comes. Every error
// that interrupts the work passes here.
func reasonOf(err error) caching.Reason {
	if why, found := caching.ReasonOf(err); found {
		return why
	}
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, cache.ErrFenced), errors.Is(err, feed.ErrTerm):
		return caching.OtherLeader
	case errors.Is(err, cache.ErrLost), errors.Is(err, feed.ErrMarker), errors.Is(err, feed.ErrCatalog), isMild(err):
		return caching.NoBeat
	case errors.As(err, &pg):
		return reasonOfCode(pg.Code)
	}
	return caching.DatabaseDown // it is no error of Redis: those say so
}

// reasonOfCode returns the reason that a SQLSTATE stands for.
func reasonOfCode(code string) caching.Reason {
	switch code {
	case pgerrcode.InsufficientPrivilege:
		return caching.NoRights
	case pgerrcode.InvalidSchemaName, pgerrcode.UndefinedFunction, pgerrcode.UndefinedTable, pgerrcode.UndefinedColumn:
		return caching.NotInstalled
	case pgerrcode.ReadOnlySQLTransaction, pgerrcode.FeatureNotSupported:
		return caching.InRecovery // on a standby, unlogged tables are not supported
	case pgerrcode.IdleSessionTimeout, pgerrcode.QueryCanceled, pgerrcode.LockNotAvailable:
		return caching.NoBeat
	}
	switch code[:2] {
	case "08", "28", "3D", "53", "57", "58": // connection, login, database, resources, operator, system
		return caching.DatabaseDown
	}
	return caching.NoBeat
}

// reporter logs an error that comes again and again once in a while only.
type reporter struct {
	log *slog.Logger

	mu   sync.Mutex
	last string
	at   time.Time
}

const repeatAfter = 10 * time.Second

func (r *reporter) report(ctx context.Context, why caching.Reason, err error) {
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
	watch := cache.NewWatch(i.Redis, i.Space)
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
		i.seen(err)
		i.state.Remind()
	}
}

// seen takes in what a look at the beats has shown. What they say is for standBy to judge.
func (i *Invalidator) seen(err error) {
	why, _ := caching.ReasonOf(err)
	i.refused(why == caching.RedisFull, fmt.Sprint(err))
	switch {
	case why == caching.RedisDown:
		i.hinder(why, err.Error())
	case i.role() == standby || why == caching.RedisFull:
	default:
		i.expire(why == caching.NoBeat)
	}
}

// standBy finds out whether the leader that this process stands by for proves anything.
func (i *Invalidator) standBy(ctx context.Context, conn *pgx.Conn) error {
	if time.Since(i.stoodBy) < i.watchEvery() {
		return nil
	}
	i.stoodBy = time.Now()
	ctx, cancel := context.WithTimeout(ctx, i.stepTimeout())
	defer cancel()
	why, detail, err := i.otherLeader(ctx, conn)
	switch {
	case err != nil:
		return err
	case why == caching.OK:
		i.followed()
	default:
		i.hinder(why, detail)
		i.expire(true)
	}
	return nil
}

// otherLeader says why the proofs of the process that has the leader lock are of no use to
// this deployment, or that they are.
func (i *Invalidator) otherLeader(ctx context.Context, conn *pgx.Conn) (why caching.Reason, detail string, err error) {
	beats, err := cache.NewWatch(i.Redis, i.Space).Beats(ctx)
	if why, found := caching.ReasonOf(err); found && why != caching.NoBeat {
		return why, err.Error(), nil
	}
	for _, beat := range beats {
		if why, detail := i.disagrees(&beat, i.database); why != caching.OK {
			return why, detail, nil
		}
	}
	if err != nil {
		return i.otherPrefix(ctx, conn)
	}
	return caching.OK, "", nil
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
func (i *Invalidator) disagrees(beat *cache.Beat, database string) (caching.Reason, string) {
	switch {
	case beat.Database != database:
		return caching.OtherDeployment, fmt.Sprintf("under the prefix %q stand proofs of another database", i.Space.Prefix)
	case beat.Partitions != i.Space.Partitions:
		return caching.OtherDeployment, fmt.Sprintf("REDIS_PARTITIONS is %d here, %d for the leader", i.Space.Partitions, beat.Partitions)
	case beat.Bound != i.Bound:
		return caching.Bound, fmt.Sprintf("STALENESS_BOUND is %v here, %v for the leader", i.Bound, beat.Bound)
	}
	return caching.OK, ""
}

// otherPrefix tells a leader that works under other settings from one that proves nothing.
// The marker says what it works under.
func (i *Invalidator) otherPrefix(ctx context.Context, conn *pgx.Conn) (caching.Reason, string, error) {
	const query = `select to_jsonb(m) ->> 'agreed' from freshlist.properties_marker as m order by revision desc limit 1`
	var agreed *string
	err := conn.QueryRow(ctx, query).Scan(&agreed)
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows), errors.As(err, &pg):
	case err != nil:
		return caching.OK, "", fmt.Errorf("read what the leader works under: %w", err)
	case agreed != nil && *agreed != "" && *agreed != i.agreed():
		why, detail := contrast(*agreed, i.agreed())
		return why, detail, nil
	}
	return caching.OtherLeader, "another process has the leader lock of this database", nil
}

// contrast says in what another deployment that leads on this database differs, by the
// spellings of what each has agreed on.
func contrast(there, here string) (caching.Reason, string) {
	why := caching.Bound
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
			why = caching.OtherDeployment
		}
		differ = append(differ, fmt.Sprintf("%s is %s there and %s here", name, values[name], value))
	}
	return why, "another deployment leads on this database: " + strings.Join(differ, ", ")
}

// whoFenced says by whom this process was fenced: a leader of the same database, or one of
// another that shares the prefix.
func (i *Invalidator) whoFenced(ctx context.Context) caching.Reason {
	ctx, cancel := context.WithTimeout(ctx, i.stepTimeout())
	defer cancel()
	beats, _ := cache.NewWatch(i.Redis, i.Space).Beats(ctx)
	if i.database == "" {
		return caching.OtherLeader
	}
	for _, beat := range beats {
		if beat.Database != i.database {
			return caching.OtherDeployment
		}
	}
	return caching.OtherLeader
}
