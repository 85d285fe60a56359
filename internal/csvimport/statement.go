package csvimport

import (
	"fmt"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// The names of what an import makes for its transaction.
const (
	staging = "pg_temp.freshlist_import"
	ticking = "pg_temp.freshlist_import_tick"
)

// tickEvery is after how many rows the statement says how far it is.
const tickEvery = 5000

// load is one import on its way: the SQL of it.
type load struct {
	table      *listing.Table
	attributes []attribute
	targets    []target
	key        *target // by which rows are found; nil: the file has no key, and every row is new
}

// column is the name in the staging table of the values of a target.
func column(i int) string { return fmt.Sprintf("c%d", i) }

func ident(name string) string { return description.QuoteIdentifier(name) }

// createStaging makes the temporary table. Its columns have no lengths and no domains, so that
// PostgreSQL checks values against those where it writes them into the table itself.
func (l *load) createStaging() string {
	columns := []string{"n bigint", "line bigint"}
	for i := range l.targets {
		kind := "text" // JSON, of which PostgreSQL makes a value of any type
		if c := l.targets[i].Column; c.Form != listing.JSON {
			kind = c.Castable()
		}
		columns = append(columns, column(i)+" "+kind)
	}
	return "create temporary table freshlist_import (" + strings.Join(columns, ", ") + ") on commit drop"
}

// createTick makes the function that says how far the statement is.
func (l *load) createTick() string {
	return "create or replace function " + ticking + "(n bigint) returns boolean language plpgsql as $$ begin raise notice '" + tickPrefix + "%', n; return true; end $$"
}

// value is the SQL of a target's value in row s of the staging table.
func (l *load) value(i int) string {
	t := &l.targets[i]
	value := "s." + column(i)
	if t.Form == listing.JSON {
		// As in package database: the record is not one of the table, whose other columns may be of domains
		// that are NOT NULL.
		value = fmt.Sprintf(`case when %s is not null then (select v from json_to_record(('{"v": ' || %s || '}')::json) as r(v %s)) end`,
			value, value, t.Type.Name)
	}
	if t.notNull && t.standard != "" {
		value = fmt.Sprintf("coalesce(%s, %s)", value, t.standard)
	}
	return value
}

// write is the one statement: it adds the rows of the staging table from number first to last,
// or changes those that have the same key, if anything in them differs. It returns how many it
// has added, and how many it has changed.
func (l *load) write(first, last int64) string {
	var names, values []string
	identity := false
	for i := range l.targets {
		names, values = append(names, ident(l.targets[i].Column.Name)), append(values, l.value(i))
		identity = identity || l.targets[i].identity
	}
	for i := range l.table.Columns {
		if c := &l.table.Columns[i]; c.Write == description.SetNow && !c.Default && l.target(c.Name) == nil {
			names, values = append(names, ident(c.Name)), append(values, "now()")
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "with written as (insert into %s as t (%s)", l.table.Relation.SQL(), strings.Join(names, ", "))
	if identity {
		b.WriteString(" overriding system value")
	}
	fmt.Fprintf(&b, " select %s from %s as s where s.n between %d and %d and (s.n %% %d <> 0 or %s(s.n))",
		strings.Join(values, ", "), staging, first, last, tickEvery, ticking)
	if l.key != nil {
		fmt.Fprintf(&b, " on conflict (%s) do ", ident(l.key.Column.Name))
		l.change(&b)
	}
	b.WriteString(" returning t.xmax = 0 as added) select count(*) filter (where added), count(*) filter (where not added) from written")
	return b.String()
}

// change adds what becomes of a row that is there: the file's columns are set, and the time of
// change if the file does not have it. A row that has all values already, byte for byte, is left
// alone. A key never changes.
func (l *load) change(b *strings.Builder) {
	var sets, old, new []string
	for i := range l.targets {
		t := &l.targets[i]
		if t.Number == l.table.Key || t.Number == l.key.Number || t.always {
			continue
		}
		name := ident(t.Column.Name)
		sets = append(sets, name+" = excluded."+name)
		old, new = append(old, "t."+name), append(new, "excluded."+name)
	}
	if len(sets) == 0 {
		b.WriteString("nothing")
		return
	}
	for i := range l.table.Columns {
		if c := &l.table.Columns[i]; c.Write == description.SetNow && l.target(c.Name) == nil {
			sets = append(sets, ident(c.Name)+" = clock_timestamp()")
		}
	}
	fmt.Fprintf(b, "update set %s where row(%s)::record *<> row(%s)::record", strings.Join(sets, ", "), strings.Join(old, ", "), strings.Join(new, ", "))
}

func (l *load) target(name string) *target { return targetOf(l.targets, name) }

// index is a target's number.
func (l *load) index(t *target) int {
	for i := range l.targets {
		if &l.targets[i] == t {
			return i
		}
	}
	return -1
}

// doubled finds keys that the file has more than once.
func (l *load) doubled() string {
	key := "s." + column(l.index(l.key))
	return fmt.Sprintf("select (%[1]s)::text, array_agg(s.line order by s.n) from %[2]s as s where %[1]s is not null group by %[1]s having count(*) > 1 order by min(s.n)", key, staging)
}

// advance moves a sequence behind the greatest value that the file has for its column, so that
// values which PostgreSQL gives later are new. It never moves one back.
func (l *load) advance(i int) string {
	t := &l.targets[i]
	return fmt.Sprintf("select setval(%[1]s::regclass, given.greatest) from (select max(%[2]s)::bigint as greatest from %[3]s) as given, %[4]s as q"+
		" where (given.greatest > q.last_value or given.greatest = q.last_value and not q.is_called)"+
		" and exists (select from pg_sequence as d where d.seqrelid = %[1]s::regclass and d.seqincrement > 0 and given.greatest <= d.seqmax)", description.QuoteLiteral(t.sequence), column(i), staging, t.sequence)
}
