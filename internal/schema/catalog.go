package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/session"
)

// ReadCatalog reads what PostgreSQL says of relations, all of it in one snapshot. Relations
// that do not exist are not in the result. Names are compared as they are: no search_path
// has a say.
func ReadCatalog(ctx context.Context, conn *pgx.Conn, relations []description.RelationName) (*description.Catalog, error) {
	var c *description.Catalog
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) (err error) {
		c, err = readCatalog(ctx, tx, relations)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return c, nil
}

// maxNames is how many names of relations are read to find a near one.
const maxNames = 10_000

func readCatalog(ctx context.Context, tx pgx.Tx, relations []description.RelationName) (*description.Catalog, error) {
	c := new(description.Catalog)
	// In a statement of its own: what follows is PostgreSQL's own, whatever else has its name.
	// And format_type spells a type without its schema only if that is in the path.
	if _, err := tx.Exec(ctx, "select pg_catalog.set_config('search_path', $1, true)", session.OwnPath); err != nil {
		return nil, err
	}
	// So that what PostgreSQL spells is spelled the same everywhere.
	if _, err := tx.Exec(ctx, "set local standard_conforming_strings = on; set local quote_all_identifiers = off"); err != nil {
		return nil, err
	}
	err := tx.QueryRow(ctx, `
		select current_database()::text, getdatabaseencoding()::text, array(select cfgname::text from pg_ts_config order by 1)`).
		Scan(&c.Database, &c.Encoding, &c.Configurations)
	if err != nil {
		return nil, err
	}
	if c.Names, err = readNames(ctx, tx); err != nil {
		return nil, err
	}
	ids, err := readRelations(ctx, tx, c, relations)
	if err != nil {
		return nil, err
	}
	types, err := readTypes(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	if err := readAttributes(ctx, tx, c, ids, types); err != nil {
		return nil, err
	}
	if err := readIndexes(ctx, tx, c, ids); err != nil {
		return nil, err
	}
	return c, readForeignKeys(ctx, tx, c, ids)
}

// readNames reads the names of all tables and views that are users'.
func readNames(ctx context.Context, tx pgx.Tx) ([]description.RelationName, error) {
	rows, err := tx.Query(ctx, `
		select n.nspname::text, c.relname::text
		from pg_class as c
		join pg_namespace as n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('information_schema', 'freshlist') and n.nspname not like 'pg\_%'
		order by n.nspname <> 'public', n.nspname, c.relname
		limit $1`, maxNames)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (n description.RelationName, err error) {
		return n, row.Scan(&n.Schema, &n.Name)
	})
}

// readRelations reads the relations, and returns their oids in the same order.
func readRelations(ctx context.Context, tx pgx.Tx, c *description.Catalog, relations []description.RelationName) (ids []uint32, err error) {
	var schemas, names []string
	for i, r := range relations {
		if !slices.Contains(relations[:i], r) {
			schemas, names = append(schemas, r.Schema), append(names, r.Name)
		}
	}
	rows, err := tx.Query(ctx, `
		select c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence = 'u', c.relpersistence = 't', c.relispartition,
			exists (select from pg_inherits as i where i.inhrelid = c.oid),
			exists (select from pg_inherits as i where i.inhparent = c.oid),
			c.relrowsecurity, c.reltuples::float8,
			array(select pg_get_expr(k.conbin, k.conrelid) from pg_constraint as k where k.conrelid = c.oid and k.contype = 'c' order by k.conname)
		from unnest($1::text[], $2::text[]) with ordinality as wanted (schema, name, place)
		join pg_namespace as n on n.nspname::text = wanted.schema
		join pg_class as c on c.relnamespace = n.oid and c.relname::text = wanted.name
		order by wanted.place`, schemas, names)
	if err != nil {
		return nil, err
	}
	ids = []uint32{} // NULL matches no relation either, but is no array
	c.Relations, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r description.Relation, err error) {
		var id uint32
		var kind string
		err = row.Scan(&id, &r.Schema, &r.Name, &kind, &r.Unlogged, &r.Temporary, &r.Partition, &r.Parents, &r.Children, &r.RowSecurity, &r.Rows, &r.Checks)
		if err == nil {
			r.Kind = description.RelationKind(kind[0])
			ids = append(ids, id)
		}
		return r, err
	})
	return ids, err
}

// pgType is one type that a column has, a domain is based on or an array consists of.
type pgType struct {
	id       uint32
	system   bool // it is PostgreSQL's own
	name     string
	spelled  string
	kind     byte // typtype
	base     uint32
	modifier int32
	element  uint32 // of a true array
	length   int16
	labels   []string
	checks   []string // of a domain
}

// readTypes reads the types that relations use, and those behind them.
func readTypes(ctx context.Context, tx pgx.Tx, ids []uint32) (map[uint32]pgType, error) {
	rows, err := tx.Query(ctx, `
		with recursive used (id) as (
			select atttypid from pg_attribute where attrelid = any ($1) and attnum > 0 and not attisdropped
			union
			select behind.id
			from used
			join pg_type as t on t.oid = used.id
			cross join lateral (values (t.typbasetype), (t.typelem)) as behind (id)
			where behind.id <> 0
		)
		select t.oid, n.nspname = 'pg_catalog', t.typname::text, format_type(t.oid, null), t.typtype::text, t.typbasetype, t.typtypmod,
			coalesce((select e.oid from pg_type as e where e.oid = t.typelem and e.typarray = t.oid), 0), t.typlen,
			array(select enumlabel::text from pg_enum where enumtypid = t.oid order by enumsortorder),
			array(select pg_get_expr(k.conbin, 0) from pg_constraint as k where k.contypid = t.oid and k.contype = 'c' order by k.conname)
		from used
		join pg_type as t on t.oid = used.id
		join pg_namespace as n on n.oid = t.typnamespace`, ids)
	if err != nil {
		return nil, err
	}
	types := map[uint32]pgType{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t pgType, err error) {
		var kind string
		err = row.Scan(&t.id, &t.system, &t.name, &t.spelled, &kind, &t.base, &t.modifier, &t.element, &t.length, &t.labels, &t.checks)
		if err == nil {
			t.kind = kind[0]
			types[t.id] = t
		}
		return t, err
	})
	return types, err
}

// kinds are PostgreSQL's own types that programs know.
var kinds = map[string]description.Kind{
	"int2": description.Smallint, "int4": description.Integer, "int8": description.Bigint, "numeric": description.Numeric,
	"float4": description.Real, "float8": description.Double, "bool": description.Boolean, "date": description.Date,
	"timestamp": description.Timestamp, "timestamptz": description.TimestampTZ, "uuid": description.UUID,
	"text": description.Text, "varchar": description.Varchar, "bpchar": description.Char,
}

// collation is what the collation of a column says of its texts.
type collation struct {
	name     *string
	loose    bool
	bytewise bool
}

// typeOf resolves a type through its domains.
func typeOf(types map[uint32]pgType, id uint32, modifier int32, declared string, c collation) description.Type {
	t := types[id]
	result := description.Type{Kind: description.Other, Name: declared}
	for t.kind == 'd' {
		if modifier < 0 {
			modifier = t.modifier
		}
		t = types[t.base]
		result.Base = t.spelled
	}
	if t.length > 0 {
		result.Bytes = int(t.length)
	}
	kind, known := kinds[t.name]
	switch {
	case t.element != 0:
		element := typeOf(types, t.element, modifier, types[t.element].spelled, c)
		if element.Kind != description.Array { // an array of a domain of arrays is only shown
			result.Kind, result.Element = description.Array, &element
		}
	case t.kind == 'e':
		result.Kind, result.Base, result.Labels = description.Enum, t.spelled, t.labels
	case known && t.system:
		result.Kind = kind
	}
	switch result.Kind {
	case description.Numeric:
		result.Precision, result.Scale = digits(modifier)
	case description.Text, description.Varchar, description.Char:
		if c.name != nil {
			result.Collation, result.Loose, result.Bytewise = *c.name, c.loose, c.bytewise
		}
	}
	return result
}

// checksOf returns the checks of a domain and of those that it is based on.
func checksOf(types map[uint32]pgType, id uint32) (checks []string) {
	for t := types[id]; t.kind == 'd'; t = types[t.base] {
		checks = append(checks, t.checks...)
	}
	return checks
}

// digits reads the modifier of a numeric as PostgreSQL's numeric.c does.
func digits(modifier int32) (precision, scale int) {
	const header = 4
	if modifier < header {
		return 0, 0
	}
	m := int(modifier) - header
	return m >> 16 & 0xffff, (m&0x7ff ^ 1024) - 1024
}

// maxCommon is how many of the most common values are read.
const maxCommon = 20

func readAttributes(ctx context.Context, tx pgx.Tx, c *description.Catalog, ids []uint32, types map[uint32]pgType) error {
	rows, err := tx.Query(ctx, `
		select a.attrelid, a.attnum, a.attname::text, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull,
			a.attidentity <> '', a.attgenerated::text,
			case when a.attgenerated = '' then coalesce(pg_get_expr(d.adbin, d.adrelid), '') else '' end,
			case when a.attgenerated <> '' then coalesce(pg_get_expr(d.adbin, d.adrelid), '') else '' end,
			l.collname::text, not coalesce(l.collisdeterministic, true),
			coalesce(case
				when l.collprovider = 'd' then b.datlocprovider = 'b' or b.datlocprovider = 'c' and b.datcollate in ('C', 'POSIX')
				else l.collprovider = 'b' or l.collprovider = 'c' and l.collcollate in ('C', 'POSIX')
			end, false),
			s.n_distinct is not null, coalesce(s.n_distinct, 0)::float8, coalesce(s.null_frac, 0)::float8, coalesce(s.avg_width, 0),
			case when t.typdelim = ',' then coalesce((s.most_common_vals::text::text[])[1:$2], '{}') else '{}' end
		from pg_attribute as a
		join pg_class as r on r.oid = a.attrelid
		join pg_namespace as n on n.oid = r.relnamespace
		join pg_database as b on b.datname = current_database()
		join pg_type as t on t.oid = a.atttypid
		left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
		left join pg_collation as l on l.oid = a.attcollation
		left join pg_stats as s on s.schemaname = n.nspname and s.tablename = r.relname and s.attname = a.attname and not s.inherited
		where a.attrelid = any ($1) and a.attnum > 0 and not a.attisdropped
		order by a.attrelid, a.attnum`, ids, maxCommon)
	if err != nil {
		return err
	}
	var id, typeID uint32
	var a description.Attribute
	var modifier int32
	var declared, generated string
	var l collation
	into := []any{
		&id, &a.Number, &a.Name, &typeID, &modifier, &declared, &a.NotNull, &a.Identity, &generated, &a.Default, &a.Expression,
		&l.name, &l.loose, &l.bytewise,
		&a.Stats.Known, &a.Stats.Distinct, &a.Stats.NullFrac, &a.Stats.Width, &a.Stats.Common,
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		row := a
		row.Type = typeOf(types, typeID, modifier, declared, l)
		row.Checks = checksOf(types, typeID)
		row.Generated = description.Generated(generated)
		r := relationOf(c, ids, id)
		r.Attributes = append(r.Attributes, row)
		return nil
	})
	return err
}

// relationOf returns the relation of an oid that was read.
func relationOf(c *description.Catalog, ids []uint32, id uint32) *description.Relation {
	for i := range ids {
		if ids[i] == id {
			return &c.Relations[i]
		}
	}
	return new(description.Relation)
}

func readIndexes(ctx context.Context, tx pgx.Tx, c *description.Catalog, ids []uint32) error {
	rows, err := tx.Query(ctx, `
		select i.indrelid, x.relname::text, m.amname::text, i.indisprimary, i.indisunique and i.indimmediate, i.indisvalid and i.indisready, i.indpred is not null,
			i.indkey::int2[], i.indnkeyatts, coalesce(pg_get_expr(i.indexprs, i.indrelid), '')
		from pg_index as i
		join pg_class as x on x.oid = i.indexrelid
		join pg_am as m on m.oid = x.relam
		where i.indrelid = any ($1)
		order by i.indrelid, x.relname`, ids)
	if err != nil {
		return err
	}
	var id uint32
	var x description.IndexInfo
	into := []any{&id, &x.Name, &x.Method, &x.Primary, &x.Unique, &x.Valid, &x.Partial, &x.Columns, &x.Keys, &x.Expressions}
	_, err = pgx.ForEachRow(rows, into, func() error {
		r := relationOf(c, ids, id)
		r.Indexes = append(r.Indexes, x)
		x.Columns = nil
		return nil
	})
	return err
}

func readForeignKeys(ctx context.Context, tx pgx.Tx, c *description.Catalog, ids []uint32) error {
	rows, err := tx.Query(ctx, `
		select fn.nspname::text, f.relname::text, k.conkey[1], tn.nspname::text, t.relname::text, k.confkey[1]
		from pg_constraint as k
		join pg_class as f on f.oid = k.conrelid
		join pg_namespace as fn on fn.oid = f.relnamespace
		join pg_class as t on t.oid = k.confrelid
		join pg_namespace as tn on tn.oid = t.relnamespace
		where k.contype = 'f' and cardinality(k.conkey) = 1 and k.conrelid = any ($1)
		order by k.conrelid, k.conkey, k.confrelid, k.conname`, ids)
	if err != nil {
		return err
	}
	c.ForeignKeys, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (k description.ForeignKey, err error) {
		return k, row.Scan(&k.From.Schema, &k.From.Name, &k.FromColumn, &k.To.Schema, &k.To.Name, &k.ToColumn)
	})
	return err
}
