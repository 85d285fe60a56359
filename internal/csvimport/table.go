package csvimport

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// attribute is what the catalog says of one column of the table, described or not.
type attribute struct {
	name      string
	notNull   bool
	identity  bool
	always    bool // GENERATED ALWAYS: a row that is there keeps its value
	generated bool
	standard  string // SQL for the value that it has by default; "" if there is none
	sequence  string // SQL for the sequence that gives its values; "" if there is none
	unique    bool   // no two rows have the same value, and ON CONFLICT can rest on that
}

// attributes reads the catalog.
func attributes(ctx context.Context, tx pgx.Tx, t *listing.Table) ([]attribute, error) {
	const query = `
		select a.attname::text, a.attnotnull, a.attidentity <> '', a.attidentity = 'a', a.attgenerated <> '',
			case when a.attgenerated = '' then coalesce(pg_get_expr(d.adbin, d.adrelid), '') else '' end,
			coalesce(pg_get_serial_sequence($1::text, a.attname::text), ''),
			exists (
				select from pg_index as i
				where i.indrelid = a.attrelid and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
					and i.indnkeyatts = 1 and i.indkey[0] = a.attnum
			)
		from pg_attribute as a left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
		where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped
		order by a.attnum`
	rows, err := tx.Query(ctx, query, t.Relation.SQL())
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", t.Relation, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a attribute, err error) {
		err = row.Scan(&a.name, &a.notNull, &a.identity, &a.always, &a.generated, &a.standard, &a.sequence, &a.unique)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", t.Relation, err)
	}
	for i := range list {
		if a := &list[i]; a.identity {
			a.standard = "nextval(" + description.QuoteLiteral(a.sequence) + "::regclass)"
		}
	}
	return list, nil
}

func attributeOf(list []attribute, name string) *attribute {
	if i := slices.IndexFunc(list, func(a attribute) bool { return a.name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}
