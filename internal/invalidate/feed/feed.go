// Package feed reads what the capture triggers have written: every committed
// change of the described tables, each exactly once after the stored position, in an
// order that loses none.
//
// Sequence numbers and timestamps lose rows, because transactions do not commit in
// the order in which they number their rows. The position is a pg_snapshot instead:
// new is what a later snapshot sees and this one did not. That is exact, and a long
// transaction holds nothing back. The idea is PgQ's (Marko Kreen, Skype, 2007:
// its batches are the difference of two snapshots).
//
// The position stands with the epoch and the leader's term in one row of an unlogged
// table, the marker. Whatever loses committed changes (a crash, a failover, a
// restore) empties that table too, and so is noticed. There is one marker, and so one
// position, for all tables.
//
// An epoch belongs to one description of the tables: the marker names it, and it is
// compared with the stored one in the statements that read and write the marker.
package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// Feed reads the changes of the tables of one description.
type Feed struct {
	Site   *listing.Site
	tables []table // by their numbers in the site

	drain, count, advance, consume string // statements
}

// table is a described table and what is captured of it.
type table struct {
	*listing.Table
	changes string          // the table of its changes, in SQL
	columns []int           // those of the image, in its order
	bounded listing.Columns // those of which an envelope has the least and the greatest value
}

// New returns the feed of a site's tables.
func New(site *listing.Site) *Feed {
	f := &Feed{Site: site}
	for _, t := range site.Tables {
		captured := table{Table: t, changes: pgx.Identifier{"freshlist", t.Name + "_changes"}.Sanitize(), columns: t.Image()}
		for _, c := range captured.columns {
			if form := t.Columns[c].Form; form.InNumber() && form != listing.Truth { // PostgreSQL 15 has no min() of the others
				captured.bounded |= listing.ColumnSet(c)
			}
		}
		f.tables = append(f.tables, captured)
	}
	f.drain, f.count, f.advance, f.consume = f.drainStatement(), f.countStatement(), f.advanceStatement(), f.consumeStatement()
	return f
}

// Errors that mean something to the caller; others are the database's.
var (
	// ErrMarker: the marker is missing, or of another epoch. A new epoch is due.
	ErrMarker = errors.New("the marker is not of this epoch")
	// ErrDescription: another description of the tables has been installed. A new epoch is due.
	ErrDescription = errors.New("another description of the tables has been installed")
	// ErrTerm: another invalidator has taken over.
	ErrTerm = errors.New("another term has begun")
	// ErrCatalog: the tables or their triggers are not what they were when they were looked
	// at. Changes may have gone by unseen.
	ErrCatalog = errors.New("the catalog has changed")
	// ErrUncaptured: a transaction has ended whose changes may have been lost. A new epoch is due.
	ErrUncaptured = errors.New("a transaction from before the epoch, with changes that may have been lost, has ended")
)

// Part is how far one partition of Redis has come, as PostgreSQL has stored it.
type Part struct {
	Snapshot string // pg_snapshot: what it sees has been applied; "" where nothing is kept
	rediscache.Fence
}

// Position is how far the cache has come.
type Position struct {
	Epoch       string
	Description string // identity of the description that the epoch belongs to
	Term        int64
	Snapshot    string   // pg_snapshot: what it sees has been applied to the partitions in use
	Catalog     string   // fingerprint of the tables and their triggers when the epoch began
	Agreed      string   // the settings in which all processes must agree
	Uncaptured  []uint64 // transactions in progress whose changes may have been lost
	Parts       []Part   // what is stored of each partition
}

// Installed is the description that an installation has stored.
type Installed struct {
	Identity string
	body     string
}

// Site returns the description, ready for use.
func (i Installed) Site() (*listing.Site, error) {
	d, err := description.Decode([]byte(i.body))
	if err == nil && d.Identity() != i.Identity {
		err = fmt.Errorf("its identity is %s, and it is stored as %q", d.Identity(), i.Identity)
	}
	if err != nil {
		err = fmt.Errorf("read the stored description: %w; run invalidator install, of this version", err)
		return nil, cachestate.Wrap(cachestate.NotInstalled, err)
	}
	return listing.NewSite(d), nil
}

// ReadInstalled returns the stored description.
func ReadInstalled(ctx context.Context, conn *pgx.Conn) (installed Installed, err error) {
	const query = "select identity, body from freshlist.description"
	if err := conn.QueryRow(ctx, query).Scan(&installed.Identity, &installed.body); err != nil {
		return Installed{}, fmt.Errorf("read the installed description: %w", err)
	}
	return installed, nil
}

// storedIdentity selects the identity of the stored description, ” if there is none.
const storedIdentity = `coalesce((select identity from freshlist.description limit 1), '')`

// Timeline returns which timeline of PostgreSQL's log the server writes: a promotion begins a later one.
func Timeline(ctx context.Context, conn *pgx.Conn) (timeline int64, err error) {
	const query = "select ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint"
	if err := conn.QueryRow(ctx, query).Scan(&timeline); err != nil {
		return 0, fmt.Errorf("read the timeline: %w", err)
	}
	return timeline, nil
}

// Takeover raises the stored term by one, or to one above least, and returns the stored position under the
// new term; Snapshot, which depends on the partitions that are used, is left out. found is false if there is no marker, one that another cluster or database
// wrote, or one from before a term that is known: PostgreSQL has gone back. In the same
// statement it reads the stored description, whether or not there is a marker.
func Takeover(ctx context.Context, conn *pgx.Conn, known, least int64) (at Position, found bool, installed Installed, err error) {
	const query = `
		with taken as (
			update freshlist.marker set revision = revision + 1, term = greatest(term, $2) + 1
			where revision = (select max(revision) from freshlist.marker)
			  and term >= $1
			  and system_identifier = (select system_identifier from pg_control_system())
			  and database_oid = (select oid from pg_database where datname = current_database())
			returning epoch, description, term, catalog, agreed, uncaptured, generations, positions, fence_terms, fence_seqs, fence_batches
		)
		select d.identity, d.body, t.epoch is not null, coalesce(t.epoch, ''), coalesce(t.description, ''), coalesce(t.term, 0),
			coalesce(t.catalog, ''), coalesce(t.agreed, ''), t.uncaptured,
			t.generations, t.positions::text[], t.fence_terms, t.fence_seqs, t.fence_batches
		from freshlist.description as d left join taken as t on true`
	var parts storedParts
	err = conn.QueryRow(ctx, query, known, least).Scan(&installed.Identity, &installed.body, &found,
		&at.Epoch, &at.Description, &at.Term, &at.Catalog, &at.Agreed, &at.Uncaptured,
		&parts.generations, &parts.positions, &parts.terms, &parts.seqs, &parts.batches)
	if errors.Is(err, pgx.ErrNoRows) {
		err = cachestate.Wrap(cachestate.NotInstalled, errors.New("no description is stored; run invalidator install"))
	}
	if err != nil {
		return Position{}, false, Installed{}, fmt.Errorf("take over the marker: %w", err)
	}
	if at.Parts = parts.parts(); !found || at.Parts == nil {
		return Position{}, false, installed, nil
	}
	return at, true, installed, nil
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

// Writing returns the transactions in progress, prepared ones too, that have written to one of
// the tables. Asked after capture was found in order, and before the statement that begins an
// epoch of that very catalog, they are all those of which a statement may have gone by unseen:
// what was wrong with capture may have come and gone without waiting for them, as a schema
// that is renamed for a while does.
func (f *Feed) Writing(ctx context.Context, conn *pgx.Conn) (xids []uint64, err error) {
	// Whoever writes holds the lock of the table and that of his identifier to his end. Those
	// of subtransactions, which no snapshot lists, are later than his own.
	query := `
		select array(
			select min(` + wholeXid("own.transactionid") + `)::text::xid8
			from pg_locks as own, pg_locks as written, ` + presentXid + `
			where own.locktype = 'transactionid' and own.mode = 'ExclusiveLock' and own.granted
			  and written.locktype = 'relation' and written.mode = 'RowExclusiveLock' and written.granted
			  and written.database = (select oid from pg_database where datname = current_database())
			  and written.relation = any(array(select to_regclass(name)::oid from unnest($1::text[]) as name))
			  and own.virtualtransaction = written.virtualtransaction
			group by own.virtualtransaction)`
	var names []string
	for i := range f.tables {
		relation := f.tables[i].Relation
		names = append(names, pgx.Identifier{relation.Schema, relation.Name}.Sanitize())
	}
	if err := conn.QueryRow(ctx, query, names).Scan(&xids); err != nil {
		return nil, fmt.Errorf("list the transactions that have written: %w", err)
	}
	return xids, nil
}

// EpochStart is what a new epoch begins with.
type EpochStart struct {
	Epoch       string
	Description string // identity of the description by which the queries are matched
	Term        int64
	Generations []string // one for each partition
	Agreed      string
	Catalog     string   // the fingerprint that has been looked at and found in order
	Uncaptured  []uint64 // those that have ended by then are left out
}

// NewEpoch writes the marker of a new epoch, whose position, in all partitions, is the present. One statement,
// and so one snapshot, gives the position, compares the catalog and the stored description, and
// tells which of the transactions in Uncaptured are still in progress. It returns ErrCatalog if
// the catalog is not the one that was looked at, ErrDescription if the stored description
// is another one, and ErrTerm if a later term has begun.
func NewEpoch(ctx context.Context, conn *pgx.Conn, b EpochStart) (Position, error) {
	const query = `
		with ours as materialized (
			select s.system_identifier, d.oid as database_oid, array_fill(0::bigint, array[cardinality($3::text[])]) as zeros,
				array_fill(pg_current_snapshot(), array[cardinality($3::text[])]) as positions,
				coalesce(freshlist.catalog(), '') as catalog, ` + storedIdentity + ` as description, pg_current_snapshot() as present,
				array(select x from unnest($6::xid8[]) as x where not pg_visible_in_snapshot(x, pg_current_snapshot())) as uncaptured
			from pg_control_system() as s, pg_database as d
			where d.datname = current_database()
		), next as (
			select coalesce(max(revision), 0) + 1 as revision from freshlist.marker
		), renewed as (
			update freshlist.marker as m
			set revision = n.revision, epoch = $1, description = o.description, term = $2,
				system_identifier = o.system_identifier, database_oid = o.database_oid,
				catalog = o.catalog, agreed = $4, uncaptured = o.uncaptured, generations = $3, positions = o.positions,
				fence_terms = o.zeros, fence_seqs = o.zeros, fence_batches = o.zeros
			from ours as o, next as n
			where m.revision = n.revision - 1 and o.catalog = $5 and o.description = $7
			  and (m.term <= $2 or (m.system_identifier, m.database_oid) <> (o.system_identifier, o.database_oid))
			returning true
		), made as (
			insert into freshlist.marker (revision, epoch, description, term, system_identifier, database_oid,
				catalog, agreed, uncaptured, generations, positions, fence_terms, fence_seqs, fence_batches)
			select n.revision, $1, o.description, $2, o.system_identifier, o.database_oid,
				o.catalog, $4, o.uncaptured, $3, o.positions, o.zeros, o.zeros, o.zeros
			from ours as o, next as n
			where n.revision = 1 and o.catalog = $5 and o.description = $7
			returning true
		)
		select o.catalog = $5, o.description = $7, exists (select from renewed) or exists (select from made), o.present::text, o.uncaptured
		from ours as o`
	at := Position{
		Epoch: b.Epoch, Description: b.Description, Term: b.Term, Catalog: b.Catalog, Agreed: b.Agreed,
	}
	uncaptured := b.Uncaptured
	if uncaptured == nil {
		uncaptured = []uint64{}
	}
	var looked, described, written bool
	err := conn.QueryRow(ctx, query, b.Epoch, b.Term, b.Generations, b.Agreed, b.Catalog, uncaptured, b.Description).
		Scan(&looked, &described, &written, &at.Snapshot, &at.Uncaptured)
	switch {
	case err != nil:
	case !described:
		err = ErrDescription
	case !looked:
		err = ErrCatalog
	case !written:
		err = ErrTerm
	}
	if err != nil {
		return Position{}, fmt.Errorf("begin epoch: %w", err)
	}
	for _, generation := range b.Generations {
		at.Parts = append(at.Parts, Part{at.Snapshot, rediscache.Fence{Generation: generation}})
	}
	return at, nil
}

// BeginGeneration writes to the marker that a new generation of one partition begins, from the
// present on: the snapshot of that statement is its position. Without a generation, none does:
// nothing of the partition counts, and nothing is kept for it. It returns ErrTerm if another
// term or epoch has begun.
func BeginGeneration(ctx context.Context, conn *pgx.Conn, at Position, partition int, generation string) (Part, error) {
	const query = `
		update freshlist.marker
		set revision = revision + 1, generations[$3] = $4,
			positions[$3] = case when $4 <> '' then pg_current_snapshot() end,
			fence_terms[$3] = 0, fence_seqs[$3] = 0, fence_batches[$3] = 0
		where revision = (select max(revision) from freshlist.marker) and epoch = $1 and term = $2
		  and cardinality(generations) >= $3
		returning coalesce(positions[$3]::text, '')`
	part := Part{Fence: rediscache.Fence{Generation: generation}}
	err := conn.QueryRow(ctx, query, at.Epoch, at.Term, partition+1, generation).Scan(&part.Snapshot)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrTerm
	}
	if err != nil {
		return Part{}, fmt.Errorf("begin a generation of partition %d: %w", partition, err)
	}
	return part, nil
}

// storedParts are the columns of the marker that have an element for each partition.
type storedParts struct {
	generations          []string
	positions            []*string
	terms, seqs, batches []int64
}

// parts returns them by partition, nil if they do not fit together.
func (s *storedParts) parts() []Part {
	n := len(s.generations)
	if len(s.positions) != n || len(s.terms) != n || len(s.seqs) != n || len(s.batches) != n {
		return nil
	}
	var parts []Part
	for p, position := range s.positions {
		part := Part{Fence: rediscache.Fence{Generation: s.generations[p], Term: s.terms[p], Seq: s.seqs[p], Batch: s.batches[p]}}
		if position != nil {
			part.Snapshot = *position
		}
		parts = append(parts, part)
	}
	return parts
}

// storeParts returns the columns of some parts.
func storeParts(parts []Part) *storedParts {
	s := &storedParts{}
	for i := range parts {
		part := &parts[i]
		s.generations = append(s.generations, part.Generation)
		s.terms, s.seqs, s.batches = append(s.terms, part.Term), append(s.seqs, part.Seq), append(s.batches, part.Batch)
		if part.Snapshot == "" {
			s.positions = append(s.positions, nil)
		} else {
			s.positions = append(s.positions, &part.Snapshot)
		}
	}
	return s
}

// Fingerprint returns the catalog's fingerprint alone.
func Fingerprint(ctx context.Context, conn *pgx.Conn) (catalog string, err error) {
	err = conn.QueryRow(ctx, "select coalesce(freshlist.catalog(), '')").Scan(&catalog)
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

// CheckCapture returns the fingerprint of the tables and their triggers, and what is wrong
// with them.
func CheckCapture(ctx context.Context, conn *pgx.Conn) (catalog string, fault Fault, err error) {
	const query = `
		select coalesce(freshlist.catalog(), ''), freshlist.fault(), not exists (
			select from freshlist.description as d
			cross join jsonb_path_query(d.body::jsonb, '$.tables[*].relation') as r
			where to_regclass(format('%I.%I', r ->> 'schema', r ->> 'name')) is null)`
	var tables bool
	err = conn.QueryRow(ctx, query).Scan(&catalog, &fault.Said, &tables)
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
	case !tables:
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
	err = conn.QueryRow(ctx, "select freshlist.repair()").Scan(&did)
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
