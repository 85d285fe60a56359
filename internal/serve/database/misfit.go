package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// MisfitError tells that a table is not as its description says: a column is missing
// or has another type, or the table holds what this program cannot show exactly. Nothing
// is rounded or cut; such a row is not answered at all.
type MisfitError struct {
	Table   *listing.Table
	Columns []string // those that do not fit; empty if the whole table is missing
	Detail  string   // what was found
	err     error
}

// Error says what does not fit.
func (e *MisfitError) Error() string {
	text := e.Table.Relation.String() + " does not fit: " + e.Detail
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns the error by which the misfit showed, nil if it was a value.
func (e *MisfitError) Unwrap() error { return e.err }

func misfit(t *listing.Table, c *listing.Column, detail string) *MisfitError {
	return &MisfitError{Table: t, Columns: []string{c.Name}, Detail: "column " + c.Name + " " + detail}
}

// errUnreadable: a row that is to be changed could not be read as it is.
var errUnreadable = errors.New("read the row")

// explain returns what in one of its tables makes a statement fail that PostgreSQL refuses, or err
// if that is not the fault of any.
func (p *Pool) explain(ctx context.Context, tables []*listing.Table, err error) error {
	if !hasCode(err, undefinedFunction, undefinedColumn, undefinedTable, undefinedObject, datatypeMismatch, cannotCoerce, invalidText, numericOutOfRange) {
		return err
	}
	var rule *RuleError
	if errors.As(err, &rule) && !errors.Is(err, errUnreadable) {
		return err
	}
	for _, t := range tables {
		columns, details, there, failed := p.misfits(ctx, t)
		switch {
		case failed != nil:
			return errors.Join(err, failed)
		case !there:
			return &MisfitError{Table: t, Detail: "the table is missing", err: err}
		case len(columns) > 0:
			return &MisfitError{Table: t, Columns: columns, Detail: strings.Join(details, ", "), err: err}
		}
	}
	return err
}

// labelSeparator stands between the labels of an enum where two lists of them are compared.
const labelSeparator = "\x1f"

// misfits returns the columns that are missing, have other types, or are enums with other
// labels, and whether there is a table at all.
func (p *Pool) misfits(ctx context.Context, t *listing.Table) (columns, details []string, there bool, err error) {
	// The types are spelled as the description has them: by a session with the same search path.
	const query = `
		select to_regclass($1::text) is not null, coalesce(array_agg(name order by place), '{}'),
			coalesce(array_agg(case when found <> type then format('column %s is %s, not %s', name, found, type)
				else format('column %s has other labels', name) end order by place), '{}')
		from (
			select c.name, c.type, c.labels, c.place, coalesce(format_type(a.atttypid, a.atttypmod), 'missing') as found,
				coalesce((select string_agg(e.enumlabel, $5::text order by e.enumsortorder) from pg_enum as e
					join pg_type as t on t.oid = a.atttypid
					where e.enumtypid in (t.oid, t.typbasetype)), '') as found_labels
			from unnest($2::text[], $3::text[], $4::text[]) with ordinality as c (name, type, labels, place)
			left join pg_attribute as a on a.attrelid = to_regclass($1::text)
				and a.attname = c.name and a.attnum > 0 and not a.attisdropped
		) as columns
		where found <> type or found_labels <> labels`
	var names, types, labels []string
	for i := range t.Columns {
		c := &t.Columns[i]
		names, types = append(names, c.Name), append(types, c.Type.Name)
		labels = append(labels, strings.Join(c.Type.Labels, labelSeparator))
	}
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, nil, false, err
	}
	defer conn.Release()
	args := []any{t.Relation.SQL(), names, types, labels, labelSeparator}
	if err := p.row(ctx, conn.Conn(), query, args, &there, &columns, &details); err != nil {
		return nil, nil, false, fmt.Errorf("read the columns of the table: %w", err)
	}
	return columns, details, there, nil
}
