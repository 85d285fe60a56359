package feed_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// walk takes each column of a table through values that it can hold.
type walk struct {
	*rig
	table   *listing.Table
	keys    [3]string           // of the rows, in SQL, the third of which no edit touches
	copies  string              // the columns and a SELECT of very many rows, by generate_series n
	values  map[string][]string // in SQL, by column; each is another value than its neighbours
	follows map[string]string   // columns that PostgreSQL computes from another, by that one

	before, after map[string]string // the stored words of the rows, by their keys, around the last edit
}

// walks returns a walk through each table of properties and of the table with every type.
func walks(t *testing.T) []*walk {
	t.Helper()
	p := &walk{rig: newRig(t), keys: [3]string{"1", "2", "3"}, values: map[string][]string{}}
	p.exec(listingtest.DropChecks)
	p.table = p.feed.Site.Table("properties")
	for _, c := range listingtest.Columns() {
		p.values[c.Name] = c.Values
	}
	p.copies = `(id, title, property_type, status, price, city, postal_code, bedrooms, bathrooms, living_area, latitude, longitude, created_at, updated_at)
		select n, 'title', 'Condo', 'sold', n, 'GALT', 'code', 7, 7.5, 700, 7, 7, '2007-07-07Z', '2007-07-07Z'`
	e := &walk{rig: every(t), keys: [3]string{"'a'", "'b'", "'c'"}, values: map[string][]string{}, follows: map[string]string{"small": "doubled"}}
	e.table = e.feed.Site.Table("every")
	e.exec(`insert into "Every Type" ("Key") values ('a'), ('b'), ('c')`)
	e.exec(`alter table "Every Type" alter column serial drop identity`)
	for i := range e.table.Columns {
		e.values[e.table.Columns[i].Name] = valuesOf(&e.table.Columns[i])
	}
	delete(e.values, "doubled")
	e.copies = `("Key", serial, words) select 'k' || n, n, 'words'`
	e.drain()
	return []*walk{p, e}
}

// valuesOf returns values, in SQL, that a column's type can hold. The first is another one than
// its default.
func valuesOf(c *listing.Column) []string {
	if c.Element != nil {
		kind := "::" + c.Type.Name
		some := slices.DeleteFunc(elements(c.Element), func(v string) bool { return v == "null" })
		return []string{
			"'{}'", "array[" + some[0] + "]" + kind, "array[" + some[0] + ", null]" + kind, "null",
			"array[" + strings.Join(some, ", ") + "]" + kind, "array[[" + some[1] + ", " + some[0] + "]]" + kind,
			"array[" + some[1] + ", " + some[0] + "]" + kind,
		}
	}
	return elements(c)
}

func elements(c *listing.Column) []string {
	long := "repeat('long ', 300000)"
	switch c.Type.Kind {
	case description.Smallint:
		return []string{"32767", "0", "-32768", "null", "7"}
	case description.Integer:
		return []string{"2147483647", "0", "-2147483648", "null", "7"}
	case description.Bigint:
		return []string{"9223372036854775807", "0", "-9223372036854775808", "7"}
	case description.Numeric:
		if c.Type.Precision == 0 {
			return []string{"1", "1.0", "'NaN'", "'Infinity'", "-1e40", "null", "0.1"}
		}
		if c.Type.Scale < 0 {
			return []string{"9999900", "0", "'NaN'", "-100", "null", "700"}
		}
		return []string{"0.01", "'NaN'", "0", "-0.99", "null", "0.5"}
	case description.Real, description.Double:
		return []string{"'-0'", "0", "'NaN'", "'Infinity'", "-1e30", "null", "7.5"}
	case description.Boolean:
		return []string{"true", "false", "null"}
	case description.Date:
		return []string{"'2024-02-29'", "'infinity'", "'-infinity'", "'4714-11-24 BC'", "'5874897-12-31'", "null", "'2000-01-01'"}
	case description.Timestamp, description.TimestampTZ:
		return []string{"'2024-02-29 12:34:56.789'", "'infinity'", "'-infinity'", "'4714-11-24 00:00:00 BC'", "'294276-12-31 23:59:59.999999'", "'2000-01-01'"}
	case description.UUID:
		return []string{"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "null", "'0123456789abcdef0123456789abcdef'"}
	case description.Enum:
		return []string{`'it''s, "odd"'`, "'as good as new'", "'new'"}
	case description.Varchar, description.Char:
		return []string{"'x'", "''", "'🏡'", "null", "'Ä b'"}
	case description.Text:
		if c.NotNull {
			return []string{"'x'", "''", "'🏡'", "'X'", long, "'Ä b'"}
		}
		return []string{"'x'", "'X'", "''", "null", long, "'Ä b'"}
	}
	if c.Type.Name == "inet" {
		return []string{"'10.0.0.1'", "'10.0.0.1/8'", "null", "'::1'"}
	}
	return []string{`'{"a": 1}'`, `'{"a": 1.0}'`, "null", "'null'", `'["x"]'`}
}

// update returns the UPDATE of one column.
func (w *walk) update(column, value, where string) string {
	return fmt.Sprintf("update %s set %s = %s where %s %s", w.table.Relation.SQL(), description.QuoteIdentifier(column), value,
		description.QuoteIdentifier(w.table.KeyColumn().Name), where)
}

// changeOf is a change of one column in words.
func (w *walk) changeOf(key, column string) string {
	changed := listing.ColumnSet(w.table.Column(column))
	if other, ok := w.follows[column]; ok {
		changed |= listing.ColumnSet(w.table.Column(other))
	}
	if v := w.table.Vector; v != nil && w.before[key] != w.after[key] {
		changed |= listing.ColumnSet(*v)
	}
	c := match.Change{Table: w.table, HasOld: true, HasNew: true, New: w.keyed(key), Changed: changed}
	return describe(&c)
}

// edit executes an edit, and notes the stored words around it.
func (w *walk) edit(sql string) {
	w.Helper()
	w.before = w.words()
	w.exec(sql)
	w.after = w.words()
}

// words returns the stored words of the rows, by their keys.
func (w *walk) words() map[string]string {
	w.Helper()
	words := map[string]string{}
	if v := w.table.Vector; v != nil {
		for _, key := range w.keys {
			var text string
			query := fmt.Sprintf("select coalesce((select %s::text from %s where %s = %s), '')", description.QuoteIdentifier(w.table.Columns[*v].Name),
				w.table.Relation.SQL(), description.QuoteIdentifier(w.table.KeyColumn().Name), key)
			if err := w.conn.QueryRow(w.Context(), query).Scan(&text); err != nil {
				w.Fatal(err)
			}
			words[key] = text
		}
	}
	return words
}

func (w *walk) keyed(key string) listing.Row {
	v, must := w.table.KeyColumn().ParseValue(strings.Trim(key, "'"))
	if must != "" {
		w.Fatalf("key %s must be %s", key, must)
	}
	r := w.table.NewRow()
	r.Values[w.table.Key] = v
	return r
}

// Whatever a column comes to hold, a change of it is captured and decoded as that of exactly
// this column, of one row and of several.
func TestEachColumn(t *testing.T) {
	t.Parallel()
	for _, w := range walks(t) {
		for i := range w.table.Columns {
			name := w.table.Columns[i].Name
			if i == w.table.Key {
				continue
			}
			for _, v := range w.values[name] {
				w.edit(w.update(name, v, "= "+w.keys[0]))
				w.expect(w.changeOf(w.keys[0], name))
				w.edit(w.update(name, v, "<> "+w.keys[0]))
				w.expect(w.changeOf(w.keys[1], name), w.changeOf(w.keys[2], name))
			}
			if len(w.values[name]) == 0 && !w.table.Columns[i].Generated {
				t.Errorf("no values of %s.%s are tried", w.table.Name, name)
			}
		}
		w.eachKey()
	}
}

// eachKey: another key is a row that went and one that came.
func (w *walk) eachKey() {
	w.Helper()
	prefix := ""
	if w.table.Name != "properties" {
		prefix = w.table.Name + ": "
	}
	was := w.keys[0]
	for _, v := range w.values[w.table.KeyColumn().Name] {
		if strings.HasPrefix(v, "repeat(") {
			continue
		}
		w.exec(w.update(w.table.KeyColumn().Name, v, "= "+was))
		w.expect(prefix+"delete "+strings.Trim(was, "'"), prefix+"insert "+strings.Trim(v, "'"))
		was = v
	}
}

// Very many rows get all of each column's values by one statement. Its envelope holds every row
// of it, before and after. A statement that changes only a column of which nothing else is
// captured has an envelope, too.
func TestEachColumnInBulk(t *testing.T) {
	t.Parallel()
	for _, w := range walks(t) {
		t.Run(w.table.Name, func(t *testing.T) {
			t.Parallel()
			w.TB = t
			w.inBulk()
		})
	}
}

func (w *walk) inBulk() {
	w.Helper()
	w.exec(fmt.Sprintf("insert into %s %s from generate_series(1001, 11100) as n", w.table.Relation.SQL(), w.copies))
	w.drain()
	key := description.QuoteIdentifier(w.table.KeyColumn().Name)
	before := w.rowsOf(key, 7)
	var all []string
	masked := w.table.Masked()
	for i := range w.table.Columns {
		name := w.table.Columns[i].Name
		if i == w.table.Key || len(w.values[name]) == 0 {
			continue
		}
		set := description.QuoteIdentifier(name) + " = " + w.anyOf(key, &w.table.Columns[i])
		all = append(all, set)
		if slices.Contains(masked, i) {
			w.bulk(set)
		}
	}
	e := w.bulk(strings.Join(all, ", "))
	after := w.rowsOf(key, 8)
	if len(before) == 0 || len(after) == 0 {
		w.Fatal("no rows are held against the envelope")
	}
	for _, r := range append(before, after...) {
		for i := range w.table.Columns {
			w.holds(e, i, &r)
		}
	}
}

// anyOf returns SQL that gives each row another one of a column's values, but for long ones.
func (w *walk) anyOf(key string, c *listing.Column) string {
	values := slices.DeleteFunc(slices.Clone(w.values[c.Name]), func(v string) bool { return strings.HasPrefix(v, "repeat(") })
	each := fmt.Sprintf("case abs(hashtext(%s::text)) %% %d", key, len(values))
	for n, v := range values {
		each += fmt.Sprintf(" when %d then (%s)::%s", n, v, c.Type.Name)
	}
	return each + " end"
}

// bulk updates all rows and returns the envelope of that.
func (w *walk) bulk(set string) *match.Envelope {
	w.Helper()
	w.exec("update " + w.table.Relation.SQL() + " set " + set)
	changes := w.drain()
	if len(changes) != 1 || changes[0].Kind != match.BulkChange {
		w.Fatalf("%s: %.60s: %d changes, want one envelope", w.table.Name, set, len(changes))
	}
	return changes[0].Bulk
}

// rowsOf deletes some rows and returns them, as capture shows them one by one.
func (w *walk) rowsOf(key string, of300 int) (rows []listing.Row) {
	w.Helper()
	w.exec(fmt.Sprintf("delete from %s where abs(hashtext(%s::text)) %% 300 = %d", w.table.Relation.SQL(), key, of300))
	for _, c := range w.drain() {
		rows = append(rows, c.Old)
	}
	return rows
}

// holds fails the test unless an envelope holds a row's value of a column.
func (w *walk) holds(e *match.Envelope, column int, r *listing.Row) {
	w.Helper()
	c := &w.table.Columns[column]
	values, told := e.Sets[column]
	null, order := r.Null(column), c.Order(r.Values[column])
	switch {
	case !e.Changed.Has(column):
	case null && e.Nulls.Has(column), null && !slices.Contains(w.table.Image(), column):
		return
	case null:
	case e.Bounded.Has(column) && (e.Least.Null(column) || order < c.Order(e.Least.Values[column]) || order > c.Order(e.Greatest.Values[column])):
	case told && values != nil && !slices.Contains(values, r.Values[column]):
	default:
		return
	}
	w.Errorf("the envelope does not hold %s of %+v:\n%s", c.Name, *r, boundsOf(w.table, e)[c.Name])
}
