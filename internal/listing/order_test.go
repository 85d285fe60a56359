package listing_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestOrders(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	rows := []listing.Row{
		listingtest.Property(1, "price", 500, "created_at", listing.Value{Number: 10}),
		listingtest.Property(2, "price", 500, "created_at", listing.Value{Number: 20}, "living_area", 900),
		listingtest.Property(3, "price", 400, "created_at", listing.Value{Number: 20}, "living_area", 800),
		listingtest.Property(4, "price", 600, "created_at", listing.Value{Number: -5}),
	}
	for name, want := range map[string][]int64{
		"newest": {3, 2, 1, 4},
		"price":  {3, 1, 2, 4},
		"-price": {4, 2, 1, 3},
		"area":   {3, 2, 1, 4},
		"-area":  {2, 3, 4, 1}, // NULL last, the ids among them descending
	} {
		s := sort(t, table, name)
		sorted := slices.SortedFunc(slices.Values(rows), func(a, b listing.Row) int {
			return table.Compare(s, table.PlaceOf(s, table.KeyOf(s, &a)), table.PlaceOf(s, table.KeyOf(s, &b)))
		})
		var got []int64
		for _, r := range sorted {
			got = append(got, r.Values[table.Key].Number)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestOrderIsTotal: two rows share a place only if they share the id.
func TestOrderIsTotal(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	rapid.Check(t, func(t *rapid.T) {
		s := listingtest.Sorts(table).Draw(t, "sort")
		keys := listingtest.Keys(table, s, listingtest.IDs(rapid.Int64Range(1, 3)))
		a, b, c := keys.Draw(t, "a"), keys.Draw(t, "b"), keys.Draw(t, "c")
		compare := func(a, b listing.Key) int { return table.Compare(s, table.PlaceOf(s, a), table.PlaceOf(s, b)) }
		ab, bc, ac := compare(a, b), compare(b, c), compare(a, c)
		switch {
		case ab != -compare(b, a):
			t.Fatalf("%d: %+v and %+v: %d and back %d", s, a, b, ab, compare(b, a))
		case (ab == 0) != (a == b):
			t.Fatalf("%d: %+v and %+v: %d", s, a, b, ab)
		case ab <= 0 && bc <= 0 && ac > 0:
			t.Fatalf("%d: %+v, %+v, %+v are no order", s, a, b, c)
		}
	})
}

// What Compare says is so by the values themselves, where they can be compared at all; and
// where it cannot tell, it says so.
func TestCompare(t *testing.T) {
	t.Parallel()
	forTables(t, func(t *testing.T, table *listing.Table) {
		keys := listingtest.RowKeys(table)
		rapid.Check(t, func(t *rapid.T) {
			s := listingtest.Sorts(table).Draw(t, "sort")
			places := listingtest.Keys(table, s, keys)
			a, b := places.Draw(t, "a"), places.Draw(t, "b")
			o := table.Order(s)
			if o.Wide {
				return
			}
			want := naiveCompare(table.KeyColumn(), a.Key, b.Key)
			switch {
			case a.Value.Valid != b.Value.Valid:
				want = -1
				if b.Value.Valid {
					want = +1
				}
			case a.Value.Valid && naiveCompare(o.Column, a.Value.V, b.Value.V) != 0:
				want = naiveCompare(o.Column, a.Value.V, b.Value.V)
			}
			if o.Descending && a.Value.Valid == b.Value.Valid {
				want = -want
			}
			pa, pb := table.PlaceOf(s, a), table.PlaceOf(s, b)
			got := table.Compare(s, pa, pb)
			sure := pa.Value.Valid && pb.Value.Valid && o.Column.Distinct(pa.Value.V) || pa.Value != pb.Value
			sure = sure && (table.KeyColumn().Distinct(pa.Key) || pa.Key != pb.Key)
			if got*want < 0 || sure && sign(got) != sign(want) {
				t.Fatalf("%s: %+v and %+v: %d, want %d", o.Name, a, b, got, want)
			}
		})
	})
}

func sign(n int) int { return max(-1, min(n, 1)) }

// Texts that begin alike are not ordered by their keys, which would be wrong; equal ones that
// are short are.
func TestCompareTexts(t *testing.T) {
	t.Parallel()
	table := listingtest.Every()
	for name, sign := range map[string]int{"bytewise": 1, "-bytewise": -1} {
		s := sort(t, table, name)
		place := func(value, key string) listing.Place {
			return table.PlaceOf(s, listing.Key{Value: text(value), Key: text(key).V})
		}
		for _, test := range []struct {
			a, b listing.Place
			want int
		}{
			{place("the same beginning", "z"), place("the same ending", "a"), 0},
			{place("the same", "z"), place("the same", "a"), 0},
			{place("the sum", "z"), place("the sum", "a"), 1},
			{place("the sum", "a"), place("the sum", "a"), 0},
			{place("the sum", "the key of one"), place("the sum", "the key of another"), 0},
			{place("the sum", "z"), place("the summer", "a"), -1},
		} {
			if got := table.Compare(s, test.a, test.b); got != sign*test.want {
				t.Errorf("%s: %+v and %+v: %d, want %d", name, test.a, test.b, got, sign*test.want)
			}
		}
	}
}
