package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/listing"
)

// findRule completes the error of a write by the table's catalog and description: a
// *RuleError learns its column, and a value that its type does not take becomes one.
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
	name := pg.ColumnName
	if name == "" && pg.ConstraintName != "" {
		var failed error
		if name, failed = p.constrained(ctx, t, pg.ConstraintName); failed != nil {
			return errors.Join(err, failed)
		}
	}
	if c := t.Column(name); c >= 0 && t.Columns[c].Member != "" {
		name = t.Columns[c].Member
	}
	rule.Column = name
	return err
}

// constrained returns the column that a constraint of the table, a unique index of it, or a
// constraint of a domain is about; "" if there are several.
func (p *Pool) constrained(ctx context.Context, t *listing.Table, constraint string) (column string, err error) {
	const query = `
		select coalesce(max(a.attname::text), '')
		from (
			select conkey from pg_constraint where conrelid = to_regclass($1::text) and conname = $2::text
			union
			select i.indkey::smallint[] from pg_index as i join pg_class as c on c.oid = i.indexrelid
			where i.indrelid = to_regclass($1::text) and c.relname = $2::text and i.indisunique
			union
			select array[a.attnum] from pg_constraint as k join pg_attribute as a on a.atttypid = k.contypid
			where k.contypid <> 0 and k.conname = $2::text and a.attrelid = to_regclass($1::text)
		) as about (columns)
		join pg_attribute as a on a.attrelid = to_regclass($1::text) and a.attnum = any (about.columns)
		having count(distinct a.attnum) = 1`
	conn, err := p.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	if err := p.row(ctx, conn.Conn(), query, []any{t.Relation.SQL(), constraint}, &column); err != nil {
		return "", fmt.Errorf("read what constraint %s is about: %w", constraint, err)
	}
	return column, nil
}
