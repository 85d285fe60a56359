package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
)

// ownersOf begins a query with the tables $1, $2 and their owners.
const ownersOf = `
	with described as (
		select c.relowner, format('%I.%I', n.nspname, c.relname) as name
		from unnest($1::text[], $2::text[]) as d (schema, name)
		join pg_namespace as n on n.nspname::text = d.schema
		join pg_class as c on c.relnamespace = n.oid and c.relname::text = d.name
	)`

// becomeOwner makes the transaction act as the owner of the tables, so that all that it makes
// belongs to him. If they have several, it is one that has the rights of all the others:
// functions of ours alter the tables as their own owner.
func becomeOwner(ctx context.Context, tx pgx.Tx, relations []description.RelationName) error {
	schemas, names := splitNames(relations)
	var owner *string
	err := tx.QueryRow(ctx, ownersOf+`
		select min(pg_get_userbyid(o.relowner))
		from (select distinct relowner from described) as o
		where not exists (select from described as d where not pg_has_role(o.relowner, d.relowner, 'USAGE'))`, schemas, names).Scan(&owner)
	if err != nil {
		return fmt.Errorf("look for the tables' owner: %w", err)
	}
	if owner == nil {
		return fmt.Errorf("the tables have different owners, none of whom has the rights of all: %s; "+
			"give them one owner by ALTER TABLE, or grant the roles to one of them by GRANT", ownerList(ctx, tx, relations))
	}
	if _, err := tx.Exec(ctx, "select set_config('role', $1, true)", *owner); err != nil {
		return fmt.Errorf("become %s, the owner of the tables: %w", *owner, err)
	}
	return nil
}

// MayInstall reports whether the connection's role owns the tables that Install would install
// capture on, and so can install.
func MayInstall(ctx context.Context, conn *pgx.Conn) (bool, error) {
	f, _, err := stored(ctx, conn)
	if err != nil && !isForbidden(err) {
		return false, err
	}
	if err != nil {
		return false, nil
	}
	parsed, faults := description.Parse(f.Name, f.Text)
	if parsed == nil {
		return false, faults
	}
	relations := parsed.Relations()
	schemas, names := splitNames(relations)
	var owned int
	err = conn.QueryRow(ctx, ownersOf+`select count(*) from described where pg_has_role(relowner, 'member')`, schemas, names).Scan(&owned)
	if err != nil {
		return false, fmt.Errorf("read the tables' owner: %w", err)
	}
	return owned == len(relations), nil
}

// ownerList says to whom each table belongs.
func ownerList(ctx context.Context, on querier, relations []description.RelationName) string {
	owners, err := readOwners(ctx, on, relations)
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, o := range owners {
		list = append(list, strings.Join(o.tables, " and ")+belong(len(o.tables))+o.name)
	}
	return strings.Join(list, ", ")
}

func belong(tables int) string {
	if tables == 1 {
		return " belongs to "
	}
	return " belong to "
}

// tableOwner is the owner of some of the described tables.
type tableOwner struct {
	name   string
	tables []string
}

func readOwners(ctx context.Context, on querier, relations []description.RelationName) ([]tableOwner, error) {
	schemas, names := splitNames(relations)
	rows, err := on.Query(ctx, ownersOf+`
		select pg_get_userbyid(relowner)::text, array_agg(name order by name) from described group by relowner order by 2`, schemas, names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o tableOwner, err error) {
		return o, row.Scan(&o.name, &o.tables)
	})
}

// owners says to whom the tables and the schema freshlist belong, and what to do about it.
func owners(ctx context.Context, conn *pgx.Conn, relations []description.RelationName) string {
	list := ownerList(ctx, conn, relations)
	owners, err := readOwners(ctx, conn, relations)
	if err != nil || len(owners) == 0 {
		return list
	}
	var schema string
	err = conn.QueryRow(ctx, "select pg_get_userbyid(nspowner)::text from pg_namespace where nspname = 'freshlist'").Scan(&schema)
	switch {
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
		return err.Error()
	case err != nil || slices.ContainsFunc(owners, func(o tableOwner) bool { return o.name == schema }):
		return list + ": run install as that role, which needs CREATE on the database"
	default:
		return list + ", the schema freshlist to " + schema +
			": run uninstall as a superuser, then install as " + owners[0].name + ", which needs CREATE on the database"
	}
}
