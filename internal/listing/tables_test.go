package listing_test

import (
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// tables are those that ship, those with a column of every type, and those with rows inside rows.
func tables() []*listing.Table {
	return append([]*listing.Table{listingtest.Properties(), listingtest.Every(), listingtest.ByUUID()}, listingtest.JoinedSite().Tables...)
}

func forTables(t *testing.T, check func(t *testing.T, table *listing.Table)) {
	t.Helper()
	for _, table := range tables() {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			check(t, table)
		})
	}
}

var null listing.Null[listing.Value]

func number(n int64) listing.Null[listing.Value] { return listing.Some(listing.Value{Number: n}) }

func text(s string) listing.Null[listing.Value] { return listing.Some(listing.Value{Text: s}) }

// key is a place in an order of a table whose key is a whole number.
func key(v listing.Null[listing.Value], id int64) listing.Key {
	return listing.Key{Value: v, Key: listing.Value{Number: id}}
}
