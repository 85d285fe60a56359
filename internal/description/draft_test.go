package description_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
)

// checkDraft drafts a description and holds it to what Draft promises: it can be used as
// it is.
func checkDraft(t interface {
	Helper()
	Fatalf(string, ...any)
}, c *description.Catalog, names []description.RelationName) (string, *description.Description) {
	t.Helper()
	text, faults := description.Draft(c, names)
	if len(faults) > 0 {
		t.Fatalf("no draft: %v", faults)
	}
	file, faults := description.Parse("draft", text)
	if len(faults) > 0 {
		t.Fatalf("%v\n%s", faults, text)
	}
	d, faults := description.Resolve(file, c)
	if len(faults) > 0 {
		t.Fatalf("%v\n%s", faults, text)
	}
	if _, err := description.Decode(d.Encode()); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(d.Tables) != len(names) {
		t.Fatalf("%d tables are drafted as %d\n%s", len(names), len(d.Tables), text)
	}
	return text, d
}

// types are one of each kind, and some that fit nowhere.
func types() []description.Type {
	all := []description.Type{
		numeric(14, 2), numeric(19, 0), numeric(0, 0), numeric(5, -2), enum("a", "b"), enum(), bytewise(), loose(),
		{Kind: description.Other, Name: "jsonb"}, {Kind: description.Other, Name: "bytea"}, {Kind: description.Other, Name: "tsvector"}, {Kind: description.Other, Name: "interval"}, {Kind: description.Other, Name: "public.geometry(Point,4326)"},
		{Kind: description.Numeric, Name: "public.price", Base: "numeric", Precision: 10, Scale: 2}, {Kind: description.Text, Name: `"Odd"."t"`, Base: "text"},
	}
	for _, k := range []description.Kind{description.Smallint, description.Integer, description.Bigint, description.Real, description.Double, description.Boolean, description.Date, description.Timestamp, description.TimestampTZ, description.UUID, description.Text, description.Varchar, description.Char, description.Other} {
		all = append(all, plain(k), array(plain(k)))
	}
	return all
}

// words are the names by which columns are recognised, and others.
func anyName() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"id", "Id", "title", "name", "city", "City", "status", "price", "min_price", "max_price", "description", "created_at", "createdAt", "updated_at", "deleted_at",
			"latitude", "longitude", "lat", "lng", "geo_lat", "geo_lon", "agent_id", "home_id", "position", "sort", "limit", "cursor", "q", "bbox", "fields", "ids", "count",
			"by_city", "newest", "by_newest", "-newest", "email", "password_hash", "api_token", "image_url", "website", "sqft", "living_area_sqft", "true", "null", "on", "yes", "y", "12", "0x1f", "1e3",
			"-", "~", "a: b", "a #b", "{a}", "[a]", "'a'", `"a"`, `a\b`, "a,b", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "? a", "- a", "", " a", "a ", "日本", "É", "🙂", "tab\there", "line\nbreak", "\u0085", "\u2028",
			"<<", "count_2", "q_2", "c", "c_2", strings.Repeat("x", 63), strings.Repeat("x", 62) + "y", strings.Repeat("é", 31),
		}),
		rapid.StringN(1, 20, 60),
		rapid.StringMatching(`[a-z_]{1,12}`),
	).Filter(func(s string) bool { return s != "" && !strings.ContainsRune(s, 0) })
}

// anyRelation makes up a table with a key.
func anyRelation(name description.RelationName) *rapid.Generator[description.Relation] {
	return rapid.Custom(func(t *rapid.T) description.Relation {
		r := description.Relation{RelationName: name, Kind: description.OrdinaryTable, Rows: rapid.SampledFrom([]float64{-1, 0, 5, 1000, 1e7}).Draw(t, "rows")}
		r.Unlogged, r.RowSecurity = rapid.Bool().Draw(t, "unlogged"), rapid.Bool().Draw(t, "row security")
		n := rapid.SampledFrom([]int{1, 2, 3, 4, 6, 8, 12, 70}).Draw(t, "columns")
		key := rapid.IntRange(0, n-1).Draw(t, "key")
		all := types()
		for i, column := range rapid.SliceOfNDistinct(anyName(), n, n, rapid.ID[string]).Draw(t, "names") {
			a := description.Attribute{Number: int16(2*i + 1), Name: column, Type: rapid.SampledFrom(all).Draw(t, "type"), NotNull: rapid.Bool().Draw(t, "not null")}
			switch rapid.IntRange(0, 9).Draw(t, "value") {
			case 0:
				a.Default = "now()"
			case 1:
				a.Generated = description.Stored
			case 2:
				a.Generated = description.Virtual
			case 3:
				a.Identity = true
			}
			if rapid.Bool().Draw(t, "counted") {
				a.Stats = description.Stats{
					Known: true, Distinct: rapid.SampledFrom([]float64{0, 1, 5, 500, 1e6, -1, -0.01}).Draw(t, "distinct"), Width: rapid.IntRange(0, 200).Draw(t, "width"),
					Common: rapid.SliceOfN(rapid.String(), 0, 6).Draw(t, "common"),
				}
			}
			if i == key {
				a.Type, a.NotNull, a.Generated = rapid.SampledFrom([]description.Type{plain(description.Bigint), plain(description.UUID), bytewise(), plain(description.Varchar)}).Draw(t, "key's type"), true, description.NotGenerated
				if !regexp.MustCompile(`^[^\x00-\x1f\x7f]*$`).MatchString(a.Name) {
					a.Name = "the key"
				}
				x := unique(a.Number)
				x.Primary = rapid.Bool().Draw(t, "primary")
				r.Indexes = append(r.Indexes, x)
			} else if rapid.IntRange(0, 5).Draw(t, "indexed") == 0 {
				r.Indexes = append(r.Indexes, index(a.Number))
			}
			r.Attributes = append(r.Attributes, a)
		}
		slices.SortStableFunc(r.Attributes, func(a, b description.Attribute) int { return int(a.Number) - int(b.Number) })
		return r
	})
}

// Whatever the tables are, the draft can be used.
func TestDraftFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &description.Catalog{Database: rapid.String().Draw(t, "database"), Encoding: "UTF8", Configurations: rapid.SampledFrom([][]string{{"english", "simple"}, {"simple"}}).Draw(t, "configurations")}
		var names []description.RelationName
		for range rapid.IntRange(1, 3).Draw(t, "tables") {
			word := anyName().Filter(func(s string) bool { return regexp.MustCompile(`^[^\x00-\x1f\x7f]*$`).MatchString(s) })
			name := description.RelationName{"s", word.Draw(t, "table")}
			if slices.Contains(names, name) {
				continue
			}
			names = append(names, name)
			c.Relations = append(c.Relations, anyRelation(name).Draw(t, "relation"))
		}
		for range rapid.IntRange(0, 6).Draw(t, "references") {
			from, to := rapid.SampledFrom(c.Relations).Draw(t, "from"), rapid.SampledFrom(c.Relations).Draw(t, "to")
			c.ForeignKeys = append(c.ForeignKeys, description.ForeignKey{
				From: from.RelationName, FromColumn: rapid.SampledFrom(from.Attributes).Draw(t, "from column").Number,
				To: to.RelationName, ToColumn: rapid.SampledFrom(to.Attributes).Draw(t, "to column").Number,
			})
		}
		checkDraft(t, c, names)
	})
}

// A table with a column of every type under every name that means something.
func TestDraftOfEveryType(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x", "price", "city", "status", "created_at", "updated_at", "lat", "title", "description", "agent_id", "email", "tags", "image_url", "sqft", "password", "Mixed Case", "q", "count"} {
		var columns []any
		for i, typ := range types() {
			columns = append(columns, fmt.Sprintf("%s_%d", name, i), typ)
		}
		r := relation("t", append([]any{"id!", plain(description.Bigint), name, plain(description.Text)}, columns...)...)
		checkDraft(t, &description.Catalog{Relations: []description.Relation{r}}, []description.RelationName{r.RelationName})
	}
}

// A table that refers to very many others, and is referred to by them.
func TestDraftOfManyReferences(t *testing.T) {
	t.Parallel()
	columns := []any{"id!", plain(description.Bigint)}
	for n := range 80 {
		columns = append(columns, fmt.Sprintf("other_%d_id", n), plain(description.Bigint))
	}
	hub := relation("hub", columns...)
	c := &description.Catalog{Relations: []description.Relation{hub}}
	names := []description.RelationName{hub.RelationName}
	for n := range 80 {
		other := relation(fmt.Sprintf("other_%d", n), "id!", plain(description.Bigint), "hub_id", plain(description.Bigint), "position", plain(description.Integer))
		c.Relations = append(c.Relations, other)
		names = append(names, other.RelationName)
		c.ForeignKeys = append(c.ForeignKeys,
			description.ForeignKey{From: hub.RelationName, FromColumn: int16(n + 2), To: other.RelationName, ToColumn: 1},
			description.ForeignKey{From: other.RelationName, FromColumn: 2, To: hub.RelationName, ToColumn: 1})
	}
	checkDraft(t, c, names)
	for len(names) <= 100 {
		names = append(names, names...)
	}
	if _, faults := description.Draft(c, names); len(faults) != 1 || !strings.Contains(faults.Error(), "too many for one description") {
		t.Errorf("of %d tables: %v", len(names), faults)
	}
	// Many large ones are more than a file may hold.
	c, names = &description.Catalog{}, nil
	for n := range 90 {
		wide := relation(fmt.Sprintf("wide_%d", n), columns...)
		c.Relations = append(c.Relations, wide)
		names = append(names, wide.RelationName)
	}
	if _, faults := description.Draft(c, names); len(faults) != 1 || !strings.Contains(faults.Error(), "too long to be read") {
		t.Errorf("of %d large tables: %v", len(names), faults)
	}
}

// Names that are cut so that they fit, and numbered since they are taken, fit all the same.
func TestDraftOfLongNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 63)
	from, to := relation("from", "id!", plain(description.Text), long, plain(description.Text)), relation("to", "id!", plain(description.Text))
	c := &description.Catalog{Relations: []description.Relation{from, to}}
	for _, other := range []description.RelationName{from.RelationName, to.RelationName} {
		c.ForeignKeys = append(c.ForeignKeys, description.ForeignKey{From: from.RelationName, FromColumn: 2, To: other, ToColumn: 1})
	}
	checkDraft(t, c, []description.RelationName{from.RelationName, to.RelationName})
}

// A column that refers to other rows does not say what a row is called.
func TestDraftOfALabel(t *testing.T) {
	t.Parallel()
	to := relation("to", "id!", plain(description.Text))
	from := relation("from", "id!", plain(description.Bigint), "to_id!", plain(description.Text), "remark!", plain(description.Text))
	c := &description.Catalog{Relations: []description.Relation{from, to}, ForeignKeys: []description.ForeignKey{
		{From: from.RelationName, FromColumn: 2, To: to.RelationName, ToColumn: 1},
	}}
	if text, d := checkDraft(t, c, []description.RelationName{from.RelationName, to.RelationName}); d.Tables[0].Columns[d.Tables[0].Label].Name != "remark" {
		t.Errorf("the label is not remark:\n%s", text)
	}
}

// What a draft recognises.
func TestDraftGuesses(t *testing.T) {
	t.Parallel()
	c := catalog()
	homes := c.Relations[0]
	homes.Rows = 1000
	for i := range homes.Attributes {
		switch a := &homes.Attributes[i]; a.Name {
		case "city":
			a.Stats = description.Stats{Known: true, Distinct: 7, Width: 8, Common: []string{"Bern", "a\n  b: {c: d}", "x, y", "Basel", "Chur"}}
		case "bedrooms":
			a.Stats = description.Stats{Known: true, Distinct: 5, Width: 2}
		case "title":
			a.Stats = description.Stats{Known: true, Distinct: -1, Width: 20}
		}
	}
	c.Relations[0] = homes
	text, d := checkDraft(t, c, []description.RelationName{homes.RelationName, {"public", "agents"}, {"public", "photos"}})
	for _, want := range []string{
		"    label: title\n",
		"      title:       {search: A}\n",
		"      description: {search: B, on: item, show: paragraph}\n",
		"      type:        {filter: any-of, facet: true}   # house, condo\n",
		`      city:        {filter: any-of, facet: true}   # Bern, a?  b: {c: d}, "x, y", Basel, ...` + "\n",
		"      price:       {filter: range, sort: true, stats: true, show: money}   # ? money by its name\n",
		"      bedrooms:    {filter: range, facet: true}\n",
		"      latitude:    {}\n",
		"      features:    {filter: contains}\n",
		"      agent_id:    {filter: any-of}\n",
		"      created_at:  {write: false}\n",
		"      updated_at:  {on: item, write: now}",
		"      we ird:      {as: we_ird, filter: range}\n",
		"      # left out: computed: it is computed whenever it is read",
		"    newest: created_at\n",
		"    place: {latitude: latitude, longitude: longitude}\n",
		"      agent:  {table: agents, by: agent_id}\n",
		"      photos: {table: photos, by: home_id, many: position}   # ? if these are few rows\n",
		"      home: {table: homes, by: home_id}\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the draft lacks %q", want)
		}
	}
	if len(d.Tables[0].With) != 2 || d.Tables[0].Newest != d.Tables[0].Column("created_at") {
		t.Errorf("the draft is %s", text)
	}
	if t.Failed() {
		t.Log(text)
	}
}

// What cannot be described is said, all of it at once.
func TestDraftRefuses(t *testing.T) {
	t.Parallel()
	c := catalog()
	var names []description.RelationName
	for _, name := range []string{"home", "a_view", "a_matview", "a_whole", "a_part", "a_child", "a_parent", "a_foreign", "a_sequence", "temporary", "no_key", "nullable", "loose_key", "virtual_key"} {
		names = append(names, description.RelationName{"public", name})
	}
	text, faults := description.Draft(c, append(names, description.RelationName{"public", "homes"}))
	if text != "" || len(faults) < len(names) {
		t.Errorf("%d faults of %d relations: %s", len(faults), len(names), text)
	}
	golden(t, "testdata/draft_faults.txt", faults.Error())
}

// A column of words that an index finds is searched, in the language that it is made with; else
// the texts are.
func TestDraftSearchesStoredWords(t *testing.T) {
	t.Parallel()
	searched := description.RelationName{Schema: "public", Name: "searched"}
	text, d := checkDraft(t, catalog(), []description.RelationName{searched})
	if table := &d.Tables[0]; table.Vector == nil || table.Columns[*table.Vector].Name != "words" || table.Language != "german" || len(table.Search) > 0 {
		t.Errorf("not as it should be:\n%s", text)
	}
	without := catalog()
	without.Relation(searched).Indexes = without.Relation(searched).Indexes[:1]
	if text, _ = checkDraft(t, without, []description.RelationName{searched}); !strings.Contains(text, "search: words   # ? needs an index: CREATE INDEX ON public.searched USING gin (words)") {
		t.Errorf("no word of the index that is missing:\n%s", text)
	}
	without.Relation(searched).Attributes = without.Relation(searched).Attributes[:2]
	if text, d = checkDraft(t, without, []description.RelationName{searched}); len(d.Tables[0].Search) != 1 {
		t.Errorf("the text is not searched:\n%s", text)
	}
}
