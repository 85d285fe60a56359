package feed

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// Batch is what one drain read, all in one snapshot.
type Batch struct {
	Snapshot string // sees everything that the batch holds
	Catalog  string // present fingerprint, if it was asked for
	Changes  []match.Change
	Xids     []uint64 // the transactions whose changes were read, in no order
}

// InProgress returns how many transactions had begun to write, anywhere on the server, and
// not ended when the batch was read; of those that began after the latest to end had
// begun, the snapshot knows nothing.
func (b *Batch) InProgress() int {
	list := b.Snapshot[strings.LastIndexByte(b.Snapshot, ':')+1:] // xmin:xmax:xid,xid,...
	if list == "" {
		return 0
	}
	return 1 + strings.Count(list, ",")
}

// Drain returns the changes after a position, at most most of them: if there are
// more it returns ErrMany, and DrainAll is the one to use. With catalog it reads
// the state of capture in the same snapshot.
//
// It takes one round trip. With nothing new it reads a handful of index pages,
// however long ago the oldest transaction began and however much it has written.
func Drain(ctx context.Context, conn *pgx.Conn, after Position, most int, catalog bool) (*Batch, error) {
	batch, rows, err := open(ctx, conn, after, most+1, catalog)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var xids []uint64
	if batch.Changes, xids, err = decodeChanges(rows, 0); err != nil {
		return nil, fmt.Errorf("drain: %w", err)
	}
	if len(xids) > most {
		return nil, ErrMany
	}
	batch.Xids = distinct(nil, xids)
	return batch, nil
}

// What a large backlog is read by, and from which size on it is not read at all
// but taken for a change of the whole table.
const (
	ChunkRows    = 5000
	CollapseRows = 2_000_000
)

// DrainAll hands the changes after a position to see, ChunkRows at a time, so that
// memory is bounded; the batch that it returns has no Changes, and Xids only if
// see was given all of them. All are of one snapshot. A backlog of more than
// CollapseRows is one change of the whole table.
func DrainAll(ctx context.Context, conn *pgx.Conn, after Position, catalog bool, see func([]match.Change) error) (*Batch, error) {
	return drainAll(ctx, conn, after, catalog, CollapseRows, see)
}

func drainAll(ctx context.Context, conn *pgx.Conn, after Position, catalog bool, collapse int, see func([]match.Change) error) (*Batch, error) {
	backlog, err := count(ctx, conn, after, collapse+1)
	if err != nil {
		return nil, err
	}
	limit := everything
	if backlog > collapse {
		limit = 0
	}
	batch, rows, err := open(ctx, conn, after, limit, catalog)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if limit == 0 {
		return batch, see([]match.Change{{Kind: match.WholeTable}})
	}
	for {
		changes, xids, err := decodeChanges(rows, ChunkRows)
		if err != nil {
			return nil, fmt.Errorf("drain: %w", err)
		}
		if len(changes) == 0 {
			return batch, nil
		}
		batch.Xids = distinct(batch.Xids, xids)
		if err := see(changes); err != nil {
			return nil, err
		}
	}
}

// everything is the limit that does not limit.
const everything = 1 << 62

// drainQuery reads the marker, the state of capture ($3) and at most $2 changes, all in
// one snapshot: a row about everything, then the changes.
const drainQuery = `
	select
		array[pg_current_snapshot()::text, m.epoch, m.term::text, case when $3 then freshlist.properties_catalog() end] as head,
		null::xid8 as xid, null::bytea as old_row, null::bytea as new_row, null::boolean as description_changed, null::text as sets
	from (select) as one
	left join (select epoch, term from freshlist.properties_marker order by revision desc limit 1) as m on true
	union all
	(select null, ` + changeColumns + ` from (` + changesAfter + `) as changes limit $2)`

// changesAfter selects what is visible now and was not in snapshot $1, by two index
// scans: what began after that snapshot, and what it saw in progress. The present
// snapshot bounds both, so that an open transaction is met once and then passed over,
// whatever it has written. ("xid >= pg_snapshot_xmin and not visible in $1" would read
// everything since the oldest open transaction.)
const changesAfter = `
	select * from freshlist.properties_changes
	where xid >= pg_snapshot_xmax($1::pg_snapshot) and xid < pg_snapshot_xmax(pg_current_snapshot())
	union all
	select * from freshlist.properties_changes
	where xid = any(array(
		select x from pg_snapshot_xip($1::pg_snapshot) as x where pg_visible_in_snapshot(x, pg_current_snapshot())))`

// open begins a drain and checks that the marker is still the caller's. The rows that
// it leaves to be read are those of the changes.
func open(ctx context.Context, conn *pgx.Conn, after Position, limit int, catalog bool) (*Batch, pgx.Rows, error) {
	if err := settle(ctx, conn); err != nil {
		return nil, nil, err
	}
	rows, err := conn.Query(ctx, drainQuery, after.Snapshot, limit, catalog)
	if err != nil {
		return nil, nil, fmt.Errorf("drain: %w", err)
	}
	batch, err := readHead(rows, after)
	if err != nil {
		rows.Close()
		return nil, nil, fmt.Errorf("drain: %w", err)
	}
	return batch, rows, nil
}

// readHead reads the first row of a drain, which is about all the others.
func readHead(rows pgx.Rows, after Position) (*Batch, error) {
	if !rows.Next() {
		return nil, rows.Err()
	}
	var head [4]*string // snapshot, the marker's epoch and term, catalog
	heads := head[:]
	if err := rows.Scan(&heads, nil, nil, nil, nil, nil); err != nil {
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
	return batch, nil
}

// count counts the changes after a position, up to limit.
func count(ctx context.Context, conn *pgx.Conn, after Position, limit int) (rows int, err error) {
	if err := settle(ctx, conn); err != nil {
		return 0, err
	}
	const query = `select count(*) from (select from (` + changesAfter + `) as changes limit $2) as seen`
	if err := conn.QueryRow(ctx, query, after.Snapshot, limit).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count the backlog: %w", err)
	}
	return rows, nil
}

// settled is the key under which a connection remembers that it has been settled.
const settled = "freshlist feed is settled"

// settle tells the planner, once for a connection, what no statistics of a table that
// is empty most of the time can tell it: always go by the index, and keep the plan. A
// sequential scan would read all the dead rows that an open transaction keeps.
func settle(ctx context.Context, conn *pgx.Conn) error {
	if conn.PgConn().CustomData()[settled] != nil {
		return nil
	}
	const query = `
		set enable_seqscan = off; set enable_bitmapscan = off; set max_parallel_workers_per_gather = 0;
		set plan_cache_mode = force_generic_plan; set jit = off`
	if _, err := conn.Exec(ctx, query); err != nil {
		return fmt.Errorf("settle the connection's plans: %w", err)
	}
	conn.PgConn().CustomData()[settled] = true
	return nil
}

// distinct adds xids to a list, leaving out runs of the same: a statement's rows
// come together.
func distinct(list, xids []uint64) []uint64 {
	for _, xid := range xids {
		if n := len(list); n == 0 || list[n-1] != xid {
			list = append(list, xid)
		}
	}
	return list
}
