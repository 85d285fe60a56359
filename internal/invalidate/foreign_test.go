package invalidate_test

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/schema"
)

//go:embed testdata/foreign.sql
var foreignSQL string

// foreignTable is a table of foreign.sql, and how one row more is made of one that is there.
type foreignTable struct {
	relation description.RelationName
	own      map[string]string // what is every row's own, in SQL; $1 is a number that no row has
}

var foreignTables = []foreignTable{
	{description.RelationName{Schema: "public", Name: "Property Listings"}, nil},
	{description.RelationName{Schema: "crm", Name: "deals v2.1"}, map[string]string{"uuid": "md5($1::text)::uuid"}},
	{description.RelationName{Schema: "public", Name: "stock"}, map[string]string{"sku": "'SKU/' || $1::text || ' ä'"}},
	{description.RelationName{Schema: "public", Name: "user"}, map[string]string{"id": "$1::integer", "username": "'user' || $1::text"}},
	{description.RelationName{Schema: "public", Name: "reviews"}, map[string]string{"id": "$1::integer"}},
	{description.RelationName{Schema: "public", Name: "wide"}, map[string]string{"id": "$1::bigint"}},
}

// foreign returns a deployment of the tables of foreign.sql, with the description that is drafted of
// them, as it is.
func foreign(t testing.TB) *deployment.Deployment {
	t.Helper()
	d := deployment.New(t, deployment.Options{})
	d.Exec(foreignSQL)
	conn := d.Connect()
	var names []description.RelationName
	for _, f := range foreignTables {
		names = append(names, f.relation)
	}
	catalog, err := schema.ReadCatalog(t.Context(), conn, names)
	d.Must(err)
	draft, faults := description.Draft(catalog, names)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	done, err := schema.InstallFile(t.Context(), conn, schema.File{Name: "draft.yaml", Text: draft})
	if err != nil {
		t.Fatalf("%v\n%s", err, draft)
	}
	d.Site = listing.NewSite(done.Description)
	t.Log(draft)
	return d
}

// removals are what the edits of one table came to.
type removals struct {
	edits, removed, needless, stale int
	judged                          int            // searches removed needlessly by what only PostgreSQL can judge: a new row, other words; not among the others
	why                             map[string]int // needless ones, by what was edited and asked for
}

// editor edits a foreign table at random, and holds what is cached against the database.
type editor struct {
	*deployment.Deployment
	api     *deployment.API
	conn    *pgx.Conn
	heard   *deployment.Purges
	random  *rand.Rand
	made    int // rows
	queries []string
	answers []answer // to them, now
}

// Tables of other people, as they are described by the draft: whatever is edited, nothing is
// stale, and at most one of twenty removals is needless, those apart for which PostgreSQL would have to
// be asked whether a search finds other words.
func TestForeignTables(t *testing.T) {
	t.Parallel()
	foreignEdits(t, 6)
}

// BenchmarkForeignTables is the same with more edits of each table:
//
//	go test -run '^$' -bench ForeignTables -benchtime 100x -timeout 30m ./internal/invalidate
func BenchmarkForeignTables(b *testing.B) {
	sum := foreignEdits(b, b.N)
	b.ReportMetric(float64(sum.stale), "stale")
	b.ReportMetric(float64(sum.removed), "removed")
	b.ReportMetric(float64(sum.needless), "needless")
	b.ReportMetric(0, "ns/op")
}

// foreignEdits makes so many edits of each foreign table.
func foreignEdits(t testing.TB, edits int) (sum removals) {
	d := foreign(t)
	d.Invalidate()
	e := editor{Deployment: d, api: d.API(), conn: d.Connect(), heard: d.Listen(), random: rand.New(rand.NewPCG(15, 2)), made: 5000}
	var all []string
	for _, table := range d.Site.Tables {
		all = append(all, e.queriesOf(table)...)
	}
	for i, f := range foreignTables {
		table := d.Site.Tables[i]
		e.answers, e.queries = nil, slices.DeleteFunc(slices.Clone(all), func(text string) bool {
			q := d.Query(text)
			return q.Table != table && !slices.ContainsFunc(q.Joins(), func(j *listing.Join) bool { return j.Inner == table })
		})
		got := e.edit(table, f, edits)
		t.Logf("%s: %d edits, %d of %d removals needless", f.relation, got.edits, got.needless, got.removed)
		for why, n := range got.why {
			t.Logf("%5d needless: %s", n, why)
		}
		sum.edits, sum.removed, sum.needless, sum.stale, sum.judged = sum.edits+got.edits, sum.removed+got.removed, sum.needless+got.needless, sum.stale+got.stale, sum.judged+got.judged
		if got.removed < edits {
			t.Errorf("%s: %d removals prove little", f.relation, got.removed)
		}
	}
	t.Logf("%d queries, %d edits, %d stale, %d of %d removals needless, and %d of searches by new words", len(all), sum.edits, sum.stale, sum.needless, sum.removed, sum.judged)
	if sum.stale > 0 || 20*sum.needless > sum.removed {
		t.Errorf("%d answers were stale, and %d of %d removals needless, want at most 5 %%", sum.stale, sum.needless, sum.removed)
	}
	return sum
}

// queriesOf returns what is asked for of a table: pages in every order, rows, and by each filter
// for values that rows have.
func (e *editor) queriesOf(t *listing.Table) (texts []string) {
	e.Helper()
	var queries []listing.Query
	for sort := range t.Orders {
		queries = append(queries, listing.Query{Table: t, Sort: sort, Limit: listing.DefaultLimit})
	}
	queries = append(queries, listing.Query{Table: t, Kind: listing.SummaryKind})
	for range 5 {
		key, ok := e.valueOf(t, t.KeyColumn())
		if ok {
			queries = append(queries, t.RowQuery(key))
		}
	}
	for i, p := range t.Parameters {
		for range 2 {
			condition := listing.Condition{Parameter: i}
			v, ok := e.valueOf(t, &t.Columns[p.Column])
			switch p.Kind {
			case description.Words:
				condition.Text = []string{"house", "thing", "deal", "review"}[e.random.IntN(4)]
			case description.BBox:
				west, south := -122+e.random.Float64(), 38+e.random.Float64()/2
				condition.Box = listing.Box{West: west, South: south, East: west + 0.5, North: south + 0.5}
			case description.AnyOf, description.Contains:
				condition.Values = []listing.Value{v}
			default:
				condition.Bound = v
			}
			if !ok && p.Kind != description.Words && p.Kind != description.BBox {
				continue
			}
			queries = append(queries, listing.Query{Table: t, Filter: listing.Filter{condition}, Sort: e.random.IntN(len(t.Orders)), Limit: listing.DefaultLimit})
			if e.random.IntN(4) == 0 {
				queries = append(queries, listing.Query{Table: t, Kind: listing.SummaryKind, Filter: listing.Filter{condition}})
			}
		}
	}
	for _, q := range queries {
		if text := q.String(); !slices.Contains(texts, text) {
			if _, err := e.Site.Parse(text); err != nil {
				e.Errorf("%s: %v", text, err)
				continue
			}
			texts = append(texts, text)
		}
	}
	return texts
}

// valueOf returns a value of some row that can be asked for: of an array, one of its elements.
func (e *editor) valueOf(t *listing.Table, c *listing.Column) (listing.Value, bool) {
	e.Helper()
	expression, name := description.QuoteIdentifier(c.Name), c
	if c.Element != nil {
		expression, name = expression+"[1]", c.Element
	}
	var text *string
	e.Must(e.conn.QueryRow(e.Context(), fmt.Sprintf("select to_json(%s) #>> '{}' from %s order by md5(%s::text || $1) limit 1",
		expression, t.Relation.SQL(), description.QuoteIdentifier(t.KeyColumn().Name)), fmt.Sprint(e.random.Uint64())).Scan(&text))
	if text == nil {
		return listing.Value{}, false
	}
	v, must := name.ParseValue(*text)
	return v, must == ""
}

// edit makes edits of single rows, one after the other.
func (e *editor) edit(t *listing.Table, f foreignTable, edits int) removals {
	e.Helper()
	got := removals{why: map[string]int{}}
	for got.edits < edits {
		what, sql := e.statement(t, f)
		e.apply(&got, what, sql)
	}
	return got
}

// apply makes an edit, and adds what it comes to: what the invalidator says that it has purged, and what of
// that need not have been, for its answer is as it was.
func (e *editor) apply(got *removals, what, sql string) {
	e.Helper()
	if e.answers == nil {
		e.answers = e.read()
	}
	before := e.answers
	e.AwaitApplied(e.Exec(sql))
	end := fmt.Sprint("the end of edit ", e.random.Uint64())
	e.Must(e.Redis.Publish(e.Context(), e.Space.Purged(0), end).Err())
	removed, _ := e.heard.Until(end)
	got.edits++
	e.answers = e.read()
	for i, q := range e.queries {
		now := e.answers[i]
		if now.shown != now.fresh {
			got.stale++
			e.Errorf("%s: %s is stale", sql, q)
		}
		switch needless := removed[q] && before[i].fresh == now.fresh; {
		case needless && e.judges(q, what):
			got.judged++
			continue
		case needless:
			got.needless++
			got.why[what+": "+q]++
		}
		if removed[q] {
			got.removed++
		}
	}
}

// judges reports whether only PostgreSQL can say if a search finds what an edit brings.
func (e *editor) judges(query, what string) bool {
	q := e.Query(query)
	search := slices.ContainsFunc(q.Filter, func(c listing.Condition) bool { return c.Text != "" })
	return search && (what == "insert" || slices.ContainsFunc(q.Table.Searched(), func(column int) bool {
		return what == description.QuoteIdentifier(q.Table.Columns[column].Name)
	}))
}

// read reads all queries through the cache and past it.
func (e *editor) read() []answer { return readAll(e.Deployment, e.api, e.queries) }

// statement returns an edit of one row, and what kind it is: a column comes to have the value that it has in
// another row, or a row comes or goes.
func (e *editor) statement(t *listing.Table, f foreignTable) (what, sql string) {
	e.Helper()
	relation, key := f.relation.SQL(), description.QuoteIdentifier(t.KeyColumn().Name)
	row := func() string {
		return fmt.Sprintf("(select %[1]s from %[2]s order by md5(%[1]s::text || '%[3]d') limit 1)", key, relation, e.random.Uint64())
	}
	columns := e.columns(f)
	switch e.random.IntN(10) {
	case 0:
		return "delete", fmt.Sprintf("delete from %s where %s = %s", relation, key, row())
	case 1:
		e.made++
		var values []string
		for _, c := range columns {
			value, own := f.own[c]
			if !own {
				value = description.QuoteIdentifier(c)
			}
			values = append(values, strings.ReplaceAll(value, "$1", fmt.Sprint(e.made)))
		}
		return "insert", fmt.Sprintf("insert into %[1]s (%[2]s) select %[3]s from %[1]s where %[4]s = %[5]s",
			relation, quoteAll(columns), strings.Join(values, ", "), key, row())
	}
	for {
		c := columns[e.random.IntN(len(columns))]
		if _, own := f.own[c]; !own {
			c := description.QuoteIdentifier(c)
			return c, fmt.Sprintf("update %[1]s set %[2]s = (select %[2]s from %[1]s where %[3]s = %[4]s) where %[3]s = %[5]s", relation, c, key, row(), row())
		}
	}
}

// columns returns the columns of a table that a statement can set.
func (e *editor) columns(f foreignTable) []string {
	e.Helper()
	rows, err := e.conn.Query(e.Context(), `select attname::text from pg_attribute
		where attrelid = $1::regclass and attnum > 0 and attgenerated = '' and attidentity <> 'a' order by attnum`, f.relation.SQL())
	e.Must(err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	e.Must(err)
	return names
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = description.QuoteIdentifier(n)
	}
	return strings.Join(quoted, ", ")
}
