package invalidate_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// What an edit removes, to the entry.
func TestEditRemovesWhatItChangesAndNothingElse(t *testing.T) {
	t.Parallel()
	const (
		one       = "properties/1"
		two       = "properties/2"
		summary   = "properties/summary?city=FOLSOM"
		ofGalt    = "properties/summary?city=GALT"
		both      = "properties?city=FOLSOM,GALT"
		cheap     = "properties?city=FOLSOM&max_price=5000"
		dear      = "properties?city=FOLSOM&min_price=5000"
		byPrice   = "properties?sort=price&limit=3"
		absent    = "properties/99"
		condos    = "properties?property_type=Condo"
		houses    = "properties?property_type=House"
		unrelated = "properties?status=sold"
	)
	all := []string{one, two, summary, ofGalt, both, cheap, dear, byPrice, absent, condos, houses, unrelated, folsom, galt}
	tests := map[string]struct {
		edit string
		gone []string
	}{
		"description":    {"update properties set description = 'Quite another' where id = 1", []string{one}},
		"title":          {"update properties set title = 'A new one' where id = 1", []string{one, both, cheap, byPrice, condos, folsom}},
		"price in range": {"update properties set price = 1001 where id = 1", []string{one, both, cheap, byPrice, condos, folsom, summary}},
		"price across":   {"update properties set price = 9000 where id = 1", []string{one, both, cheap, dear, byPrice, condos, folsom, summary}},
		"behind a page":  {"update properties set price = 70000 where id = 12", []string{both, condos, galt, ofGalt}},
		"city":           {"update properties set city = 'GALT' where id = 1", []string{one, both, cheap, byPrice, condos, folsom, galt, summary, ofGalt}},
		"nothing":        {"update properties set price = price, title = title where id = 1", nil},
		"no row":         {"update properties set price = 1 where id = 1000", nil},
		"insert":         {"insert into properties (id, title, property_type, price, city) values (99, 'x', 'House', 9000, 'LODI')", []string{absent, houses}},
		"delete":         {"delete from properties where id = 2", []string{two, both, cheap, byPrice, condos, folsom, summary}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachPartitioning(t, func(t *testing.T, partitions int) {
				d := deployment.New(t, deployment.Options{Partitions: partitions})
				d.Invalidate()
				listings(d, "FOLSOM", 1, 6)
				listings(d, "GALT", 11, 16)
				api := d.API()
				warm(d, api, all...)
				d.AwaitApplied(d.Exec(test.edit))
				there := cached(d, all...)
				maps.DeleteFunc(there, func(_ string, there bool) bool { return there })
				gone := slices.Sorted(maps.Keys(there))
				slices.Sort(test.gone)
				if !slices.Equal(gone, slices.Compact(test.gone)) {
					t.Errorf("gone are\n%q, want\n%q", gone, test.gone)
				}
				for _, q := range all {
					for _, f := range formats {
						if body := api.Get(q, f).Body; body != api.Fresh(q, f) {
							t.Errorf("%s as %s is stale: %s", q, f, body)
						}
					}
				}
			})
		})
	}
}

// A search is removed by what it shows, and by other words. No other edit of a row that it does not show
// removes it: neither from a page that nothing follows, nor from one of nothing, nor from one in the middle.
func TestEditRemovesSearchesThatShowTheRow(t *testing.T) {
	t.Parallel()
	const (
		rare    = "properties?q=sauna"
		nothing = "properties?q=moat"
		none    = "properties/summary?q=moat"
		common  = "properties?q=house&sort=price&limit=3"
		ofGalt  = "properties?city=GALT&q=sauna"
	)
	all := []string{rare, nothing, none, common, ofGalt}
	words := []string{rare, nothing, none} // whether they find it now, nobody but PostgreSQL can tell
	tests := map[string]struct {
		edit string
		gone []string
	}{
		"price of another row":                {"update properties set price = price + 1 where id = 6", nil},
		"title of the same words":             {"update properties set title = 'HOUSE 6' where id = 6", nil},
		"city of another row":                 {"update properties set city = 'LODI' where id = 6", nil},
		"another row comes into the city":     {"update properties set city = 'GALT' where id = 6", []string{ofGalt}},
		"another row goes":                    {"delete from properties where id = 6", nil},
		"another row gets another key":        {"update properties set id = 60 where id = 6", words}, // it is captured as one that goes and one that comes
		"a row without the words comes first": {"update properties set price = 1 where id = 7", nil},
		"a row with the words comes first":    {"update properties set price = 1 where id = 6", []string{common}},
		"price of a shown row":                {"update properties set price = 5500 where id = 5", []string{rare}},
		"a shown row goes":                    {"delete from properties where id = 5", []string{rare}},
		"words that are found":                {"update properties set title = 'House with a sauna' where id = 6", words},
		"words that nothing had":              {"update properties set title = 'House 6, moat' where id = 6", words},
		"a row that is found":                 {"insert into properties (id, title, property_type, price, city) values (99, 'Sauna', 'House', 9000, 'GALT')", append(words, ofGalt)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deployment.New(t, deployment.Options{})
			d.Invalidate()
			listings(d, "FOLSOM", 1, 6)
			d.AwaitApplied(d.Exec("update properties set title = 'House with sauna' where id = 5"))
			d.AwaitApplied(d.Exec("insert into properties (id, title, property_type, price, city) values (7, 'Tent', 'House', 7, 'LODI')"))
			// Awake, it could judge a query by what it learned of it before its content was there.
			awaitSleep(d, d.Connect())
			api := d.API()
			warm(d, api, all...)
			d.AwaitApplied(d.Exec(test.edit))
			there := cached(d, all...)
			for _, q := range all {
				if gone := slices.Contains(test.gone, q); there[q] == gone {
					t.Errorf("%s is gone: %v, want %v", q, !there[q], gone)
				}
			}
			for _, q := range all {
				for _, f := range formats {
					if body := api.Get(q, f).Body; body != api.Fresh(q, f) {
						t.Errorf("%s as %s is stale: %s", q, f, body)
					}
				}
			}
		})
	}
}
