// Package feed reads what the capture triggers have written: every committed
// change of the listings, each exactly once after the stored position, in an order
// that loses none.
//
// Sequence numbers and timestamps lose rows, because transactions do not commit in
// the order in which they number their rows. The position is a pg_snapshot instead:
// new is what a later snapshot sees and this one did not. That is exact, and a long
// transaction holds nothing back. The idea is PgQ's (Marko Kreen, Skype, 2007:
// its batches are the difference of two snapshots).
//
// The position stands with the epoch and the leader's term in one row of an unlogged
// table, the marker. Whatever loses committed changes (a crash, a failover, a
// restore) empties that table too, and so is noticed.
package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// Errors that mean something to the caller; others are the database's.
var (
	// ErrMarker: the marker is missing, or of another epoch. A new epoch is due.
	ErrMarker = errors.New("the marker is not of this epoch")
	// ErrTerm: another invalidator has taken over.
	ErrTerm = errors.New("another term has begun")
	// ErrCatalog: the table or its triggers are not what they were when they were looked
	// at. Changes may have gone by unseen.
	ErrCatalog = errors.New("the catalog has changed")
	// ErrUncaptured: a transaction has ended whose changes may have been lost. A new epoch is due.
	ErrUncaptured = errors.New("a transaction from before the epoch, with changes that may have been lost, has ended")
)

// Position is how far the cache has come.
type Position struct {
	Epoch      string
	Term       int64
	Snapshot   string             // pg_snapshot: what it sees has been applied
	Catalog    string             // fingerprint of the table and its triggers when the epoch began
	Agreed     string             // the settings in which all processes must agree
	Uncaptured []uint64           // transactions in progress whose changes may have been lost
	Fences     []rediscache.Fence // what Redis held of each partition when the position was stored
}

// Takeover raises the stored term by one and returns the stored position under the
// new term. found is false if there is no marker, one that another cluster or database
// wrote, or one from before a term that is known: PostgreSQL has gone back.
func Takeover(ctx context.Context, conn *pgx.Conn, known int64) (at Position, found bool, err error) {
	const query = `
		update freshlist.properties_marker set revision = revision + 1, term = term + 1
		where revision = (select max(revision) from freshlist.properties_marker)
		  and term >= $1
		  and system_identifier = (select system_identifier from pg_control_system())
		  and database_oid = (select oid from pg_database where datname = current_database())
		returning epoch, term, position::text, catalog, agreed, uncaptured, fence_terms, fence_seqs, fence_batches`
	var terms, seqs, batches []int64
	err = conn.QueryRow(ctx, query, known).
		Scan(&at.Epoch, &at.Term, &at.Snapshot, &at.Catalog, &at.Agreed, &at.Uncaptured, &terms, &seqs, &batches)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Position{}, false, nil
	case err != nil:
		return Position{}, false, fmt.Errorf("take over the marker: %w", err)
	case len(seqs) != len(terms) || len(batches) != len(terms):
		return Position{}, false, nil
	}
	for p := range terms {
		at.Fences = append(at.Fences, rediscache.Fence{Term: terms[p], Seq: seqs[p], Batch: batches[p]})
	}
	return at, true, nil
}

// wholeXid spells the whole of the identifier of a transaction of which a view of the
// catalog has the lower half; the upper is that of the nearest to the present. (A snapshot's
// list has only those older than the latest that has ended.)
func wholeXid(lower string) string {
	return "(present + (" + lower + "::text::bigint - present % two32 + two32 + two32 / 2) % two32 - two32 / 2)"
}

// presentXid is what wholeXid counts from.
const presentXid = `(
	select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as present, 4294967296 as two32
) as now`

// Prepared returns the transactions of this database that are prepared for two-phase
// commit. It must be asked before the statement that begins an epoch: then each of them
// either has ended in that statement's snapshot, or is in the list.
func Prepared(ctx context.Context, conn *pgx.Conn) (xids []uint64, err error) {
	query := `
		select array(
			select ` + wholeXid("transaction") + `::text::xid8
			from pg_prepared_xacts, ` + presentXid + `
			where database = current_database())`
	if err := conn.QueryRow(ctx, query).Scan(&xids); err != nil {
		return nil, fmt.Errorf("list the prepared transactions: %w", err)
	}
	return xids, nil
}

// Writing returns the transactions in progress, prepared ones too, that have written to the
// table. Asked after capture was found in order, and before the statement that begins an
// epoch of that very catalog, they are all those of which a statement may have gone by unseen:
// what was wrong with capture may have come and gone without waiting for them, as a schema
// that is renamed for a while does.
func Writing(ctx context.Context, conn *pgx.Conn) (xids []uint64, err error) {
	// Whoever writes holds the lock of the table and that of his identifier to his end. Those
	// of subtransactions, which no snapshot lists, are later than his own.
	query := `
		select array(
			select min(` + wholeXid("own.transactionid") + `)::text::xid8
			from pg_locks as own, pg_locks as written, ` + presentXid + `
			where own.locktype = 'transactionid' and own.mode = 'ExclusiveLock' and own.granted
			  and written.locktype = 'relation' and written.mode = 'RowExclusiveLock' and written.granted
			  and written.database = (select oid from pg_database where datname = current_database())
			  and written.relation = to_regclass('public.properties')
			  and own.virtualtransaction = written.virtualtransaction
			group by own.virtualtransaction)`
	if err := conn.QueryRow(ctx, query).Scan(&xids); err != nil {
		return nil, fmt.Errorf("list the transactions that have written: %w", err)
	}
	return xids, nil
}

// EpochStart is what a new epoch begins with.
type EpochStart struct {
	Epoch      string
	Term       int64
	Partitions int
	Agreed     string
	Catalog    string   // the fingerprint that has been looked at and found in order
	Uncaptured []uint64 // those that have ended by then are left out
}

// NewEpoch writes the marker of a new epoch, whose position is the present. One statement,
// and so one snapshot, gives the position, compares the catalog and tells which of the
// transactions in Uncaptured are still in progress. It returns ErrCatalog if the catalog is not the one that was looked at,
// and ErrTerm if a later term has begun.
func NewEpoch(ctx context.Context, conn *pgx.Conn, b EpochStart) (Position, error) {
	const query = `
		with ours as materialized (
			select s.system_identifier, d.oid as database_oid, array_fill(0::bigint, array[$3::integer]) as zeros,
				coalesce(freshlist.properties_catalog(), '') as catalog, pg_current_snapshot() as present,
				array(select x from unnest($6::xid8[]) as x where not pg_visible_in_snapshot(x, pg_current_snapshot())) as uncaptured
			from pg_control_system() as s, pg_database as d
			where d.datname = current_database()
		), next as (
			select coalesce(max(revision), 0) + 1 as revision from freshlist.properties_marker
		), renewed as (
			update freshlist.properties_marker as m
			set revision = n.revision, epoch = $1, term = $2, system_identifier = o.system_identifier, database_oid = o.database_oid,
				position = o.present, catalog = o.catalog, agreed = $4, uncaptured = o.uncaptured,
				fence_terms = o.zeros, fence_seqs = o.zeros, fence_batches = o.zeros
			from ours as o, next as n
			where m.revision = n.revision - 1 and o.catalog = $5
			  and (m.term <= $2 or (m.system_identifier, m.database_oid) <> (o.system_identifier, o.database_oid))
			returning true
		), made as (
			insert into freshlist.properties_marker (revision, epoch, term, system_identifier, database_oid,
				position, catalog, agreed, uncaptured, fence_terms, fence_seqs, fence_batches)
			select n.revision, $1, $2, o.system_identifier, o.database_oid,
				o.present, o.catalog, $4, o.uncaptured, o.zeros, o.zeros, o.zeros
			from ours as o, next as n
			where n.revision = 1 and o.catalog = $5
			returning true
		)
		select o.catalog = $5, exists (select from renewed) or exists (select from made), o.present::text, o.uncaptured
		from ours as o`
	at := Position{Epoch: b.Epoch, Term: b.Term, Catalog: b.Catalog, Agreed: b.Agreed, Fences: make([]rediscache.Fence, b.Partitions)}
	uncaptured := b.Uncaptured
	if uncaptured == nil {
		uncaptured = []uint64{}
	}
	var same, written bool
	err := conn.QueryRow(ctx, query, b.Epoch, b.Term, b.Partitions, b.Agreed, b.Catalog, uncaptured).
		Scan(&same, &written, &at.Snapshot, &at.Uncaptured)
	switch {
	case err != nil:
	case !same:
		err = ErrCatalog
	case !written:
		err = ErrTerm
	}
	if err != nil {
		return Position{}, fmt.Errorf("begin epoch: %w", err)
	}
	return at, nil
}

// Fingerprint returns the catalog's fingerprint alone.
func Fingerprint(ctx context.Context, conn *pgx.Conn) (catalog string, err error) {
	err = conn.QueryRow(ctx, "select coalesce(freshlist.properties_catalog(), '')").Scan(&catalog)
	if err != nil {
		return "", fmt.Errorf("read the catalog's fingerprint: %w", err)
	}
	return catalog, nil
}

// Fault is what is wrong with capture.
type Fault struct {
	Why  cachestate.Reason // OK: nothing is
	Said string            // what it is, "" if nothing is
}

// CheckCapture returns the fingerprint of the table and its triggers, and what is wrong
// with them.
func CheckCapture(ctx context.Context, conn *pgx.Conn) (catalog string, fault Fault, err error) {
	const query = `
		select coalesce(freshlist.properties_catalog(), ''), freshlist.properties_fault(), to_regclass('public.properties') is not null`
	var table bool
	err = conn.QueryRow(ctx, query).Scan(&catalog, &fault.Said, &table)
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case pgerrcode.InvalidSchemaName, pgerrcode.UndefinedFunction, pgerrcode.UndefinedTable:
			return "", Fault{cachestate.NotInstalled, "the triggers are not installed"}, nil
		case pgerrcode.InsufficientPrivilege:
			return "", Fault{cachestate.NoRights, "this role has no rights in the schema freshlist"}, nil
		}
	}
	if err != nil {
		return "", Fault{}, fmt.Errorf("read the state of capture: %w", err)
	}
	switch {
	case fault.Said == "":
	case !table:
		fault.Why = cachestate.NotInstalled
	default:
		fault.Why = cachestate.Capture
	}
	return catalog, fault, nil
}

// Repair has the triggers of capture that are enabled, but not always, enabled always, and
// returns what it did, "" if nothing needed that or could be done now. That is what is left by
// a bulk load that disabled triggers and enabled them again. A trigger that is disabled is left
// alone.
func Repair(ctx context.Context, conn *pgx.Conn) (did string, err error) {
	err = conn.QueryRow(ctx, "select freshlist.properties_repair()").Scan(&did)
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case pgerrcode.LockNotAvailable, pgerrcode.QueryCanceled, pgerrcode.DeadlockDetected, // not now
			pgerrcode.UndefinedFunction, pgerrcode.InvalidSchemaName, pgerrcode.InsufficientPrivilege: // the fault says it
			return "", nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("repair the triggers: %w", err)
	}
	return did, nil
}
