package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/lsn"
	"github.com/freshlist/freshlist/internal/pgsnapshot"
)

// Batch is what one drain read of all tables, all in one snapshot.
type Batch struct {
	Snapshot string  // sees everything that the batch holds
	End      lsn.LSN // where PostgreSQL's log ended afterwards: a standby that has replayed so much sees all that Snapshot sees
	Catalog  string  // present fingerprint, if it was asked for
	Ringing  bool    // somebody held or awaited the lock that each NOTIFY takes, if the catalog was asked for
	Changes  []match.Change
	Xids     []uint64 // the transactions whose changes were read, in no order
	More     bool     // the limits were reached: there may be more that Snapshot sees

	places  []pgtype.TID // of the rows that were read
	numbers []int32      // of the tables that they are changes of
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

// Limits bound what one drain reads of each table.
type Limits struct {
	Rows  int
	Bytes int // as they are stored, which may be compressed; one row is read however large
}

// Drain returns the changes after a position, as many as the limits allow. If that is not
// all, More is set; then what was read is to be applied and handed to Consume, and the next
// drain from the same position finds others. Only a batch without More has a snapshot that
// may become the position. With catalog it reads the state of capture in the same snapshot.
//
// It takes one round trip. With nothing new it reads a handful of index pages of each table,
// however long ago the oldest transaction began and however much it has written.
func (f *Feed) Drain(ctx context.Context, conn *pgx.Conn, after Position, most Limits, catalog bool) (*Batch, error) {
	if err := forceIndexPlans(ctx, conn); err != nil {
		return nil, err
	}
	batch, err := f.read(ctx, conn, after, most, catalog)
	if err != nil {
		return nil, fmt.Errorf("drain: %w", f.explain(ctx, conn, err))
	}
	return batch, nil
}

func (f *Feed) read(ctx context.Context, conn *pgx.Conn, after Position, most Limits, catalog bool) (*Batch, error) {
	rows, err := conn.Query(ctx, f.drain, after.Snapshot, most.Rows, catalog, most.Bytes)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	batch, err := readHead(rows, after)
	if err != nil {
		return nil, err
	}
	return batch, f.readChanges(rows, most, batch)
}

// explain returns ErrDescription for an error that says that a table of changes is missing, if
// that is since the table is not described any more.
func (f *Feed) explain(ctx context.Context, conn *pgx.Conn, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != pgerrcode.UndefinedTable {
		return err
	}
	var stored string
	if conn.QueryRow(ctx, "select "+storedIdentity).Scan(&stored) == nil && stored != "" && stored != f.Site.Identity {
		return ErrDescription
	}
	return err
}

// drainStatement reads the marker, the state of capture ($3) and, of each table, at most $2
// changes and about as many as are stored in $4 bytes, all in one snapshot: a row about
// everything, then the changes. The sizes are those of what is stored: to know how large it is
// spelled out would mean to read it all, each time.
//
// Rows come in PostgreSQL's own binary form, which is exact and cheap on both sides; envelopes
// are rare, and what they say in texts comes as JSON.
func (f *Feed) drainStatement() string {
	var s strings.Builder
	s.WriteString(`
	select
		array[pg_current_snapshot()::text, m.epoch, m.term::text, m.description,
			case when $3 then ` + storedIdentity + ` end, case when $3 then freshlist.catalog() end,
			case when $3 then (` + ringing + `)::text end, pg_current_wal_insert_lsn()::text] as head,
		null::integer as number, null::xid8 as xid, null::bytea as old_row, null::bytea as new_row, null::bigint as changed,
		null::text as sets, null::tid as place, null::bigint as size
	from (select) as one
	left join (select epoch, term, description from freshlist.marker order by revision desc limit 1) as m on true`)
	for i := range f.tables {
		fmt.Fprintf(&s, `
	union all
	(select null, %d, xid, record_send(old_row), record_send(new_row), changed, to_json(sets)::text, place, size from (
		select *, sum(size) over (rows unbounded preceding) - size as before
		from (
			select *, (coalesce(pg_column_size(old_row), 0) + coalesce(pg_column_size(new_row), 0))::bigint as size
			from (%s) as changes limit $2
		) as sized
	) as counted where before < $4)`, i, changesAfter(f.tables[i].changes, "*, ctid as place"))
	}
	return s.String()
}

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
func changesAfter(changes, columns string) string {
	return `
	select ` + columns + ` from ` + changes + `
	where xid >= pg_snapshot_xmax($1::pg_snapshot) and xid < pg_snapshot_xmax(pg_current_snapshot())
	union all
	select ` + columns + ` from ` + changes + `
	where xid = any(array(
		select x from pg_snapshot_xip($1::pg_snapshot) as x where pg_visible_in_snapshot(x, pg_current_snapshot())))`
}

// readHead reads the first row of a drain, which is about all the others.
func readHead(rows pgx.Rows, after Position) (*Batch, error) {
	if !rows.Next() {
		return nil, rows.Err()
	}
	// The snapshot; the marker's epoch, term and description; the stored description's
	// identity; the catalog; ringing; the end of the log, which is asked for when the snapshot has been taken.
	var head [8]*string
	heads := head[:]
	if err := rows.Scan(&heads, nil, nil, nil, nil, nil, nil, nil, nil); err != nil {
		return nil, err
	}
	epoch, term, description, stored, catalog := heads[1], heads[2], heads[3], heads[4], heads[5]
	switch {
	case epoch == nil || *epoch != after.Epoch:
		return nil, ErrMarker
	case *term != strconv.FormatInt(after.Term, 10):
		return nil, ErrTerm
	case *description != after.Description, stored != nil && *stored != after.Description:
		return nil, ErrDescription
	}
	end, err := lsn.Parse(*heads[7])
	if err != nil {
		return nil, fmt.Errorf("read the end of the log: %w", err)
	}
	batch := &Batch{Snapshot: *heads[0], End: end}
	if catalog != nil {
		batch.Catalog = *catalog
	}
	batch.Ringing = heads[6] != nil && *heads[6] == "true"
	return batch, nil
}

// readChanges reads the other rows of a drain.
func (f *Feed) readChanges(rows pgx.Rows, most Limits, batch *Batch) error {
	read := make([]Limits, len(f.tables))
	for rows.Next() {
		var head []string // NULL but in the first row, which has been read
		var number int32
		var c captured
		var place pgtype.TID
		var size int
		if err := rows.Scan(&head, &number, &c.xid, &c.before, &c.after, &c.changed, &c.sets, &place, &size); err != nil {
			return fmt.Errorf("read a change: %w", err)
		}
		batch.Changes = f.tables[number].appendAnyChange(batch.Changes, &c)
		if n := len(batch.Xids); n == 0 || batch.Xids[n-1] != c.xid { // a statement's rows come together
			batch.Xids = append(batch.Xids, c.xid)
		}
		batch.places, batch.numbers = append(batch.places, place), append(batch.numbers, number)
		read[number].Rows++
		read[number].Bytes += size
		batch.More = batch.More || read[number].Rows >= most.Rows || read[number].Bytes >= most.Bytes
	}
	return rows.Err()
}

// Count counts the changes after a position, up to limit.
func (f *Feed) Count(ctx context.Context, conn *pgx.Conn, after Position, limit int) (rows int, err error) {
	if err := forceIndexPlans(ctx, conn); err != nil {
		return 0, err
	}
	if err := conn.QueryRow(ctx, f.count, after.Snapshot, limit).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count the backlog: %w", f.explain(ctx, conn, err))
	}
	return rows, nil
}

func (f *Feed) countStatement() string {
	var all []string
	for i := range f.tables {
		all = append(all, changesAfter(f.tables[i].changes, "1"))
	}
	return `select count(*) from (select from (` + strings.Join(all, " union all ") + `) as changes limit $2) as seen`
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
