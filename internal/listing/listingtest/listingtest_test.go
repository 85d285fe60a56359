package listingtest_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// Whatever is generated is what it is said to be: queries have an address, rows have values
// that their columns can hold.
func TestGenerators(t *testing.T) {
	t.Parallel()
	for _, table := range []*listing.Table{listingtest.Properties(), listingtest.Every(), listingtest.ByUUID()} {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			keys := listingtest.RowKeys(table)
			rapid.Check(t, func(t *rapid.T) {
				q := listingtest.Queries(table, keys).Draw(t, "query")
				back, err := table.Site.Parse(q.String())
				if err != nil || !reflect.DeepEqual(back, q) {
					t.Fatalf("%s: got %+v, %v, want %+v", q, back, err, q)
				}
				r := listingtest.Rows(table, keys).Draw(t, "row")
				for i := range table.Columns {
					if c := &table.Columns[i]; !r.Null(i) && !c.Holds(r.Values[i]) {
						t.Errorf("%s cannot hold %+v", c.Name, r.Values[i])
					}
				}
				qs := listingtest.Querysets(q).Draw(t, "queryset")
				if back, err := listing.DecodeQueryset(q, qs.Encode()); err != nil || !reflect.DeepEqual(back, qs) {
					t.Fatalf("got %+v, %v, want %+v", back, err, qs)
				}
				w := listingtest.Windows(table, q.Sort, keys).Draw(t, "window")
				if w.Bounded && table.Compare(q.Sort, w.Last, w.Ahead) > 0 {
					t.Fatalf("window %s begins behind its end", w)
				}
			})
		})
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	columns := listingtest.Columns()
	for i, c := range columns {
		if c.Number != i || c.Name != listingtest.Properties().Columns[i].Name {
			t.Errorf("column %d is %d, %s", i, c.Number, c.Name)
		}
	}
	for _, c := range listingtest.Properties().Columns[len(columns):] {
		if !c.Generated {
			t.Errorf("%s is missing", c.Name)
		}
	}
}
