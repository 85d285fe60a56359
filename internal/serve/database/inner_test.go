package database_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// joinedTables makes the tables of homes, agents and photos, with rows that name what is there,
// what is not there, and nothing.
func joinedTables(t *testing.T) (pgtest.Database, *pgx.Conn) {
	t.Helper()
	db := migrated.New(t)
	conn := connect(t, with(t, db.Superuser, "search_path", "pg_catalog,public"))
	exec(t, conn, listingtest.JoinedSQL)
	for _, table := range listingtest.JoinedSite().Tables {
		exec(t, conn, "grant select, insert, update, delete on "+table.Relation.SQL()+" to freshlist_api")
	}
	agents, homes, photos := relation("agents"), relation("homes"), relation("photos")
	exec(t, conn, `insert into `+agents+` (code, name, phone) select 'Agent ' || n, 'Name ' || n % 3, nullif(n % 2, 0)::text from generate_series(1, 6) as n`)
	exec(t, conn, `insert into `+homes+` (id, title, price, listed, agent, seller, next_to)
		select n, 'home ' || n % 4, nullif(n % 5, 0), '2020-01-01'::timestamptz + n % 7 * interval '1 day',
			'Agent ' || nullif(n % 9, 0), 'Agent ' || n % 3, nullif(n % 11, 0) from generate_series(1, 40) as n`)
	exec(t, conn, `insert into `+photos+` (id, home, position, url)
		select ('00000000-0000-4000-8000-' || lpad((n * 7 % 151)::text, 12, '0'))::uuid, nullif(n % 50, 0), nullif(n % 3, 0), 'https://example.org/' || n
		from generate_series(1, 150) as n`)
	return db, conn
}

func relation(table string) string {
	return listingtest.JoinedSite().Table(table).Relation.SQL()
}

// innerKeys say in SQL of their own which rows of another table are inside row $1, in which order.
func innerKeys() map[string]string {
	agents, homes, photos := relation("agents"), relation("homes"), relation("photos")
	return map[string]string{
		"homes agent":  `select code from ` + agents + ` where convert_to(code, 'UTF8') = (select convert_to(agent, 'UTF8') from ` + homes + ` where id::text = $1)`,
		"homes seller": `select code from ` + agents + ` where convert_to(code, 'UTF8') = (select convert_to(seller, 'UTF8') from ` + homes + ` where id::text = $1)`,
		"homes photos": `select id::text from ` + photos + ` as i where home::text = $1 order by position nulls last, i.id`,
		"homes next":   `select id::text from ` + homes + ` where id = (select next_to from ` + homes + ` where id::text = $1)`,
		"homes behind": `select id::text from ` + homes + ` as i where next_to::text = $1 order by i.id`,
		"agents homes": `select id::text from ` + homes + ` as i where convert_to(agent, 'UTF8') = convert_to($1, 'UTF8') order by title, i.id`,
		"photos home":  `select id::text from ` + homes + ` where id = (select home from ` + photos + ` where id::text = $1)`,
	}
}

// Every answer has the inner rows that its rows name, in their order, with the values that lists
// of their own table show.
func TestInnerRows(t *testing.T) {
	t.Parallel()
	db, conn := joinedTables(t)
	reader := database.NewReader(open(t, db.API, 2), nothing)
	reference := innerKeys()
	inner := 0
	check := func(q listing.Query, r *listing.Row) {
		for _, j := range q.Joins() {
			outer := q.Table.KeyColumn().Spell(r.Values[q.Table.Key])
			rows, err := conn.Query(t.Context(), reference[q.Table.Name+" "+j.Name], outer)
			if err != nil {
				t.Fatal(err)
			}
			want, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range r.InnerOf(j) {
				found := r.InnerOf(j)[i]
				got = append(got, j.Inner.KeyColumn().Spell(found.Values[j.Inner.Key]))
				own, err := reader.Read(t.Context(), j.Inner.RowQuery(found.Values[j.Inner.Key]))
				if err != nil {
					t.Fatal(err)
				}
				if differ := found.Differences(&own.Items[0], j.Shown); differ != 0 {
					t.Errorf("%s of %s %s differs from its own row in columns %b", j.Name, q.Table.Name, outer, differ)
				}
				inner++
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s of %s %s are %v, want %v", j.Name, q.Table.Name, outer, got, want)
			}
		}
	}
	for _, table := range listingtest.JoinedSite().Tables {
		page := listing.Query{Table: table, Limit: 100}
		qs, err := reader.Read(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for i := range qs.Items {
			check(page, &qs.Items[i])
			own := table.RowQuery(qs.Items[i].Values[table.Key])
			row, err := reader.Read(t.Context(), own)
			if err != nil || len(row.Items) != 1 {
				t.Fatal(own, len(row.Items), err)
			}
			check(own, &row.Items[0])
			if decoded, err := listing.DecodeQueryset(own, row.Encode()); err != nil || string(decoded.Encode()) != string(row.Encode()) {
				t.Errorf("%s is not what is stored of it: %v", own, err)
			}
		}
		if short, err := reader.Read(t.Context(), listing.Query{Table: table, Limit: 3}); err != nil || len(short.Items) != 3 || !short.Ahead.Valid {
			t.Errorf("a page of three has %d rows: %v", len(short.Items), err)
		}
	}
	if inner < 300 {
		t.Errorf("only %d inner rows were compared", inner)
	}
	absent, err := reader.Read(t.Context(), listingtest.Homes().RowQuery(listing.Value{Number: 4711}))
	if err != nil || len(absent.Items) != 0 {
		t.Errorf("a home that is not there: %v, %v", absent.Items, err)
	}
}

// A row shows at most so many inner rows.
func TestInnerRowsAreBounded(t *testing.T) {
	t.Parallel()
	db, conn := joinedTables(t)
	exec(t, conn, `insert into `+relation("photos")+` select gen_random_uuid(), 1, 1, 'x' from generate_series(1, 130)`)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	homes := listingtest.Homes()
	qs, err := reader.Read(t.Context(), homes.RowQuery(listing.Value{Number: 1}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range homes.Joins {
		if j := &homes.Joins[i]; j.Name == "photos" && len(qs.Items[0].InnerOf(j)) != listing.MaxInner {
			t.Errorf("there are %d photos, want %d", len(qs.Items[0].InnerOf(j)), listing.MaxInner)
		}
	}
}

// Policies on an inner table make an answer one role's, as those on its own table do.
func TestRowSecurityOfInnerRows(t *testing.T) {
	t.Parallel()
	db, conn := joinedTables(t)
	exec(t, conn, `alter table `+relation("photos")+` enable row level security; create policy none on `+relation("photos")+` using (false)`)
	setEpoch(t, conn, "first")
	reader := database.NewReader(open(t, db.API, 1), nothing)
	for text, cached := range map[string]bool{"homes": false, "homes/1": false, "agents": true, "homes/summary": true} {
		q, err := listingtest.JoinedSite().Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, origin, err := reader.ReadWithOrigin(t.Context(), q)
		if err != nil || (origin != "") != cached {
			t.Errorf("the origin of %s is %q, %v", text, origin, err)
		}
	}
}

// A write answers with the row and its inner rows as they are behind it, also where a row of its
// own table is inside, and a precondition sees them too.
func TestWritesReturnInnerRows(t *testing.T) {
	t.Parallel()
	db, conn := joinedTables(t)
	homes := listingtest.Homes()
	writer := database.NewWriter(open(t, db.API, 1))
	fields := func(pairs ...any) (f database.Fields) {
		f.Values = listingtest.Row(homes, pairs...)
		for i := 0; i < len(pairs); i += 2 {
			f.Columns |= listing.ColumnSet(homes.Column(pairs[i].(string)))
		}
		return f
	}
	names := func(r *listing.Row) string {
		var all []string
		for i := range homes.Joins {
			j := &homes.Joins[i]
			for k := range r.InnerOf(j) {
				v := r.InnerOf(j)[k].Values[j.Inner.Label]
				all = append(all, j.Name+" "+j.Inner.Columns[j.Inner.Label].Spell(v))
			}
		}
		return fmt.Sprint(all)
	}
	exec(t, conn, `insert into `+relation("homes")+` (id, title, next_to) values (99, 'lonely', 100)`)
	created, err := writer.Create(t.Context(), homes, fields("id", 100, "title", "new"))
	if err != nil || names(&created.Row) != "[behind lonely]" {
		t.Fatalf("created with %s: %v", names(&created.Row), err)
	}
	exec(t, conn, `update `+relation("homes")+` set next_to = 100, agent = 'Agent 1' where id = 100`)
	const inside = "[agent Name 1 next new behind lonely behind new]"
	saw := ""
	patched, err := writer.Patch(t.Context(), homes, listing.Value{Number: 100}, fields("title", "renamed"), func(r listing.Row) bool {
		saw = names(&r)
		return true
	})
	if err != nil || saw != inside || names(&patched.Row) != "[agent Name 1 next renamed behind lonely behind renamed]" {
		t.Errorf("patched from %s to %s: %v", saw, names(&patched.Row), err)
	}
	same, err := writer.Patch(t.Context(), homes, listing.Value{Number: 100}, fields("title", "renamed"), nil)
	if err != nil || names(&same.Row) != names(&patched.Row) {
		t.Errorf("left as it is with %s: %v", names(&same.Row), err)
	}
}

// What does not fit is told of the table that it is in.
func TestMisfitOfAnInnerTable(t *testing.T) {
	t.Parallel()
	db, conn := joinedTables(t)
	reader := database.NewReader(open(t, db.API, 1), nothing)
	exec(t, conn, `alter table `+relation("agents")+` drop column name cascade`)
	var misfit *database.MisfitError
	_, err := reader.Read(t.Context(), listing.Query{Table: listingtest.Homes(), Limit: 3})
	if !errors.As(err, &misfit) || misfit.Table.Name != "agents" || !slices.Equal(misfit.Columns, []string{"name"}) {
		t.Errorf("the error is %v", err)
	}
	exec(t, conn, `alter table `+relation("agents")+` add name integer`)
	_, err = reader.Read(t.Context(), listingtest.Homes().RowQuery(listing.Value{Number: 1}))
	if !errors.As(err, &misfit) || misfit.Table.Name != "agents" || !slices.Equal(misfit.Columns, []string{"name"}) {
		t.Errorf("the error is %v", err)
	}
}
