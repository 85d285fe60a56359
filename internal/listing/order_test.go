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
	rows := []listing.Row{
		{ID: 1, Price: 500_00, CreatedAt: 10},
		{ID: 2, Price: 500_00, CreatedAt: 20, LivingArea: listing.Some[int32](900)},
		{ID: 3, Price: 400_00, CreatedAt: 20, LivingArea: listing.Some[int32](800)},
		{ID: 4, Price: 600_00, CreatedAt: -5},
	}
	for sort, want := range map[listing.Sort][]int64{
		listing.Newest:    {3, 2, 1, 4},
		listing.PriceAsc:  {3, 1, 2, 4},
		listing.PriceDesc: {4, 2, 1, 3},
		listing.AreaAsc:   {3, 2, 1, 4},
		listing.AreaDesc:  {2, 3, 4, 1}, // NULL last, the ids among them descending
	} {
		sorted := slices.SortedFunc(slices.Values(rows), func(a, b listing.Row) int {
			return sort.Compare(sort.Key(&a), sort.Key(&b))
		})
		var got []int64
		for _, r := range sorted {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", sort, got, want)
		}
	}
}

// TestOrderIsTotal: two rows share a place only if they share the id.
func TestOrderIsTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := listingtest.Sort().Draw(t, "sort")
		key := listingtest.Key(s, rapid.Int64Range(1, 3))
		a, b, c := key.Draw(t, "a"), key.Draw(t, "b"), key.Draw(t, "c")
		ab, bc, ac := s.Compare(a, b), s.Compare(b, c), s.Compare(a, c)
		switch {
		case ab != -s.Compare(b, a):
			t.Fatalf("%s: %+v and %+v: %d and back %d", s, a, b, ab, s.Compare(b, a))
		case (ab == 0) != (a == b):
			t.Fatalf("%s: %+v and %+v: %d", s, a, b, ab)
		case ab <= 0 && bc <= 0 && ac > 0:
			t.Fatalf("%s: %+v, %+v, %+v are no order", s, a, b, c)
		}
	})
}
