package listing_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func cursorOf(q listing.Query) string {
	_, cursor, _ := strings.Cut(q.String(), "cursor=")
	return cursor
}

// withCursor asks for a page behind a cursor, in any case of the sort.
func withCursor(s listing.Sort, cursor string) (listing.Query, listing.Faults) {
	return listing.ParsePage(url.Values{"sort": {s.String()}, "cursor": {cursor}}, listing.Strict)
}

// TestCursorHoldsTheLastRow: it goes with any filter and limit of its sort, and
// with no other sort.
func TestCursorHoldsTheLastRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := listingtest.Page(rapid.Int64()).Draw(t, "page")
		q.After = listing.Some(listingtest.Key(q.Sort, rapid.Int64()).Draw(t, "key"))
		other := listingtest.Sort().Draw(t, "other sort")
		back, faults := withCursor(other, cursorOf(q))
		switch {
		case other == q.Sort && (len(faults) > 0 || back.After != q.After):
			t.Fatalf("got %+v, %v, want %+v", back.After, faults, q.After)
		case other != q.Sort && (len(faults) != 1 || faults[0].Name != "cursor"):
			t.Fatalf("a cursor of %s with sort=%s: %v", q.Sort, other, faults)
		}
	})
}

// TestDamagedCursors: one that lost or gained a character, or has another in one
// place, is refused.
func TestDamagedCursors(t *testing.T) {
	t.Parallel()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for s, k := range map[listing.Sort]listing.Key{
		listing.PriceAsc: {Value: listing.Some[int64](350_000_00), ID: 17},
		listing.AreaDesc: {ID: -1 << 63},
		listing.Newest:   {Value: listing.Some[int64](1_210_809_600_000_000), ID: 1<<63 - 1},
	} {
		good := cursorOf(listing.Query{Sort: s, Limit: listing.DefaultLimit, After: listing.Some(k)})
		if _, faults := withCursor(s, good); len(faults) > 0 {
			t.Fatalf("%s: %v", good, faults)
		}
		var damaged []string
		for i := range good {
			damaged = append(damaged, good[:i], good[:i]+good[i+1:])
			for _, c := range alphabet + "=%,~" {
				damaged = append(damaged, good[:i]+string(c)+good[i:], good[:i]+string(c)+good[i+1:])
			}
		}
		for _, bad := range append(damaged, good+"=", good+"A", good+good) {
			if q, faults := withCursor(s, bad); len(faults) == 0 && bad != good && bad != "" {
				t.Errorf("%s, from %s, taken for %+v", bad, good, q.After)
			}
		}
	}
}

// TestForgedCursors: a value that the sorted column cannot hold is refused, since
// PostgreSQL would not compare with it.
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sort listing.Sort
		key  listing.Key
	}{
		{listing.PriceAsc, listing.Key{}},
		{listing.PriceDesc, listing.Key{Value: listing.Some[int64](-listing.MaxPrice - 1)}},
		{listing.PriceDesc, listing.Key{Value: listing.Some[int64](listing.MaxPrice + 1)}},
		{listing.PriceAsc, listing.Key{Value: listing.Some[int64](listing.NaNPrice - 1)}},
		{listing.AreaAsc, listing.Key{Value: listing.Some[int64](1 << 31)}},
		{listing.AreaAsc, listing.Key{Value: listing.Some[int64](-1<<31 - 1)}},
		{listing.Newest, listing.Key{}},
		{listing.Newest, listing.Key{Value: listing.Some[int64](-1 << 63)}},
		{listing.Newest, listing.Key{Value: listing.Some(int64(listing.LongAgo + 1))}},
		{listing.Newest, listing.Key{Value: listing.Some(int64(listing.Infinity - 1))}},
	} {
		forged := cursorOf(listing.Query{Sort: test.sort, Limit: listing.DefaultLimit, After: listing.Some(test.key)})
		if q, faults := withCursor(test.sort, forged); len(faults) != 1 {
			t.Errorf("%s: %+v taken for %+v", test.sort, test.key, q.After)
		}
	}
}

func FuzzCursor(f *testing.F) {
	for _, s := range []string{"AYC7sCEimVEwGA", "", "A", "====", "gyI"} {
		f.Add(uint8(1), s)
	}
	f.Add(uint8(3), cursorOf(listing.Query{Sort: listing.AreaAsc, Limit: listing.DefaultLimit, After: listing.Some(listing.Key{ID: 5})}))
	f.Fuzz(func(t *testing.T, sort uint8, cursor string) {
		s := listing.Sort(sort % 5)
		q, faults := withCursor(s, cursor)
		if len(faults) > 0 || !q.After.Valid {
			return
		}
		if got := cursorOf(q); got != cursor {
			t.Fatalf("%s read as that of %+v, which is %s", cursor, q.After, got)
		}
		if _, err := base64.RawURLEncoding.DecodeString(cursor); err != nil {
			t.Fatal(err)
		}
	})
}
