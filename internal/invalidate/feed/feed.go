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
)

// Errors that mean something to the caller; others are the database's.
var (
	// ErrMarker: the marker is missing, or of another epoch. A new epoch is due.
	ErrMarker = errors.New("the marker is not of this epoch")
	// ErrTerm: another invalidator has taken over.
	ErrTerm = errors.New("another term has begun")
	// ErrMany: there are more changes than were asked for; nothing has been read.
	ErrMany = errors.New("more changes than asked for")
)

// Position is how far the cache has come.
type Position struct {
	Epoch    string
	Term     int64
	Snapshot string // pg_snapshot: what it sees has been applied
	Catalog  string // fingerprint of the table and its triggers when the epoch began
	Fences   []Fence
}

// Fence is what Redis held of one partition when the position was stored.
type Fence struct{ Term, Seq, Batch int64 }

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
		returning epoch, term, cursor::text, catalog, fence_terms, fence_seqs, fence_batches`
	var terms, seqs, batches []int64
	err = conn.QueryRow(ctx, query, known).
		Scan(&at.Epoch, &at.Term, &at.Snapshot, &at.Catalog, &terms, &seqs, &batches)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Position{}, false, nil
	case err != nil:
		return Position{}, false, fmt.Errorf("take over the marker: %w", err)
	case len(seqs) != len(terms) || len(batches) != len(terms):
		return Position{}, false, nil
	}
	for p := range terms {
		at.Fences = append(at.Fences, Fence{Term: terms[p], Seq: seqs[p], Batch: batches[p]})
	}
	return at, true, nil
}

// NewEpoch writes the marker of a new epoch, whose position is the present: one
// statement and so one snapshot gives the cursor and the catalog's fingerprint. It
// returns ErrTerm if a later term has begun.
func NewEpoch(ctx context.Context, conn *pgx.Conn, epoch string, term int64, partitions int) (Position, error) {
	const query = `
		with ours as (
			select s.system_identifier, d.oid as database_oid, array_fill(0::bigint, array[$3::integer]) as zeros
			from pg_control_system() as s, pg_database as d
			where d.datname = current_database()
		), next as (
			select coalesce(max(revision), 0) + 1 as revision from freshlist.properties_marker
		), renewed as (
			update freshlist.properties_marker as m
			set revision = n.revision, epoch = $1, term = $2, system_identifier = o.system_identifier, database_oid = o.database_oid,
				cursor = pg_current_snapshot(), catalog = freshlist.properties_catalog(),
				fence_terms = o.zeros, fence_seqs = o.zeros, fence_batches = o.zeros
			from ours as o, next as n
			where m.revision = n.revision - 1
			  and (m.term <= $2 or (m.system_identifier, m.database_oid) <> (o.system_identifier, o.database_oid))
			returning m.cursor, m.catalog
		), made as (
			insert into freshlist.properties_marker
			select n.revision, $1, $2, o.system_identifier, o.database_oid, pg_current_snapshot(), freshlist.properties_catalog(),
				o.zeros, o.zeros, o.zeros
			from ours as o, next as n
			where n.revision = 1
			returning cursor, catalog
		)
		select cursor::text, catalog from renewed union all select cursor::text, catalog from made`
	at := Position{Epoch: epoch, Term: term, Fences: make([]Fence, partitions)}
	err := conn.QueryRow(ctx, query, epoch, term, partitions).Scan(&at.Snapshot, &at.Catalog)
	if errors.Is(err, pgx.ErrNoRows) {
		return Position{}, fmt.Errorf("begin epoch: %w", ErrTerm)
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

// Catalog returns the fingerprint of the table and its triggers, and what is wrong
// with them, "" if nothing is.
func Catalog(ctx context.Context, conn *pgx.Conn) (catalog, fault string, err error) {
	const query = "select coalesce(freshlist.properties_catalog(), ''), freshlist.properties_fault()"
	err = conn.QueryRow(ctx, query).Scan(&catalog, &fault)
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case pgerrcode.InvalidSchemaName, pgerrcode.UndefinedFunction, pgerrcode.UndefinedTable:
			return "", "the triggers are not installed", nil
		case pgerrcode.InsufficientPrivilege:
			return "", "this role has no rights in the schema freshlist", nil
		}
	}
	if err != nil {
		return "", "", fmt.Errorf("read the state of capture: %w", err)
	}
	return catalog, fault, nil
}
