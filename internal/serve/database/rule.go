package database

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/listing"
)

// findRule completes the error of a write by the table's catalog and description: a
// *RuleError learns its columns, and a value that its type does not take becomes one.
func (p *Pool) findRule(ctx context.Context, t *listing.Table, err error) error {
	var rule *RuleError
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg) || errors.As(err, new(*MisfitError)) || errors.Is(err, errUnreadable):
		return err
	case !errors.As(err, &rule):
		if !strings.HasPrefix(pg.Code, dataException) {
			return err
		}
		return &RuleError{Detail: "has a value that its type does not take", err: err}
	}
	names := []string{pg.ColumnName}
	if pg.ColumnName == "" {
		names = nil
		if pg.ConstraintName != "" {
			var failed error
			if names, failed = p.constrained(ctx, t, pg.ConstraintName); failed != nil {
				return errors.Join(err, failed)
			}
		}
	}
	for i, name := range names {
		if c := t.Column(name); c >= 0 && t.Columns[c].Member != "" {
			names[i] = t.Columns[c].Member
		}
	}
	rule.Columns = names
	return err
}

// constrained returns the columns that a rule is about: a constraint of the table, a unique index
// of it, a foreign key that refers to it, or a constraint of a domain. Of an index of
// expressions these are the columns in them.
func (p *Pool) constrained(ctx context.Context, t *listing.Table, constraint string) (columns []string, err error) {
	const query = `
		select coalesce(json_agg(a.attname::text order by a.attnum)::text, '[]')
		from pg_attribute as a
		where a.attrelid = to_regclass($1::text) and a.attnum > 0 and a.attnum in (
			select unnest(conkey) from pg_constraint where conrelid = a.attrelid and conname = $2::text
			union
			select unnest(confkey) from pg_constraint where confrelid = a.attrelid and contype = 'f' and conname = $2::text
			union
			select unnest(i.indkey) from pg_index as i join pg_class as c on c.oid = i.indexrelid
			where i.indrelid = a.attrelid and c.relname = $2::text and i.indisunique
			union
			select d.refobjsubid from pg_index as i
			join pg_class as c on c.oid = i.indexrelid
			join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refobjid = i.indrelid
			where i.indrelid = a.attrelid and c.relname = $2::text and i.indisunique and 0 = any (i.indkey)
			union
			select b.attnum from pg_constraint as k join pg_attribute as b on b.atttypid = k.contypid
			where k.contypid <> 0 and k.conname = $2::text and b.attrelid = a.attrelid
		)`
	conn, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	var names string
	if err := p.row(ctx, conn.Conn(), query, []any{t.Relation.SQL(), constraint}, &names); err != nil {
		return nil, fmt.Errorf("read what constraint %s is about: %w", constraint, err)
	}
	if err := json.Unmarshal([]byte(names), &columns); err != nil {
		return nil, fmt.Errorf("read what constraint %s is about: %w", constraint, err)
	}
	return columns, nil
}
