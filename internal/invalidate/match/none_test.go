package match

import (
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
)

// A cursor may stand at a NULL of a column that had no NOT NULL for a while. What a page
// behind it shows once the NOT NULL is back is found like that of any other.
func TestCursorAtANullThatIsGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sort listing.Sort
		at   int64
		want bool // whether rows with a value are behind it
	}{
		{listing.Newest, int64(listing.NoInstant), true},
		{listing.PriceDesc, listing.NoPrice, true},
		{listing.PriceAsc, listing.NoPrice, false},
	} {
		q := listing.Query{Kind: listing.PageKind, Sort: c.sort, Limit: 5, After: listing.Some(listing.Key{Value: listing.Some(c.at), ID: 9})}
		var ix Index
		ix.Set(1, q.String(), listing.Window{})
		for _, r := range []listing.Row{{ID: 1}, {ID: 10, Price: listing.NaNPrice, CreatedAt: listing.Infinity}} {
			change := Change{New: r, HasNew: true, Changed: listing.AllColumns}
			if got := len(ix.Affected(&change, nil)) > 0; got != c.want {
				t.Errorf("%s behind a NULL: a new row %+v touches it: %v, want %v", c.sort, r, got, c.want)
			}
		}
	}
}
