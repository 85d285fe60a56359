package description_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
)

// resolve resolves a description without faults.
func resolve(t *testing.T, text string) *description.Description {
	t.Helper()
	file, faults := description.Parse("f", text)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	d, faults := description.Resolve(file, catalog())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return d
}

// homes resolves the members of the table homes, written as a mapping in braces.
func homes(t *testing.T, members string) (*description.Description, *description.Table) {
	t.Helper()
	members = strings.ReplaceAll(members, "\t", " ")
	d := resolve(t, "tables: {homes: {"+members+"}, agents: {columns: {name: }}, photos: {columns: {url: }}}")
	return d, &d.Tables[0]
}

func columnNames(t *description.Table) (names []string) {
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return names
}

// Captured is what is used for anything, in the order of the table, and nothing else.
func TestCapturedIsUsed(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]string{
		"columns: {title: }":                                                           "id title",
		"columns: {price: {on: none, sort: true}}":                                     "id price",
		"columns: {title: }, newest: created_at":                                       "id title created_at",
		"columns: {title: }, place: {latitude: latitude, longitude: longitude}":        "id title latitude longitude",
		"columns: {title: }, label: title":                                             "id title",
		"columns: {title: }, key: uid":                                                 "title uid",
		"columns: {description: {search: A, on: none}}":                                "id description",
		"columns: {city: {facet: true, on: none}}":                                     "id city",
		"columns: {price: {stats: true, on: none}}":                                    "id price",
		"columns: {title: }, with: {agent: {table: agents, by: agent_id}}":             "id title agent_id",
		"columns: {title: }, with: {photos: {table: photos, by: home_id, many: true}}": "id title",
		"columns: {city: , title: , id: }":                                             "id title city",
	} {
		d, table := homes(t, members)
		if got := strings.Join(columnNames(table), " "); got != want {
			t.Errorf("%s: captured are %s, want %s", members, got, want)
		}
		for _, table := range d.Tables {
			for _, c := range table.Columns {
				if len(c.Uses) == 0 {
					t.Errorf("%s: column %s is used for nothing", members, c.Name)
				}
			}
		}
	}
	// The columns by which other tables find their rows are used, too.
	d, _ := homes(t, "columns: {title: }, with: {photos: {table: photos, by: home_id, many: position}}")
	if got := columnNames(&d.Tables[2]); !slices.Equal(got, []string{"id", "home_id", "position", "url"}) {
		t.Errorf("captured of photos are %v", got)
	}
	// Also if nothing else uses them.
	d = resolve(t, `tables: {homes: {columns: {title: }, with: {photos: {table: photos, by: home_id, many: position}}},
  photos: {columns: {position: {on: none}, home_id: {on: none}}}}`)
	if got := columnNames(&d.Tables[1]); !slices.Equal(got, []string{"id", "home_id", "position"}) {
		t.Errorf("captured of photos are %v", got)
	}
	d, _ = homes(t, "columns: {title: }, with: {photos: {table: photos, by: home_id, many: position}}")
	if j := d.Tables[0].With[0]; j.Table != 2 || !j.Many || j.By != 1 || j.Order != 2 || !j.Lists {
		t.Errorf("the join is %+v", j)
	}
}

// Names that the outside sees, in the order in which it sees them.
func TestOrders(t *testing.T) {
	t.Parallel()
	_, table := homes(t, `columns: {type: {filter: any-of, facet: true}, price: {filter: range, sort: true, facet: true}, bedrooms: {filter: min, as: beds, facet: true},
		city: {filter: any-of, facet: true}, features: {filter: contains, param: feature}, description: {search: B, on: item}, title: {search: A},
		estimate: {filter: max, sort: guess}}, place: {latitude: latitude, longitude: longitude}, newest: created_at`)
	var parameters, orders, facets, list, item, search []string
	for _, p := range table.Parameters {
		parameters = append(parameters, p.Name+":"+table.Columns[p.Column].Name)
	}
	for _, o := range table.Orders {
		orders = append(orders, o.Name)
	}
	for _, f := range table.Facets {
		facets = append(facets, f.Name)
	}
	for _, n := range table.List {
		list = append(list, table.Columns[n].Member)
	}
	for _, n := range table.Item[len(table.List):] {
		item = append(item, table.Columns[n].Member)
	}
	for _, n := range table.Search {
		search = append(search, table.Columns[n].Member)
	}
	for what, test := range map[string]struct {
		got  []string
		want string
	}{
		"parameters": {parameters, "city:city feature:features type:type min_price:price max_price:price min_beds:bedrooms max_estimate:estimate bbox:latitude q:description"},
		"orders":     {orders, "newest price -price guess -guess"},
		"facets":     {facets, "by_city by_type by_price by_beds"},
		"list":       {list, "id type price beds city features title estimate"},
		"item":       {item, "description"},
		"search":     {search, "description title"},
	} {
		if got := strings.Join(test.got, " "); got != test.want {
			t.Errorf("%s are %s, want %s", what, got, test.want)
		}
	}
}

// What only PostgreSQL can compare is wide, wherever it is used.
func TestWide(t *testing.T) {
	t.Parallel()
	_, table := homes(t, `columns: {title: {filter: any-of, sort: true}, nickname: {filter: any-of, sort: true}, code: {filter: any-of, sort: true}, price: {filter: range, sort: true},
		estimate: {filter: range, sort: true}, description: {search: A}}, place: {latitude: latitude, longitude: estimate}`)
	var wide []string
	for _, p := range table.Parameters {
		if p.Wide {
			wide = append(wide, p.Name)
		}
	}
	for _, o := range table.Orders {
		if o.Wide {
			wide = append(wide, o.Name)
		}
	}
	const want = "nickname bbox q title -title nickname -nickname"
	if got := strings.Join(wide, " "); got != want || !table.Place.Wide {
		t.Errorf("wide are %s, want %s", got, want)
	}
}

func TestWrites(t *testing.T) {
	t.Parallel()
	d, table := homes(t, `columns: {title: , price: {write: false}, city: {on: none, filter: any-of}, code: {on: none, sort: true, write: true}, updated_at: {write: now}, stored: , created_at: }`)
	want := map[string]string{
		"id": "", "title": description.Settable, "price": "", "city": "", "code": description.Settable, "updated_at": description.SetNow, "stored": "", "created_at": description.Settable,
	}
	for _, c := range table.Columns {
		if c.Write != want[c.Name] {
			t.Errorf("a write does %q to %s, want %q", c.Write, c.Name, want[c.Name])
		}
	}
	// A key that PostgreSQL has no value for comes with the row.
	if key := d.Tables[1].Columns[d.Tables[1].Key]; key.Write != description.Settable {
		t.Errorf("a write does %q to the key of agents", key.Write)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	d, table := homes(t, "columns: {title: , created_at: , price: }")
	if d.Site != (description.Site{Name: "Listings", Locale: "en-US", Currency: "USD", Home: "homes"}) {
		t.Errorf("the site is %+v", d.Site)
	}
	if table.Key != 0 || table.Label != 0 || table.Newest != 0 || table.Orders[0] != (description.Order{Name: description.DefaultOrder, Descending: true}) {
		t.Errorf("key, label and default order are %d, %d, %d: %+v", table.Key, table.Label, table.Newest, table.Orders)
	}
	var shows []string
	for _, c := range table.Columns {
		shows = append(shows, c.Label+": "+c.Show)
	}
	if want := []string{"Id: number", "Title: text", "Price: number", "Created at: time"}; !slices.Equal(shows, want) {
		t.Errorf("pages print %q, want %q", shows, want)
	}
}

// Faults of Parse and of Resolve come together, each once.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	file, faults := description.Parse("f", "tables:\n  homes:\n    columns:\n      titel: {serch: A}\n      price: {filter: contains}\n    newest: created\n")
	if len(faults) != 1 {
		t.Fatal(faults)
	}
	d, all := description.Resolve(file, catalog())
	if d != nil || len(all) != 4 {
		t.Errorf("%v", all)
	}
	c := catalog()
	c.Encoding = "LATIN1"
	file, _ = description.Parse("f", "tables: {homes: {columns: {title: }}}")
	if _, faults := description.Resolve(file, c); len(faults) != 1 || !strings.Contains(faults.Error(), "the encoding of database test is LATIN1, not UTF8") {
		t.Error(faults)
	}
}

// What q finds is decided by the stored words, if the file names them; then the texts that they are
// of only stand in documents, and are not captured for it.
func TestStoredWordsAreSearched(t *testing.T) {
	t.Parallel()
	d := resolve(t, "tables: {searched: {columns: {title: {search: A, on: item}}, search: words}}")
	table := &d.Tables[0]
	words := table.Column("words")
	if words < 0 || table.Vector == nil || *table.Vector != words || !slices.Equal(table.Searched(), []int{words}) || table.Language != "english" {
		t.Errorf("searched is %v in %q, vector %v", table.Searched(), table.Language, table.Vector)
	}
	if !table.Columns[words].Has(description.ForSearch) || table.Columns[table.Column("title")].Has(description.ForSearch) {
		t.Error("not just the column of words is used for the search")
	}
	last := table.Parameters[len(table.Parameters)-1]
	if last.Kind != description.Words || last.Name != "q" || last.Column != words || !last.Wide {
		t.Errorf("the parameter is %+v", last)
	}
}
