package database

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/listing"
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

// Where a statement's epoch comes from.
const (
	noOrigin         = "null::text"
	originExpression = "case when not row_security_active('public.properties') then " +
		"freshlist.properties_epoch() || ' ' || extract(epoch from pg_postmaster_start_time())" +
		" || ' ' || (select system_identifier from pg_control_system())" +
		" || '/' || (select oid from pg_database where datname = current_database()) end"
)

// recovering is what a standby returns for an epoch. It shows commits late, so that
// none of its answers is given to anybody; and what it would be asked for an epoch is
// an unlogged table, which it cannot read.
const recovering = "in recovery"

// unlessRecovering guards an expression for the epoch: PostgreSQL evaluates it only on
// a primary.
func unlessRecovering(epoch string) string {
	return "case when pg_is_in_recovery() then '" + recovering + "' else " + epoch + " end"
}

// Read returns the rows of q. It needs nothing of freshlist in the database but
// the table.
func (r *Reader) Read(ctx context.Context, q listing.Query) (listing.Queryset, error) {
	qs, _, err := r.read(ctx, q, noOrigin)
	return qs, err
}

// ReadWithOrigin returns the rows of q and, out of the same snapshot, the epoch in
// the marker, when the server started, in seconds since 1970, and which database it is,
// with a space between them: empty if there is no marker, or if policies have decided
// which rows this role sees, so that the answer is not everybody's. Its error is ErrNoEpoch where
// freshlist is not installed.
func (r *Reader) ReadWithOrigin(ctx context.Context, q listing.Query) (listing.Queryset, string, error) {
	qs, origin, err := r.read(ctx, q, originExpression)
	if noEpoch(err) {
		err = withoutEpoch(err)
	}
	return qs, origin, err
}

// read tries a second time if the first connection turns out to be a stale one:
// a restart of PostgreSQL leaves a pool full of those, and so does a failover, after
// which they may lead to what is a standby now.
func (r *Reader) read(ctx context.Context, q listing.Query, epoch string) (listing.Queryset, string, error) {
	r.count()
	epoch = unlessRecovering(epoch)
	var a answer
	err := r.pool.retryOnce(ctx, func() (err error) {
		a, err = r.readOnce(ctx, q, epoch)
		return err
	})
	if err != nil {
		return listing.Queryset{}, "", fmt.Errorf("read %s: %w", q, classifyRead(r.pool.explain(ctx, err)))
	}
	return a.queryset, a.epoch.String, nil
}

// answer is what one statement has returned.
type answer struct {
	queryset listing.Queryset
	epoch    pgtype.Text
}

func (r *Reader) readOnce(ctx context.Context, q listing.Query, epoch string) (answer, error) {
	conn, err := r.pool.acquire(ctx)
	if err != nil {
		return answer{}, err
	}
	defer conn.Release()
	a := answer{queryset: listing.Queryset{Query: q}}
	if q.Kind == listing.SummaryKind {
		err = a.readSummary(ctx, r.pool, conn.Conn(), epoch)
	} else {
		err = a.readRows(ctx, r.pool, conn.Conn(), epoch)
	}
	switch {
	case err == nil && a.epoch.String == recovering:
		return answer{}, ErrInRecovery
	case onStandby(err):
		return answer{}, fmt.Errorf("%w: %w", ErrInRecovery, err)
	}
	return a, err
}

// The columns of an item.
const tableColumns = `id, property_type, status, price, city, postal_code, bedrooms, bathrooms, living_area,
	latitude, longitude, created_at, title`

// What NaN comes as, of which PostgreSQL makes no integer: listing.NaNPrice and
// listing.NaNBathrooms.
const (
	nanCents  = `9223372036854775806::bigint`
	nanTenths = `32767::smallint`
)

// itemColumns and propertyColumns are the columns of an item and of a whole property as
// they are returned: numerics come as whole cents and tenths. No expression has an alias:
// ORDER BY would take it for the column.
const (
	itemColumns = `p.id, p.property_type, p.status,
		` + priceCents + `, p.city, p.postal_code, p.bedrooms,
		` + bathroomTenths + `, p.living_area,
		p.latitude, p.longitude, p.created_at, p.title`
	propertyColumns = itemColumns + `, p.description, p.updated_at`
)

// A numeric as a whole number of cents or tenths, never rounded. (Of a column that is NULL,
// ELSE is what counts, and it is NULL too.)
const (
	priceCents = `case when p.price = 'NaN' then ` + nanCents + `
		when scale(p.price) > 2 and scale(trim_scale(p.price)) > 2 or scale(p.price) is null and p.price is not null then ` + inexactCents + `
		else (p.price * 100)::bigint end`
	bathroomTenths = `case when p.bathrooms = 'NaN' then ` + nanTenths + `
		when scale(p.bathrooms) > 1 and scale(trim_scale(p.bathrooms)) > 1 or scale(p.bathrooms) is null and p.bathrooms is not null then ` + inexactTenths + `
		else (p.bathrooms * 10)::smallint end`
)

// pageStatement reads one row more than the page has, to know what follows it.
// The epoch comes also with no row at all, and is computed once.
func pageStatement(q listing.Query, epoch string) *statement {
	s := &statement{}
	o := orderOf(q.Sort)
	filter := s.filter(&q.Filter)
	parts := s.after(q.Sort, q.After)
	limit := s.arg(q.Limit+1) + "::bigint"

	s.add("select e.epoch, ", itemColumns, " from (select ", epoch, " as epoch offset 0) e left join (")
	for i, part := range parts {
		if i > 0 {
			s.add(" union all ")
		}
		where := filter.where()
		if part != "" {
			where = filter.where(part)
		}
		s.add("(select ", tableColumns, " from public.properties", where, " order by ", o.by, " limit ", limit, ")")
	}
	s.add(") p on true order by ", o.by, " limit ", limit)
	return s
}

// propertyStatement reads one property.
func propertyStatement(id int64, epoch string) *statement {
	s := &statement{}
	s.add("select e.epoch, ", propertyColumns, " from (select ", epoch, " as epoch offset 0) e",
		" left join public.properties p on p.id = ", s.arg(id), "::bigint")
	return s
}

// readRows runs a page's or a property's statement.
func (a *answer) readRows(ctx context.Context, pool *Pool, conn *pgx.Conn, epoch string) error {
	q := a.queryset.Query
	page := q.Kind == listing.PageKind
	s := propertyStatement(q.ID, epoch)
	if page {
		s = pageStatement(q, epoch)
	}
	rows, err := pool.query(ctx, conn, s.text.String(), s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var row row
	for rows.Next() {
		if rows.RawValues()[1] == nil { // no id: the epoch stands alone
			return scanEpoch(rows, &a.epoch)
		}
		if err := row.scan(rows, &a.epoch, !page); err != nil {
			return err
		}
		a.take(row.property())
	}
	rows.Close()
	return rows.Err()
}

// scanEpoch reads the first column of a row and leaves the others.
func scanEpoch(rows pgx.Rows, epoch *pgtype.Text) error {
	destinations := make([]any, len(rows.FieldDescriptions()))
	destinations[0] = epoch
	if err := rows.Scan(destinations...); err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

// take appends a row to the answer, or learns from it what follows the page.
func (a *answer) take(p listing.Property) {
	q := &a.queryset.Query
	if q.Kind == listing.PageKind && len(a.queryset.Items) == q.Limit {
		a.queryset.Ahead = listing.Some(q.Sort.Key(&p.Row))
		return
	}
	a.queryset.Items = append(a.queryset.Items, p)
}
