package database

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgvalue"
)

// Reader answers queries from PostgreSQL. Its methods may be called
// concurrently; the pool bounds how many of them are at work.
type Reader struct {
	pool  *Pool
	count func() // called once a read
}

// NewReader returns a reader on pool that calls count for every read.
func NewReader(pool *Pool, count func()) *Reader { return &Reader{pool, count} }

// Assigned reports whether PostgreSQL has given out transaction id xid.
func (r *Reader) Assigned(ctx context.Context, xid uint64) (bool, error) {
	var standby bool
	err := r.pool.retryOnce(ctx, func() error {
		conn, err := r.pool.acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		const query = "select pg_is_in_recovery(), case when not pg_is_in_recovery() then pg_xact_status($1::text::xid8) end"
		return r.pool.row(ctx, conn.Conn(), query, []any{strconv.FormatUint(xid, 10)}, &standby, nil)
	})
	switch {
	case isFuture(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for transaction %d: %w", xid, classify(err))
	case standby:
		return false, fmt.Errorf("look for transaction %d: %w", xid, ErrInRecovery)
	default:
		return true, nil
	}
}

// origin makes SQL for what a read says besides of the data that it shows.
type origin func(*statement) string

// noOrigin says nothing.
func noOrigin(*statement) string { return "null::text" }

// ownOrigin says the epoch, the server, the database and the description. What the marker holds
// is looked at in the snapshot of the reading statement.
func ownOrigin(s *statement) string {
	return "case when not " + s.rowSecurity() + " then " +
		"freshlist.epoch() || ' ' || " + startAndDatabase + " || ' ' || freshlist.described() end"
}

// server says when the server started and which database it is, unless policies have decided
// which rows are seen. It needs nothing of freshlist in the database.
func server(s *statement) string {
	return "case when not " + s.rowSecurity() + " then " + startAndDatabase + " end"
}

// startAndDatabase is SQL for when the server started, and which database of which cluster this is.
const startAndDatabase = "extract(epoch from pg_postmaster_start_time())" +
	" || ' ' || (select system_identifier from pg_control_system())" +
	" || '/' || (select oid from pg_database where datname = current_database())"

// rowSecurity asks whether policies decide which rows of any of the statement's tables this role
// sees.
func (s *statement) rowSecurity() string {
	var active []string
	for _, t := range tablesOf(s.table, s.joins) {
		active = append(active, "row_security_active("+s.arg(t.Relation.SQL())+")")
	}
	if len(active) == 1 {
		return active[0]
	}
	return "(" + strings.Join(active, " or ") + ")"
}

// recovering is what a standby returns for an origin. It shows commits late, so that
// none of its answers is given to anybody; and what it would be asked for an origin is
// an unlogged table, which it cannot read.
const recovering = "in recovery"

// onPrimary makes an origin one that PostgreSQL evaluates only on a primary.
func onPrimary(of origin) origin {
	return func(s *statement) string {
		return "case when pg_is_in_recovery() then '" + recovering + "' else " + of(s) + " end"
	}
}

// Read returns the rows of q. It needs nothing of freshlist in the database but
// the table.
func (r *Reader) Read(ctx context.Context, q listing.Query) (listing.Queryset, error) {
	qs, _, err := r.read(ctx, q, noOrigin)
	return qs, err
}

// ReadWithOrigin returns the rows of q and, out of the same snapshot, the epoch in
// the marker, when the server started, in seconds since 1970, which database it is, and the
// identity of the description that the epoch belongs to, with a space between them: empty if
// there is no marker, or if policies have decided
// which rows this role sees, so that the answer is not everybody's. Its error is ErrNoEpoch where
// freshlist is not installed.
func (r *Reader) ReadWithOrigin(ctx context.Context, q listing.Query) (listing.Queryset, string, error) {
	qs, origin, err := r.read(ctx, q, ownOrigin)
	if noEpoch(err) {
		err = withoutEpoch(err)
	}
	return qs, origin, err
}

// ReadWithServer returns the rows of q and, out of the same snapshot, when the server started and
// which database it is, with a space between them; empty if policies have decided which rows this
// role sees. It needs nothing of freshlist in the database but the table.
func (r *Reader) ReadWithServer(ctx context.Context, q listing.Query) (listing.Queryset, string, error) {
	return r.read(ctx, q, server)
}

// read tries a second time if the first connection turns out to be a stale one:
// a restart of PostgreSQL leaves a pool full of those, and so does a failover, after
// which they may lead to what is a standby now.
func (r *Reader) read(ctx context.Context, q listing.Query, of origin) (listing.Queryset, string, error) {
	r.count()
	var a answer
	err := r.pool.retryOnce(ctx, func() (err error) {
		a, err = r.readOnce(ctx, q, of)
		return err
	})
	if err != nil {
		return listing.Queryset{}, "", fmt.Errorf("read %s: %w", q, classifyRead(r.pool.explain(ctx, tablesOf(q.Table, q.Joins()), err)))
	}
	return a.queryset, a.origin, nil
}

// answer is what one statement has returned.
type answer struct {
	queryset listing.Queryset
	origin   string
}

func (r *Reader) readOnce(ctx context.Context, q listing.Query, of origin) (answer, error) {
	conn, err := r.pool.acquire(ctx)
	if err != nil {
		return answer{}, err
	}
	defer conn.Release()
	a := answer{queryset: listing.Queryset{Query: q}}
	if q.Kind == listing.SummaryKind {
		err = a.readSummary(ctx, r.pool.each, conn.Conn(), onPrimary(of))
	} else {
		err = a.readRows(ctx, r.pool.each, conn.Conn(), onPrimary(of))
	}
	switch {
	case err == nil && a.origin == recovering:
		return answer{}, ErrInRecovery
	case onStandby(err):
		return answer{}, fmt.Errorf("%w: %w", ErrInRecovery, err)
	}
	return a, err
}

// pageStatement reads one row more than the page has, to know what follows it. A page before a
// cursor is read backwards from there.
// The origin comes also with no row at all, and is computed once.
func pageStatement(q *listing.Query, of origin, w way) *statement {
	s := &statement{table: q.Table, joins: q.Joins()}
	o := s.order(q)
	filter := s.filter(q.Filter)
	parts := s.after(&o, q.After)
	if w.walk > 0 {
		parts = parts[:1] // the rows behind it come behind those that a walk does not reach
	}
	limit := s.number(q.Limit + 1)

	s.add("select e.origin")
	s.results(q.Columns(), listedValue)
	s.innerRows()
	s.add(" from (select ", of(s), " as origin offset 0) e left join (")
	for i, part := range parts {
		if i > 0 {
			s.add(" union all ")
		}
		s.add("(select ", s.list(q.Columns()), " from ", s.source(q, w, filter, part, o.by("")), " order by ", o.by(""), " limit ", limit, ")")
	}
	s.add(") p on true order by ", o.by("p."), " limit ", limit)
	return s
}

// rowStatement reads one row.
func rowStatement(q *listing.Query, of origin) *statement {
	s := &statement{table: q.Table, joins: q.Joins()}
	s.add("select e.origin")
	s.results(q.Columns(), pgvalue.Expression)
	s.innerRows()
	s.add(" from (select ", of(s), " as origin offset 0) e left join ", s.relation(), " p on p.", s.column(q.Table.Key),
		" = ", s.value(q.Table.KeyColumn(), q.Key))
	return s
}

// readRows runs the statement of a page or of a row.
func (a *answer) readRows(ctx context.Context, each runStatement, conn *pgx.Conn, of origin) error {
	q := &a.queryset.Query
	if q.Kind == listing.RowKind {
		return a.run(ctx, each, conn, rowStatement(q, of))
	}
	ways, err := ways(ctx, each, conn, q)
	if err != nil {
		return err
	}
	for _, w := range ways {
		a.queryset.Items, a.queryset.Ahead = nil, listing.Null[listing.Key]{}
		if err = a.run(ctx, each, conn, pageStatement(q, of, w)); err != nil || a.queryset.Ahead.Valid {
			break
		}
	}
	if q.Backward {
		slices.Reverse(a.queryset.Items)
	}
	return err
}

// run takes the rows of a statement.
func (a *answer) run(ctx context.Context, each runStatement, conn *pgx.Conn, s *statement) error {
	return each(ctx, conn, s, func(fields []pgconn.FieldDescription, values [][]byte) error {
		a.origin = string(values[0])
		r, err := s.row(fields, values)
		if err != nil {
			return err
		}
		if r.Null(s.table.Key) { // the origin stands alone
			return s.noRow(&r)
		}
		a.take(r)
		return nil
	})
}

// noRow makes sure that there is no row where there is no key.
func (s *statement) noRow(r *listing.Row) error {
	for _, c := range s.columns {
		if !r.Null(c.Number) {
			return misfit(s.table, s.table.KeyColumn(), "is null")
		}
	}
	return nil
}

// take appends a row to the answer, or learns from it what follows the page.
func (a *answer) take(r listing.Row) {
	q := &a.queryset.Query
	if q.Kind == listing.PageKind && len(a.queryset.Items) == q.Limit {
		a.queryset.Ahead = listing.Some(q.Table.KeyOf(q.Sort, &r))
		return
	}
	a.queryset.Items = append(a.queryset.Items, r)
}
