package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

func propertiesFile() schema.File {
	return schema.File{Name: "properties.yaml", Text: listingtest.PropertiesListings}
}

func everyFile() schema.File { return schema.File{Name: "every.yaml", Text: listingtest.EveryListings} }

// installFile installs a description and returns its site.
func installFile(t testing.TB, conn *pgx.Conn, f schema.File) *listing.Site {
	t.Helper()
	done, err := schema.InstallFile(t.Context(), conn, f)
	if err != nil {
		t.Fatal(err)
	}
	return listing.NewSite(done.Description)
}

// everyTable returns a database with the made-up tables, described and captured beside what was there.
func everyTable(t *testing.T) *pgx.Conn {
	t.Helper()
	conn := connect(t, migrated.New(t).Superuser)
	exec(t, conn, listingtest.EverySQL)
	installFile(t, conn, everyFile())
	return conn
}

// captured is what one captured row says.
type captured struct {
	Old, New map[string]any
	Changed  *int64
	Sets     map[string]any
}

// take returns what has been captured of a table, and forgets it.
func take(t testing.TB, conn *pgx.Conn, table string) (all []captured) {
	t.Helper()
	changes := pgx.Identifier{"freshlist", table + "_changes"}.Sanitize()
	for _, text := range list[string](t, conn, "with gone as (delete from "+changes+" returning *) select jsonb_build_object('Old', old_row, 'New', new_row, 'Changed', changed, 'Sets', sets)::text from gone") {
		var c captured
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// differing returns the columns that a captured UPDATE says have changed.
func differing(table *listing.Table, c *captured) (names []string) {
	for _, n := range table.Image() {
		if name := table.Columns[n].Name; fmt.Sprint(c.Old[name]) != fmt.Sprint(c.New[name]) {
			names = append(names, name)
		}
	}
	for _, n := range table.Masked() {
		if listing.Columns(*c.Changed).Has(n) {
			names = append(names, table.Columns[n].Name)
		}
	}
	slices.Sort(names)
	return names
}

// twoValues are expressions of two values of each type.
func twoValues(c *listing.Column) (a, b string) {
	switch t := &c.Type; t.Kind {
	case description.Smallint, description.Integer, description.Bigint, description.Real, description.Double:
		return "1", "2"
	case description.Numeric:
		switch {
		case t.Scale < 0:
			return "100", "200"
		case t.Scale == t.Precision && t.Precision > 0:
			return "0.1", "0.2"
		}
		return "1.5", "2.5"
	case description.Boolean:
		return "true", "false"
	case description.Date, description.Timestamp, description.TimestampTZ:
		return "'2024-01-01'", "'2024-01-02'"
	case description.UUID:
		return "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"
	case description.Enum:
		return "'" + t.Labels[0] + "'", "'" + t.Labels[1] + "'"
	case description.Array:
		return "'{}'", "array[(" + first(twoValues(c.Element)) + ")]::" + t.Name
	case description.Text, description.Varchar, description.Char:
		if len(c.OneOf) > 1 {
			return "'" + c.OneOf[0] + "'", "'" + c.OneOf[1] + "'"
		}
		return "'a'", "'A'"
	}
	switch c.Type.Name {
	case "jsonb":
		return `'{"a": 1}'`, `'{"a": 2}'`
	case "inet":
		return "'127.0.0.1'", "'127.0.0.2'"
	}
	panic("no value of " + c.Type.Name)
}

func first(a, _ string) string { return a }

// Each used column that changes is captured, as a value or as a bit, and nothing is captured
// of an UPDATE that changes none.
func TestEachColumnIsCaptured(t *testing.T) {
	t.Parallel()
	properties := connect(t, migrated.New(t).Owner)
	everything := everyTable(t)
	for _, table := range []struct {
		*listing.Table
		conn *pgx.Conn
	}{
		{listingtest.Properties(), properties}, {listingtest.Every(), everything}, {listingtest.ByUUID(), everything},
	} {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			conn, relation := connect(t, table.conn.Config().ConnString()), table.Relation.SQL()
			var names, values []string
			for i := range table.Columns {
				c := &table.Columns[i]
				if !c.Generated && !identity(t, conn, relation, c.Name) {
					names, values = append(names, description.QuoteIdentifier(c.Name)), append(values, first(twoValues(c)))
				}
			}
			exec(t, conn, fmt.Sprintf("insert into %s (%s) values (%s)", relation, strings.Join(names, ", "), strings.Join(values, ", ")))
			if got := take(t, conn, table.Name); len(got) != 1 || got[0].Old != nil || len(got[0].New) != len(table.Image()) {
				t.Errorf("an INSERT: %+v", got)
			}
			for i := range table.Columns {
				c := &table.Columns[i]
				if c.Generated || identity(t, conn, relation, c.Name) {
					continue
				}
				want := []string{c.Name}
				for n := range table.Columns { // the one that is computed of another
					if d := &table.Columns[n]; d.Generated && c.Name == "small" {
						want = append(want, d.Name)
					}
				}
				slices.Sort(want)
				a, b := twoValues(c)
				steps := []string{b, a}
				if !c.NotNull {
					steps = []string{b, "null", a}
				}
				for _, value := range steps {
					for _, again := range []bool{false, true} {
						exec(t, conn, fmt.Sprintf("update %s set %s = %s", relation, description.QuoteIdentifier(c.Name), value))
						got := take(t, conn, table.Name)
						if again && len(got) > 0 {
							t.Errorf("%s is %s already, and %+v is captured", c.Name, value, got)
						}
						if !again && (len(got) != 1 || !slices.Equal(differing(table.Table, &got[0]), want)) {
							t.Errorf("%s becomes %s: captured is %+v", c.Name, value, got)
						}
					}
				}
			}
			if fault := one[string](t, conn, "select freshlist.fault()"); fault != "" {
				t.Errorf("fault %q", fault)
			}
		})
	}
}

// identity reports whether PostgreSQL alone gives a column its values.
func identity(t *testing.T, conn *pgx.Conn, relation, column string) bool {
	t.Helper()
	return one[bool](t, conn, "select attidentity = 'a' from pg_attribute where attrelid = $1::text::regclass and attname = $2", relation, column)
}

// Every statement of every size is captured for tables of every type of key.
func TestStatementsOfAnyTable(t *testing.T) {
	t.Parallel()
	conn := everyTable(t)
	for _, table := range []*listing.Table{listingtest.Every(), listingtest.ByUUID()} {
		relation, key := table.Relation.SQL(), description.QuoteIdentifier(table.KeyColumn().Name)
		other := map[string]string{"every": "words", "by-uuid": "name"}[table.Name]
		const large = 10_001
		insert := func(first, last int) string {
			return fmt.Sprintf("insert into %s (%s, %s) select md5(n::text)::uuid, 'x' from generate_series(%d, %d) as n", relation, key, other, first, last)
		}
		update := fmt.Sprintf("update %s set %s = %[2]s || 'y'", relation, other)
		remove := "delete from " + relation
		for _, step := range []struct {
			sql            string
			rows           int
			old, new, bulk bool
		}{
			{insert(1, 3), 3, false, true, false},
			{update, 3, true, true, false},
			{update + " where " + key + "::text = md5('1')::uuid::text", 1, true, true, false},
			{fmt.Sprintf("update %s set %s = md5(%[2]s::text)::uuid", relation, key), 6, true, true, false}, // three went, three came
			{remove, 3, true, false, false},
			{insert(1, large), 1, true, true, true},
			{update, 1, true, true, true},
			{fmt.Sprintf("update %s set %s = %[2]s", relation, other), 0, false, false, false},
			{remove, 1, true, true, true},
			{"truncate " + relation, 1, false, false, false},
		} {
			exec(t, conn, step.sql)
			got := take(t, conn, table.Name)
			if len(got) != step.rows {
				t.Errorf("%s: %d captured rows, want %d", step.sql, len(got), step.rows)
			}
			for _, c := range got {
				paired := step.rows != 6 // rows with other keys are no pairs
				if (c.Sets != nil) != step.bulk || paired && ((c.Old != nil) != step.old || (c.New != nil) != step.new) {
					t.Errorf("%s: %+v", step.sql, c)
				}
				if sets := slices.Sorted(maps.Keys(c.Sets)); step.bulk && len(sets) != len(table.Sets())+1 {
					t.Errorf("%s: sets of %q", step.sql, sets)
				}
			}
		}
	}
}

// Names may have anything in them that PostgreSQL takes.
func TestOddNames(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t))
	long := strings.Repeat("ä", 31) + "x" // 63 bytes
	odd := []string{
		`We""ird Näme`, `$function$; drop schema freshlist cascade; --`, `null columns`, `%s %I`, `back\slash`, `it's`, long, "r", "image", "id ", "select", "$do$", "/*", "{{.}}",
	}
	for _, relation := range []string{`We"ird; $function$ Näme`, long, `back\slash'`, "order"} {
		quoted := description.QuoteIdentifier(relation)
		columns, yaml := description.QuoteIdentifier("Kéy \"")+" text primary key", ""
		for i, name := range odd {
			kind, filter := "text", "any-of"
			switch i % 3 {
			case 1:
				kind, filter = "integer", "range"
			case 2:
				kind, filter = "public.\"En\"\"um $function$\"", "any-of"
			}
			columns += ", " + description.QuoteIdentifier(name) + " " + kind
			yaml += fmt.Sprintf("      %s: {as: c%d, filter: %s}\n", mustJSON(t, name), i, filter)
		}
		exec(t, conn, `drop schema if exists "Sch""ema $function$" cascade; create schema "Sch""ema $function$"; drop type if exists "En""um $function$" cascade;
			create type "En""um $function$" as enum ('a', 'it''s $function$', 'b\'); create table "Sch""ema $function$".`+quoted+" ("+columns+")")
		f := schema.File{Name: "odd.yaml", Text: "tables:\n  odd-1:\n    relation: " + mustJSON(t, `"Sch""ema $function$".`+quoted) + "\n    columns:\n" + yaml}
		installFile(t, conn, f)
		if fault := one[string](t, conn, "select freshlist.fault()"); fault != "" {
			t.Fatalf("%q: fault %q", relation, fault)
		}
		table := `"Sch""ema $function$".` + quoted
		insert := `insert into ` + table + ` select 'k' || n, 't', n, 'a' from generate_series(1, `
		exec(t, conn, insert+"2) as n")
		for _, name := range odd {
			exec(t, conn, "update "+table+" set "+description.QuoteIdentifier(name)+" = null where "+`"Kéy """ = 'k1'`)
		}
		exec(t, conn, "delete from "+table+"; "+insert+"10001) as n; delete from "+table+"; truncate "+table)
		changes := take(t, conn, "odd-1")
		if want := 2 + min(3, len(odd)) + 2 + 1 + 1 + 1; len(changes) != want { // only the first three were not NULL
			t.Errorf("%q: %d changes, want %d", relation, len(changes), want)
		}
		if _, err := conn.Exec(t.Context(), "drop table "+table); err == nil {
			t.Errorf("%q: it is not guarded", relation)
		}
		exec(t, conn, "alter table "+table+" disable trigger all; alter table "+table+" enable trigger all")
		if did := one[string](t, conn, "select freshlist.repair()"); !strings.HasPrefix(did, "ENABLE ALWAYS freshlist_delete on ") {
			t.Errorf("%q: the repair did %q", relation, did)
		}
		if changed, err := schema.Install(t.Context(), conn); changed || err != nil {
			t.Errorf("%q: second installation: %t, %v", relation, changed, err)
		}
		if err := schema.Uninstall(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
	}
}

// mustJSON spells a text as YAML reads it.
func mustJSON(t *testing.T, text string) string {
	t.Helper()
	b, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
}

// What is described of properties and of a table others of the test's own.
var (
	oneTable  = schema.File{Name: "one.yaml", Text: "tables: {others: {columns: {more: {sort: true}}}}"}
	twoTables = schema.File{Name: "two.yaml", Text: `
tables:
  homes:
    relation: public.properties
    columns: {city: {filter: any-of}, price: {sort: true}}
  others:
    relation: public.others
    columns: {note: {search: A}}
`}
)

// Another description takes the place of the one that is installed: what it does not describe
// is not captured any more, and what is left of it goes.
func TestAnotherDescription(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	exec(t, conn, "create table others (id int primary key, note text, more int)")
	if err := schema.Uninstall(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	objects := `
		select format('%s %s', proname, prorettype::regtype) from pg_proc where pronamespace = 'freshlist'::regnamespace
		union all select format('%s %s', relkind, relname) from pg_class where relnamespace = 'freshlist'::regnamespace
		union all select format('%s on %s', tgname, tgrelid::regclass) from pg_trigger where tgname like 'freshlist%'
		order by 1`
	files := []schema.File{propertiesFile(), twoTables, oneTable}
	var fresh [][]string
	for _, f := range files {
		installFile(t, conn, f)
		fresh = append(fresh, list[string](t, conn, objects))
		if err := schema.Uninstall(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
	}
	edit := "insert into properties (id, title, property_type, price, city) values (1, 't', 'Condo', 1, 'x') on conflict (id) do update set price = properties.price + 1; " +
		"insert into others values (1, 'a', 1) on conflict (id) do update set note = others.note || 'b', more = others.more + 1"
	for _, from := range []int{0, 1, 2} {
		for _, to := range []int{0, 1, 2} {
			installFile(t, conn, files[from])
			done, err := schema.InstallFile(t.Context(), conn, files[to])
			if err != nil || done.Changed != (from != to) {
				t.Fatalf("%s after %s: %+v, %v", files[to].Name, files[from].Name, done.Changed, err)
			}
			if got := list[string](t, conn, objects); !slices.Equal(got, fresh[to]) {
				t.Errorf("%s after %s leaves\n%s\nwant\n%s", files[to].Name, files[from].Name, strings.Join(got, "\n"), strings.Join(fresh[to], "\n"))
			}
			site := listing.NewSite(done.Description)
			for _, table := range site.Tables {
				exec(t, conn, "truncate freshlist."+table.Name+"_changes")
			}
			exec(t, conn, edit)
			for _, table := range site.Tables {
				if got := take(t, conn, table.Name); len(got) != 1 {
					t.Errorf("%s after %s: of %s is captured %+v", files[to].Name, files[from].Name, table.Name, got)
				}
			}
			if got := one[string](t, conn, "select identity from freshlist.description"); got != site.Identity {
				t.Errorf("the identity is %s, want %s", got, site.Identity)
			}
			// Whoever installs without a file keeps this description.
			exec(t, conn, "comment on schema freshlist is 'of another version'")
			if changed, err := schema.Install(t.Context(), conn); !changed || err != nil {
				t.Errorf("renewal of %s: %t, %v", files[to].Name, changed, err)
			}
			if got := one[string](t, conn, "select identity from freshlist.description"); got != site.Identity {
				t.Errorf("after a renewal the identity is %s, want %s", got, site.Identity)
			}
		}
	}
}

// An installation over that of a version which knew one table leaves nothing of it.
func TestInstallOverTheFormerLayout(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	names := "select proname::text from pg_proc where pronamespace = 'freshlist'::regnamespace union all select relname::text from pg_class where relnamespace = 'freshlist'::regnamespace order by 1"
	want := list[string](t, conn, names)
	if err := schema.Uninstall(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	former, err := os.ReadFile("testdata/former.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, string(former))
	exec(t, conn, "comment on schema freshlist is 'hash hash 1,2,3'; create table freshlist.of_somebody_else (id int)")
	exec(t, conn, "insert into properties (id, title, property_type, price, city) values (1, 't', 'Condo', 1, 'x')")
	if difference, err := schema.Compare(t.Context(), conn); err != nil || !strings.Contains(difference, "another version") {
		t.Errorf("difference %q, %v", difference, err)
	}
	if done, err := schema.InstallFile(t.Context(), conn, propertiesFile()); !done.Changed || err != nil {
		t.Fatalf("install: %t, %v", done.Changed, err)
	}
	exec(t, conn, "drop table freshlist.of_somebody_else")
	if got := list[string](t, conn, names); !slices.Equal(got, want) {
		t.Errorf("there is\n%q, want\n%q", got, want)
	}
	exec(t, conn, "update properties set price = 2")
	if got := take(t, conn, "properties"); len(got) != 1 {
		t.Errorf("captured is %+v", got)
	}
}

// A description with faults changes nothing, and all of them are said.
func TestBadDescriptions(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	exec(t, conn, "create view looked as select * from properties")
	before := list[string](t, conn, catalogRows)
	for text, want := range map[string][]string{
		"tables: {a: {relation: public.propertes, columns: {x: {}}}, b: {relation: public.looked, columns: {city: {}}}}": {"there is no table public.propertes", "public.looked is a view"},
		"tables: {properties: {columns: {citi: {}, title: {filter: range}}}}":                                            {"has no column citi", "title"},
		"tables: {properties: {columns: {city: {filter: no-such}}}}":                                                     {"no-such"},
		"tables: [": {""},
		"":          {""},
	} {
		done, err := schema.InstallFile(t.Context(), conn, schema.File{Name: "bad.yaml", Text: text})
		var faults description.Faults
		if done.Changed || !errors.As(err, &faults) || len(faults) < len(want) {
			t.Errorf("%s: %+v, %v", text, done, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %q", text, err, w)
			}
		}
	}
	if after := list[string](t, conn, catalogRows); !slices.Equal(before, after) {
		t.Error("a bad description has written to the catalog")
	}
	if difference, err := schema.Compare(t.Context(), conn); difference != "" || err != nil {
		t.Errorf("difference %q, %v", difference, err)
	}
}

// What the description takes from the catalog cannot come and go unnoticed.
func TestCatalogOfTypes(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t))
	exec(t, conn, `
		create type mood as enum ('sad', 'ok'); create domain moods as mood[]; create type pair as (a int, m mood); create collation own (locale = 'C');
		create type span as range (subtype = numeric); create domain word as text;
		create table things (id int primary key, m mood, ms moods, p pair, t text collate own, s span, w word, n int not null)`)
	installFile(t, conn, schema.File{Name: "things.yaml", Text: `tables: {things: {columns: {m: {sort: true}, ms: {filter: contains}, p: {}, t: {sort: true}, s: {}, w: {}, n: {}}}}`})
	for _, test := range []struct{ sql, fault string }{
		{"alter type mood add value 'great'", "column m of public.things has other labels"},
		{"alter type mood rename value 'sad' to 's'; alter type mood rename value 's' to 'sad'", ""},
		{"alter type mood rename value 'sad' to 'ok2'", "has other labels"},
		{"alter type pair add attribute c int", ""},
		{"alter type pair rename attribute c to d", ""},
		{"alter domain word rename to w2; alter domain w2 rename to word", ""},
		{"alter domain word rename to w2", "column w of public.things is public.w2, not public.word"},
		{"alter collation own rename to o2; alter collation o2 rename to own", ""},
		{"alter type span rename to s2; alter type s2 rename to span", ""},
		{"alter table things drop constraint things_pkey, add primary key (id)", ""},
		{"alter table things drop constraint things_pkey; create unique index things_unique on things (id)", ""},
		{"alter table things alter n drop not null", "column n of public.things may be NULL"},
	} {
		exec(t, conn, "begin; truncate freshlist.things_changes; rollback")
		before, fault := one[string](t, conn, "select freshlist.catalog()"), one[string](t, conn, "select freshlist.fault()")
		if fault != "" {
			t.Fatalf("before %s: %s", test.sql, fault)
		}
		exec(t, conn, test.sql)
		if one[string](t, conn, "select freshlist.catalog()") == before {
			t.Errorf("%s: the fingerprint is the same", test.sql)
		}
		if fault := one[string](t, conn, "select freshlist.fault()"); !strings.Contains(fault, test.fault) || (fault == "") != (test.fault == "") {
			t.Errorf("%s: fault %q, want %q", test.sql, fault, test.fault)
		}
		if strings.Contains(test.sql, "things_pkey;") { // the description needs to be told which column is the key
			exec(t, conn, "alter table things add primary key using index things_unique")
		}
		if _, err := schema.Install(t.Context(), conn); err != nil {
			t.Errorf("install after %s: %v", test.sql, err)
		}
	}
}

// Where the tables have several owners, one of them must have the rights of all.
func TestSeveralOwners(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	super := connect(t, db.Superuser)
	exec(t, super, "create table others (id int primary key, note text); alter table others owner to freshlist_api")
	f := twoTables
	_, err := schema.InstallFile(t.Context(), super, f)
	if err == nil || !strings.Contains(err.Error(), "public.others belongs to freshlist_api, public.properties belongs to freshlist_owner") {
		t.Errorf("a superuser: %v, want an error that names the owners", err)
	}
	if _, err := schema.InstallFile(t.Context(), connect(t, db.Owner), f); err == nil || !strings.Contains(err.Error(), "public.others belongs to freshlist_api") {
		t.Errorf("one of the owners: %v, want an error that names the owners", err)
	}
	if difference, err := schema.Compare(t.Context(), super); difference != "" || err != nil {
		t.Errorf("difference %q, %v", difference, err)
	}
	tx, err := super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	role := "owner_of_" + one[string](t, super, "select current_database()")
	if _, err := tx.Exec(t.Context(), "create role "+role+" in role freshlist_owner; alter table others owner to "+role+
		"; grant create on database "+one[string](t, super, "select quote_ident(current_database())")+" to "+role); err != nil {
		t.Fatal(err)
	}
	if err := schema.InstallWithin(t.Context(), tx, f); err != nil {
		t.Errorf("with an owner who has the rights of the other: %v", err)
	}
}

// Each object of ours is known by its name: the fingerprint and the definitions look at it, but
// not at the tables of migrations and of requests' keys, which capture does not rest on.
func TestOwnObjectsAreKnown(t *testing.T) {
	t.Parallel()
	conn := everyTable(t)
	for what, sql := range map[string]string{
		"function": "select proname::text from pg_proc where pronamespace = 'freshlist'::regnamespace",
		"relation": "select relname::text from pg_class where relnamespace = 'freshlist'::regnamespace and relname !~ '^(schema_migrations|idempotency_keys)'",
	} {
		bodies := strings.Join(list[string](t, conn, "select prosrc from pg_proc where pronamespace = 'freshlist'::regnamespace and proname = 'definitions'"), "")
		for _, name := range list[string](t, conn, sql) {
			if !strings.Contains(bodies, "{"+name+",") && !strings.Contains(bodies, ","+name+",") && !strings.Contains(bodies, ","+name+"}") {
				t.Errorf("%s %s is not looked at", what, name)
			}
		}
	}
}

// While one description takes the place of another, again and again, no writer fails, and none
// of them waits for long.
func TestInstallUnderLoad(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	owner := connect(t, db.Owner)
	exec(t, owner, "create table others (id int primary key, note text, more int); insert into others values (1, '', 1)")
	exec(t, owner, "insert into properties (id, title, property_type, price, city) values (1, 't', 'Condo', 1, 'x')")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	edits := []string{
		"begin; update properties set price = price + 1; update others set more = more + 1, note = 'a'; commit; select pg_sleep(0.005)",
		"begin; update others set more = more + 1, note = 'b'; update properties set price = price + 1; commit; select pg_sleep(0.005)",
		"select count(*) from properties; select count(*) from others; select pg_sleep(0.005)",
	}
	for _, sql := range edits {
		conn := connect(t, db.Owner)
		go func() {
			for ctx.Err() == nil {
				if _, err := conn.Exec(context.Background(), sql); err != nil {
					if _, rolledBack := conn.Exec(context.Background(), "rollback"); rolledBack != nil || !isDeadlock(err) {
						ended <- err
						return
					}
				}
			}
			ended <- nil
		}()
	}
	files := []schema.File{twoTables, oneTable, propertiesFile()}
	for _, f := range files {
		if _, err := schema.InstallFile(t.Context(), owner, f); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	stop()
	for range edits {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// isDeadlock reports whether two of the test's own writers, which lock rows in different order,
// have met.
func isDeadlock(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "40P01"
}

// The description of the running system is the stored one, and else the one that ships.
func TestReadDescription(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	owner, api := connect(t, db.Owner), connect(t, db.API)
	exec(t, owner, "create table others (id int primary key, note text)")
	read := func(conn *pgx.Conn, tables int) {
		t.Helper()
		if d, err := schema.ReadDescription(t.Context(), conn); err != nil || len(d.Tables) != tables {
			t.Errorf("read %+v, %v; want %d tables", d, err, tables)
		}
	}
	installFile(t, owner, twoTables)
	read(owner, 2)
	read(api, 2)
	read(connect(t, db.Invalidator), 2)
	exec(t, owner, "update freshlist.description set body = '{}'")
	if _, err := schema.ReadDescription(t.Context(), api); !errors.Is(err, description.ErrFormat) || !strings.Contains(err.Error(), "invalidator install") {
		t.Errorf("of another format: %v", err)
	}
	exec(t, owner, "revoke usage on schema freshlist from freshlist_api")
	parsed, _ := description.Parse(schema.Shipped().Name, schema.Shipped().Text)
	read(api, len(parsed.Tables))
	exec(t, owner, "drop table others cascade")
	if _, err := schema.Compare(t.Context(), owner); !errors.Is(err, schema.ErrNoTable) || !strings.Contains(err.Error(), "public.others") {
		t.Errorf("without a table: %v", err)
	}
	if err := schema.Uninstall(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	read(api, len(parsed.Tables))
	exec(t, owner, "drop table properties")
	if _, err := schema.ReadDescription(t.Context(), api); !errors.Is(err, schema.ErrNoTable) || !strings.Contains(err.Error(), "api migrate up") {
		t.Errorf("without a table: %v", err)
	}
}
