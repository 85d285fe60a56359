package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/listing"
)

// MisfitError tells that the table is not as the migrations make it: a column is missing
// or has another type, and the table holds what this program cannot show exactly. Nothing
// is rounded or cut; such a row is not answered at all.
type MisfitError struct {
	Columns []string // those that do not fit; empty if the whole table is missing
	Detail  string   // what was found
	err     error
}

// Error says what does not fit.
func (e *MisfitError) Error() string {
	text := "public.properties does not fit: " + e.Detail
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns the error by which the misfit showed, nil if it was a value.
func (e *MisfitError) Unwrap() error { return e.err }

// A column of an answer: its type in the migrations, and the types of the statement's
// result that this program reads exactly.
type answered struct {
	name, declared string
	read           []uint32
}

// answeredColumns are the columns in the order of propertyColumns. Of text-like types
// those are read which PostgreSQL sends as the text that it shows.
func answeredColumns() []answered {
	var (
		whole   = []uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID}
		text    = []uint32{pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID}
		float   = []uint32{pgtype.Float8OID}
		instant = []uint32{pgtype.TimestamptzOID}
	)
	return []answered{
		{"id", "bigint", whole},
		{"property_type", "text", text},
		{"status", "text", text},
		{"price", "numeric(14,2)", whole}, // as cents
		{"city", "text", text},
		{"postal_code", "text", text},
		{"bedrooms", "smallint", whole},
		{"bathrooms", "numeric(3,1)", whole}, // as tenths
		{"living_area", "integer", whole},
		{"latitude", "double precision", float},
		{"longitude", "double precision", float},
		{"created_at", "timestamp with time zone", instant},
		{"title", "text", text},
		{"description", "text", text},
		{"updated_at", "timestamp with time zone", instant},
	}
}

// columnTable is made once: every read looks at it.
var columnTable = answeredColumns()

// firstOwn is the first number that PostgreSQL gives to a type that somebody has made. Such
// a type, an enumeration say, comes as the text that PostgreSQL shows.
const firstOwn = 16384

// fits reports which column of a result, behind the first, is not of a type that is read
// exactly.
func fits(fields []pgconn.FieldDescription) error {
	for i, f := range fields[1:] {
		c := &columnTable[i]
		own := f.DataTypeOID >= firstOwn && c.declared == "text"
		if !own && !slices.Contains(c.read, f.DataTypeOID) {
			return misfit(c.name, "has another type than "+c.declared)
		}
	}
	return nil
}

func misfit(column, detail string) *MisfitError {
	return &MisfitError{Columns: []string{column}, Detail: "column " + column + " " + detail}
}

// scan reads a row of the table, behind the first column.
func (r *row) scan(rows pgx.Rows, first any, whole bool) error {
	if err := fits(rows.FieldDescriptions()); err != nil {
		return err
	}
	err := rows.Scan(r.destinations(first, whole)...)
	var arg pgx.ScanArgError
	switch {
	case errors.As(err, &arg) && arg.ColumnIndex > 0:
		m := misfit(columnTable[arg.ColumnIndex-1].name, "has a value that does not fit")
		m.err = err
		return m
	case err != nil:
		return err
	}
	return r.inRange()
}

// What numerics come as that have more decimals than an answer shows, or are infinite.
const (
	inexactCents  = `(-9223372036854775808)::bigint`
	inexactTenths = `(-32768)::smallint`
)

// inRange reports a value that the declared type cannot hold.
func (r *row) inRange() error {
	if !priceFits(r.price) {
		return misfit("price", "has a value that numeric(14,2) cannot hold")
	}
	b := r.bathrooms
	if b.Valid && b.Int16 != listing.NaNBathrooms && (b.Int16 < -listing.MaxBathrooms || b.Int16 > listing.MaxBathrooms) {
		return misfit("bathrooms", "has a value that numeric(3,1) cannot hold")
	}
	return nil
}

func priceFits(p pgtype.Int8) bool {
	return !p.Valid || p.Int64 == listing.NaNPrice || p.Int64 >= -listing.MaxPrice && p.Int64 <= listing.MaxPrice
}

// errUnreadable: a row that is to be changed could not be read as it is.
var errUnreadable = errors.New("read the row")

// explain returns what in the table makes a statement fail that PostgreSQL refuses, or err
// if that is not the table's fault.
func (p *Pool) explain(ctx context.Context, err error) error {
	if !hasCode(err, undefinedFunction, undefinedColumn, undefinedTable, datatypeMismatch, invalidText, numericOutOfRange) {
		return err
	}
	var rule *RuleError
	if errors.As(err, &rule) && !errors.Is(err, errUnreadable) {
		return err
	}
	var names, types []string
	for _, c := range columnTable {
		names, types = append(names, c.name), append(types, c.declared)
	}
	columns, details, there, failed := p.misfits(ctx, names, types)
	switch {
	case failed != nil:
		return errors.Join(err, failed)
	case !there:
		return &MisfitError{Detail: "the table is missing", err: err}
	case len(columns) == 0:
		return err
	}
	return &MisfitError{Columns: columns, Detail: strings.Join(details, ", "), err: err}
}

// misfits returns the columns that are missing or have other types, and whether there is
// a table at all.
func (p *Pool) misfits(ctx context.Context, names, types []string) (columns, details []string, there bool, err error) {
	const query = `
		select to_regclass('public.properties') is not null, coalesce(array_agg(name order by place), '{}'),
			coalesce(array_agg(format('column %s is %s, not %s', name, found, type) order by place), '{}')
		from (
			select c.name, c.type, c.place, coalesce(format_type(a.atttypid, a.atttypmod), 'missing') as found
			from unnest($1::text[], $2::text[]) with ordinality as c (name, type, place)
			left join pg_attribute as a on a.attrelid = to_regclass('public.properties')
				and a.attname = c.name and a.attnum > 0 and not a.attisdropped
		) as columns
		where found <> type`
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, nil, false, err
	}
	defer conn.Release()
	if err := p.row(ctx, conn.Conn(), query, []any{names, types}, &there, &columns, &details); err != nil {
		return nil, nil, false, fmt.Errorf("read the columns of the table: %w", err)
	}
	return columns, details, there, nil
}
