package schema_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// zoo returns a connection to a database with tables of every kind.
func zoo(t *testing.T) *pgx.Conn {
	t.Helper()
	url := pgtest.Shared(t).Clone(t, "zoo", func(ctx context.Context, url string) error {
		sql, err := os.ReadFile("testdata/zoo.sql")
		if err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, string(sql))
		return err
	})
	return connect(t, url)
}

func relations(t *testing.T, names ...string) (list []description.RelationName) {
	t.Helper()
	for _, name := range names {
		n, err := description.ParseRelation(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

func readCatalog(t *testing.T, conn *pgx.Conn, names ...string) *description.Catalog {
	t.Helper()
	c, err := schema.ReadCatalog(t.Context(), conn, relations(t, names...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shown writes a type as a test spells it.
func shown(t description.Type) string {
	text := string(t.Kind)
	if t.Kind == description.Numeric {
		text += fmt.Sprintf("(%d,%d)", t.Precision, t.Scale)
	}
	if t.Element != nil {
		text += " of " + shown(*t.Element)
	}
	if t.Base != "" {
		text += " based on " + t.Base
	}
	if t.Labels != nil {
		text += fmt.Sprintf(" %q", t.Labels)
	}
	if t.Loose {
		text += " loose"
	}
	if t.Bytewise {
		text += " bytewise"
	}
	return text
}

// Each column has the type that PostgreSQL has, through domains and arrays.
func TestCatalogTypes(t *testing.T) {
	t.Parallel()
	conn := zoo(t)
	r := readCatalog(t, conn, "everything").Relations[0]
	text := "text"
	if one[bool](t, conn, "select datlocprovider = 'c' and datcollate in ('C', 'POSIX') from pg_database where datname = current_database()") {
		text = "text bytewise"
	}
	varying, fixed := strings.Replace(text, "text", "varchar", 1), strings.Replace(text, "text", "char", 1)
	want := map[string]string{
		"id": "bigint", "small": "smallint", "integer": "integer", "big": "bigint", "exact": "numeric(14,2)", "exact18": "numeric(18,18)",
		"wide": "numeric(19,0)", "loosely": "numeric(0,0)", "negative": "numeric(5,-2)", "real": "real", "double": "double", "flag": "boolean",
		"day": "date", "clock": "other", "instant": "timestamp", "instant_tz": "timestamptz", "span": "other", "uid": "uuid",
		"mood":     `enum based on public.mood ["angry" "sad" "ok" "happy"]`,
		"odd_mood": `enum based on "Odd ""schema"."Mood; drop" ["a'b" "c\"d"]`,
		"txt":      text, "txt_c": "text bytewise", "txt_loose": "text loose", "vary": varying, "fixed": fixed, "one": "other", "nam": "other",
		"doc": "other", "docb": "other", "bytes": "other", "addr": "other", "cash": "other",
		"dom": "numeric(12,2) based on numeric", "dom_tags": "array of " + text + " based on text[]", "dom_word": "text based on text bytewise",
		"tags": "array of " + text, "numbers": "array of integer", "amounts": "array of numeric(6,2)",
		"moods": `array of enum based on public.mood ["angry" "sad" "ok" "happy"]`, "doms": "array of text based on text", "days": "array of date", "docs": "array of other",
		"pair": "other", "span_of": "other", "point_of": "other", "vec": "other", "bits": "other", "xid8": "other", "twice": "integer",
		"created_at": "timestamptz", "updatedAt": "timestamptz", "late": text,
	}
	if text != "text" {
		want["doms"] += " bytewise"
	}
	for _, a := range r.Attributes {
		if got := shown(a.Type); got != want[a.Name] {
			t.Errorf("%s is %s, want %s", a.Name, got, want[a.Name])
		}
		delete(want, a.Name)
	}
	if len(want) > 0 {
		t.Errorf("these columns are missing: %v", want)
	}
}

// What PostgreSQL says of columns and indexes arrives, beside a dropped column.
func TestCatalogFacts(t *testing.T) {
	t.Parallel()
	conn := zoo(t)
	c := readCatalog(t, conn, "everything", "homes")
	r := c.Relations[0]
	for _, want := range []struct {
		name, fallback    string
		number            int16
		notNull, identity bool
		generated         description.Generated
		bytes             int
	}{
		{"id", "", 1, true, true, "", 8},
		{"small", "7", 3, true, false, "", 2},
		{"uid", "", 19, false, false, "", 16},
		{"twice", "", 50, false, false, description.Stored, 4},
		{"created_at", "now()", 51, true, false, "", 8},
		{"dom", "", 34, false, false, "", 0},
	} {
		a := r.Attribute(want.name)
		if a == nil || a.Number != want.number || a.NotNull != want.notNull || a.Identity != want.identity || a.Generated != want.generated ||
			a.Default != want.fallback || a.Type.Bytes != want.bytes {
			t.Errorf("%s is %+v", want.name, a)
		}
	}
	var indexes []string
	for _, x := range r.Indexes {
		indexes = append(indexes, fmt.Sprintf("%s %s %v %d primary %t unique %t partial %t valid %t", x.Name, x.Method, x.Columns, x.Keys, x.Primary, x.Unique, x.Partial, x.Valid))
	}
	if want := []string{
		"everything_covering btree [19 22] 1 primary false unique true partial false valid true",
		"everything_day btree [14] 1 primary false unique false partial false valid true",
		"everything_lower btree [0] 1 primary false unique true partial false valid true",
		"everything_partial btree [5] 1 primary false unique true partial true valid true",
		"everything_pkey btree [1] 1 primary true unique true partial false valid true",
		"everything_two btree [3 4] 2 primary false unique true partial false valid true",
	}; !slices.Equal(indexes, want) {
		t.Errorf("the indexes are\n%s", strings.Join(indexes, "\n"))
	}
	homes := c.Relations[1]
	if city := homes.Attribute("city"); homes.Rows != 600 || !city.Stats.Known || city.Stats.Distinct != 12 || city.Stats.Width == 0 || len(city.Stats.Common) != 12 {
		t.Errorf("%v rows, of city %+v", homes.Rows, city.Stats)
	}
	if c := readCatalog(t, conn, "colons").Relations[0].Attribute("c"); !c.Stats.Known || c.Stats.Distinct != 3 || len(c.Stats.Common) != 0 {
		t.Errorf("of a type with another delimiter: %+v", c.Stats)
	}
	want := []description.ForeignKey{
		{From: homes.RelationName, FromColumn: 17, To: description.RelationName{Schema: "public", Name: "agents"}, ToColumn: 1},
		{From: homes.RelationName, FromColumn: 18, To: homes.RelationName, ToColumn: 1},
	}
	if !slices.Equal(c.ForeignKeys, want) {
		t.Errorf("the foreign keys are %+v", c.ForeignKeys)
	}
	if c.Encoding != "UTF8" || !slices.Contains(c.Configurations, "english") || !slices.Contains(c.Names, homes.RelationName) {
		t.Errorf("encoding %s, configurations %v, %d names", c.Encoding, c.Configurations, len(c.Names))
	}
}

// What a relation is decides what becomes of it.
func TestCatalogKinds(t *testing.T) {
	t.Parallel()
	names := []string{"homes", "unlogged", "secured", "a_view", "a_matview", "whole", "part", "parent", "child", "a_sequence", "a_foreign", "missing"}
	c := readCatalog(t, zoo(t), names...)
	var got []string
	for _, r := range c.Relations {
		word := fmt.Sprintf("%s %c", r.Name, r.Kind)
		for _, fact := range []struct {
			name string
			is   bool
		}{{"unlogged", r.Unlogged}, {"temporary", r.Temporary}, {"partition", r.Partition}, {"parents", r.Parents}, {"children", r.Children}, {"secured", r.RowSecurity}} {
			if fact.is {
				word += " " + fact.name
			}
		}
		got = append(got, word)
	}
	want := []string{"homes r", "unlogged r unlogged", "secured r secured", "a_view v", "a_matview m", "whole p children", "part r partition parents",
		"parent r children", "child r parents", "a_sequence S", "a_foreign f"}
	if !slices.Equal(got, want) {
		t.Errorf("the relations are %q", got)
	}
}

// Names reach PostgreSQL as they are: none is SQL, none is looked up in a search_path, and
// what shadows PostgreSQL's own there is not used.
func TestCatalogNames(t *testing.T) {
	t.Parallel()
	conn := zoo(t)
	for _, path := range []string{"pg_catalog, public", "evil, pg_catalog", "evil, pg_catalog, public", `"Odd ""schema", evil`} {
		exec(t, conn, "select set_config('search_path', $1, false)", path)
		c := readCatalog(t, conn, "everything", "evil.everything", "everything", `"Odd ""schema"."we""ird; drop table x"`, "evil.shadowed", "homes")
		if len(c.Relations) != 5 || c.Relations[0].Schema != "public" || c.Relations[1].Schema != "evil" || len(c.Relations[2].Attributes) != 27 {
			t.Fatalf("with the path %s: %d relations", path, len(c.Relations))
		}
		if c.Relations[0].Attribute("title") != nil || c.Relations[1].Attribute("title") == nil {
			t.Errorf("with the path %s one table is taken for the other", path)
		}
		shadowed := c.Relations[3]
		var types []string
		for _, a := range shadowed.Attributes {
			types = append(types, a.Type.Name+" "+string(a.Type.Kind))
		}
		if want := []string{"bigint bigint", "evil.text integer", "evil.int4 text", "text text"}; !slices.Equal(types, want) {
			t.Errorf("with the path %s the types are %q", path, types)
		}
		if now := one[string](t, conn, "select pg_catalog.current_setting('search_path')"); now != path {
			t.Errorf("the path %s has become %s", path, now)
		}
	}
	odd := readCatalog(t, conn, `"Odd ""schema"."we""ird; drop table x"`).Relations[0]
	for _, name := range []string{`we"ird; drop table`, "a: b # c", "日本", "tab\there", "City", "city", "CITY"} {
		if odd.Attribute(name) == nil {
			t.Errorf("%q is missing", name)
		}
	}
}

// Of what the role may not read there is no statistics, and no error.
func TestCatalogWithoutRights(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	exec(t, connect(t, db.Superuser), "insert into properties (title, property_type, price, city) select 'x', 'y', n, 'z' from generate_series(1, 50) as n; analyze properties")
	conn := connect(t, db.API)
	for _, known := range []bool{true, false} {
		city := readCatalog(t, conn, "properties").Relations[0].Attribute("city")
		if city.Stats.Known != known || city.Type.Kind != description.Text {
			t.Errorf("of city the API's role reads %+v", city)
		}
		exec(t, connect(t, db.Owner), "revoke all on properties from freshlist_api")
	}
}

// All of it is of one instant: no DDL comes in between two statements of ours.
func TestCatalogIsOneSnapshot(t *testing.T) {
	t.Parallel()
	conn := zoo(t)
	other := connect(t, conn.Config().ConnString())
	renamed := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(renamed)
		for ctx.Err() == nil {
			if _, err := other.Exec(context.Background(), "begin; alter table sixty rename c1 to c1_; alter index sixty_index rename to sixty_index_; commit; "+
				"begin; alter table sixty rename c1_ to c1; alter index sixty_index_ rename to sixty_index; commit"); err != nil {
				renamed <- err
				return
			}
		}
	}()
	for range 200 {
		r := readCatalog(t, conn, "sixty").Relations[0]
		column := r.Attribute("c1") != nil
		index := slices.ContainsFunc(r.Indexes, func(x description.IndexInfo) bool { return x.Name == "sixty_index" })
		if column != index {
			t.Errorf("c1 has its name %t, the index has its %t", column, index)
		}
	}
	cancel()
	if err := <-renamed; err != nil {
		t.Fatal(err)
	}
}

// Drafts of real tables can be used as they are, and say what they say.
func TestDraftsOfRealTables(t *testing.T) {
	t.Parallel()
	conn := zoo(t)
	drafts := map[string][]string{
		"homes": {"homes", "agents", "photos"}, "everything": {"everything"}, "odd": {`"Odd ""schema"."we""ird; drop table x"`}, "sixty": {"sixty"}, "hundred": {"hundred"},
		"several": {"text_key", "two_keys", "metrics", "unlogged", "secured", "evil.shadowed", "evil.everything", "everything"},
	}
	for name, tables := range drafts {
		c := readCatalog(t, conn, tables...)
		c.Database = "test" // those of tests have numbers
		text, faults := description.Draft(c, relations(t, tables...))
		if len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
			continue
		}
		file, faults := description.Parse("draft", text)
		if len(faults) > 0 {
			t.Errorf("%s: %v\n%s", name, faults, text)
			continue
		}
		d, faults := description.Resolve(file, c)
		if len(faults) > 0 {
			t.Errorf("%s: %v\n%s", name, faults, text)
			continue
		}
		if _, err := description.Decode(d.Encode()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "homes" || name == "odd" {
			golden(t, "testdata/draft_"+name+".yaml", text)
		}
	}
	faulty := []string{"no_key", "null_key", "composite_key", "float_key", "loose_key", "partial_key", "a_view", "a_matview", "whole", "part", "parent", "child", "a_sequence", "a_foreign", "homs"}
	text, faults := description.Draft(readCatalog(t, conn, faulty...), relations(t, faulty...))
	if text != "" || len(faults) != len(faulty) {
		t.Errorf("%d faults of %d relations: %v", len(faults), len(faulty), faults)
	}
}
