package feed

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/pgsnapshot"
)

// Batch is what one drain read, all in one snapshot.
type Batch struct {
	Snapshot string // sees everything that the batch holds
	Catalog  string // present fingerprint, if it was asked for
	Ringing  bool   // somebody held or awaited the lock that each NOTIFY takes, if the catalog was asked for
	Changes  []match.Change
	Xids     []uint64 // the transactions whose changes were read, in no order
	More     bool     // the limits were reached: there may be more that Snapshot sees

	places []pgtype.TID // of the rows that were read
}

// InProgress returns how many transactions had begun to write, anywhere on the server, and
// not ended when the batch was read; of those that began after the latest to end had
// begun, the snapshot knows nothing.
func (b *Batch) InProgress() int { return len(b.snapshot().Running) }

// Ended reports whether one of some transactions, all of which began before the batch was
// read, had ended by then.
func (b *Batch) Ended(xids []uint64) bool { return slices.ContainsFunc(xids, b.snapshot().Sees) }

// snapshot parses Snapshot, which PostgreSQL has written.
func (b *Batch) snapshot() pgsnapshot.Snapshot {
	s, _ := pgsnapshot.Parse(b.Snapshot) // an unreadable one sees nothing
	return s
}

// Limits bound what one drain reads.
type Limits struct {
	Rows  int
	Bytes int // as they are stored, which may be compressed; one row is read however large
}

// Drain returns the changes after a position, as many as the limits allow. If that is not
// all, More is set; then what was read is to be applied and handed to Consume, and the next
// drain from the same position finds others. Only a batch without More has a snapshot that
// may become the position. With catalog it reads the state of capture in the same snapshot.
//
// It takes one round trip. With nothing new it reads a handful of index pages,
// however long ago the oldest transaction began and however much it has written.
func Drain(ctx context.Context, conn *pgx.Conn, after Position, most Limits, catalog bool) (*Batch, error) {
	if err := forceIndexPlans(ctx, conn); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, drainQuery, after.Snapshot, most.Rows, catalog, most.Bytes)
	if err != nil {
		return nil, fmt.Errorf("drain: %w", err)
	}
	defer rows.Close()
	batch, err := readHead(rows, after)
	if err != nil {
		return nil, fmt.Errorf("drain: %w", err)
	}
	changes, read, err := decodeChanges(rows)
	if err != nil {
		return nil, fmt.Errorf("drain: %w", err)
	}
	batch.Changes, batch.Xids, batch.places = changes, read.xids, read.places
	batch.More = len(read.places) >= most.Rows || read.bytes >= int64(most.Bytes)
	return batch, nil
}

// readRows is what is read of the rows of changes besides the changes.
type readRows struct {
	xids   []uint64 // without runs of the same: a statement's rows come together
	places []pgtype.TID
	bytes  int64
}

func (r *readRows) add(xid uint64, place pgtype.TID, size int64) {
	if n := len(r.xids); n == 0 || r.xids[n-1] != xid {
		r.xids = append(r.xids, xid)
	}
	r.places = append(r.places, place)
	r.bytes += size
}

// drainQuery reads the marker, the state of capture ($3) and the changes, at most $2 and about
// as many as are stored in $4 bytes, all in one snapshot: a row about everything, then the
// changes. The sizes are those of what is stored: to know how large it is spelled out would
// mean to read it all, each time.
const drainQuery = `
	select
		array[pg_current_snapshot()::text, m.epoch, m.term::text, case when $3 then freshlist.properties_catalog() end,
			case when $3 then (` + ringing + `)::text end] as head,
		null::xid8 as xid, null::bytea as old_row, null::bytea as new_row, null::boolean as description_changed, null::text as sets,
		null::tid as place, null::bigint as size
	from (select) as one
	left join (select epoch, term from freshlist.properties_marker order by revision desc limit 1) as m on true
	union all
	(select null, ` + changeColumns + `, place, size from (
		select *, sum(size) over (rows unbounded preceding) - size as before
		from (
			select *, (coalesce(pg_column_size(old_row), 0) + coalesce(pg_column_size(new_row), 0))::bigint as size
			from (` + changesAfter + `) as changes limit $2
		) as sized
	) as counted where before < $4)`

// ringing looks for the lock of the whole cluster that a transaction which has notified
// takes when it commits, and keeps until that has ended.
const ringing = `
	select exists (
		select from pg_locks
		where locktype = 'object' and database = 0 and classid = 'pg_catalog.pg_database'::regclass and objid = 0)`

// changesAfter selects what is visible now and was not in snapshot $1, by two index
// scans: what began after that snapshot, and what it saw in progress. The present
// snapshot bounds both, so that an open transaction is met once and then passed over,
// whatever it has written. ("xid >= pg_snapshot_xmin and not visible in $1" would read
// everything since the oldest open transaction.)
const changesAfter = `
	select *, ctid as place from freshlist.properties_changes
	where xid >= pg_snapshot_xmax($1::pg_snapshot) and xid < pg_snapshot_xmax(pg_current_snapshot())
	union all
	select *, ctid as place from freshlist.properties_changes
	where xid = any(array(
		select x from pg_snapshot_xip($1::pg_snapshot) as x where pg_visible_in_snapshot(x, pg_current_snapshot())))`

// readHead reads the first row of a drain, which is about all the others.
func readHead(rows pgx.Rows, after Position) (*Batch, error) {
	if !rows.Next() {
		return nil, rows.Err()
	}
	var head [5]*string // snapshot, the marker's epoch and term, catalog, ringing
	heads := head[:]
	if err := rows.Scan(&heads, nil, nil, nil, nil, nil, nil, nil); err != nil {
		return nil, err
	}
	epoch, term := heads[1], heads[2]
	switch {
	case epoch == nil || *epoch != after.Epoch:
		return nil, ErrMarker
	case *term != strconv.FormatInt(after.Term, 10):
		return nil, ErrTerm
	}
	batch := &Batch{Snapshot: *heads[0]}
	if heads[3] != nil {
		batch.Catalog = *heads[3]
	}
	batch.Ringing = heads[4] != nil && *heads[4] == "true"
	return batch, nil
}

// Count counts the changes after a position, up to limit.
func Count(ctx context.Context, conn *pgx.Conn, after Position, limit int) (rows int, err error) {
	if err := forceIndexPlans(ctx, conn); err != nil {
		return 0, err
	}
	const query = `select count(*) from (select from (` + changesAfter + `) as changes limit $2) as seen`
	if err := conn.QueryRow(ctx, query, after.Snapshot, limit).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count the backlog: %w", err)
	}
	return rows, nil
}

// indexPlansForced is the key of a connection whose plans have been set.
const indexPlansForced = "freshlist feed forces index plans"

// forceIndexPlans makes the planner use the index and keep its plan, once for a connection.
// The statistics of a table that is empty most of the time mislead it. A sequential scan
// would read all dead rows that an open transaction keeps.
func forceIndexPlans(ctx context.Context, conn *pgx.Conn) error {
	if conn.PgConn().CustomData()[indexPlansForced] != nil {
		return nil
	}
	const query = `
		set enable_seqscan = off; set enable_bitmapscan = off; set max_parallel_workers_per_gather = 0;
		set plan_cache_mode = force_generic_plan; set jit = off`
	if _, err := conn.Exec(ctx, query); err != nil {
		return fmt.Errorf("set how the connection plans: %w", err)
	}
	conn.PgConn().CustomData()[indexPlansForced] = true
	return nil
}
