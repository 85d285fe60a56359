package listing_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestWindowText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := listingtest.Window(listingtest.Sort().Draw(t, "sort"), rapid.Int64()).Draw(t, "window")
		if back, err := listing.ParseWindow(w.String()); err != nil || back != w {
			t.Fatalf("%s: got %+v, %v, want %+v", w, back, err, w)
		}
	})
	for _, s := range []string{
		"/", "1", "1/2", "1/2/3", "1/2/3/", "/1/2/3", "1/2/3/4/", "1/2/3/4/5", "1/2/3/x", "~/~/1/2", "-/1/2/3", "+1/2/3/4", "01/2/3/4", "1/2/3/-0",
		"1/2/3/9223372036854775808", " 1/2/3/4", "~~/1/2/3",
	} {
		if w, err := listing.ParseWindow(s); err == nil {
			t.Errorf("%q taken for %+v", s, w)
		}
	}
}

func FuzzParseWindow(f *testing.F) {
	for _, s := range []string{"", "35000000/17/35100000/9", "~/17/~/18", "-1/1/~/-5", "1/2/3/4/5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if w, err := listing.ParseWindow(s); err == nil && w.String() != s {
			t.Fatalf("%q taken for %s", s, w)
		}
	})
}

// TestWindowOfAnAnswer: it is narrow only if a row follows the page.
func TestWindowOfAnAnswer(t *testing.T) {
	t.Parallel()
	page := listing.Query{Sort: listing.AreaAsc, Limit: 2}
	items := []listing.Property{
		{Row: listing.Row{ID: 4, LivingArea: listing.Some[int32](900)}},
		{Row: listing.Row{ID: 9}},
	}
	ahead := listing.Some(listing.Key{ID: 11})
	for name, test := range map[string]struct {
		qs     listing.Queryset
		window string
		next   bool
	}{
		"a row follows": {listing.Queryset{Query: page, Items: items, Ahead: ahead}, "~/9/~/11", true},
		"none follows":  {listing.Queryset{Query: page, Items: items}, "", false},
		"empty":         {listing.Queryset{Query: page}, "", false},
		"a summary":     {listing.Queryset{Query: listing.Query{Kind: listing.SummaryKind}}, "", false},
		"a property":    {listing.Queryset{Query: listing.Query{Kind: listing.PropertyKind, ID: 4}, Items: items[:1]}, "", false},
	} {
		if got := test.qs.Window().String(); got != test.window {
			t.Errorf("%s: window %q, want %q", name, got, test.window)
		}
		next, ok := test.qs.NextQuery()
		if ok != test.next || ok != (test.qs.Next() != "") {
			t.Errorf("%s: next %v (%s), want %v", name, ok, test.qs.Next(), test.next)
		}
		if ok && next.After != listing.Some(listing.Key{ID: 9}) {
			t.Errorf("%s: next is behind %+v", name, next.After)
		}
	}
}
