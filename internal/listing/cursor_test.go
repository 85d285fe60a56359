package listing_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
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

// sort returns the number of an order by its name.
func sort(t testing.TB, table *listing.Table, name string) int {
	t.Helper()
	s, ok := table.Sort(name)
	if !ok {
		t.Fatalf("%s has no order %s", table.Name, name)
	}
	return s
}

// withCursor asks for a page behind a cursor, in any case of the sort.
func withCursor(table *listing.Table, sort int, cursor string) (listing.Query, listing.Faults) {
	return table.ParsePage(url.Values{"sort": {table.Orders[sort].Name}, "cursor": {cursor}}, listing.Strict)
}

// TestCursorHoldsTheLastRow: it goes with any filter and limit of its sort, and
// with no other sort or table.
func TestCursorHoldsTheLastRow(t *testing.T) {
	t.Parallel()
	forTables(t, func(t *testing.T, table *listing.Table) {
		keys := listingtest.RowKeys(table)
		rapid.Check(t, func(t *rapid.T) {
			q := listingtest.Pages(table, keys).Draw(t, "page")
			q.After = listing.Some(listingtest.Keys(table, q.Sort, keys).Draw(t, "key"))
			q.Backward = rapid.Bool().Draw(t, "backward")
			sort := listingtest.Sorts(table).Draw(t, "other sort")
			back, faults := withCursor(table, sort, cursorOf(q))
			switch {
			case sort == q.Sort && (len(faults) > 0 || back.After != q.After || back.Backward != q.Backward):
				t.Fatalf("got %+v, %v, want %+v", back.After, faults, q.After)
			case sort != q.Sort && (len(faults) != 1 || faults[0].Name != "cursor"):
				t.Fatalf("a cursor of %s with sort=%s: %v", q.Order().Name, table.Orders[sort].Name, faults)
			}
			for _, other := range tables() {
				if other == table {
					continue
				}
				for i := range other.Orders {
					if _, faults := withCursor(other, i, cursorOf(q)); len(faults) != 1 {
						t.Fatalf("a cursor of %s with one of %s: %v", table.Name, other.Name, faults)
					}
				}
			}
		})
	})
}

// TestDamagedCursors: one that lost or gained a character, or has another in one
// place, is refused.
func TestDamagedCursors(t *testing.T) {
	t.Parallel()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, test := range []struct {
		table *listing.Table
		sort  string
		key   listing.Key
	}{
		{listingtest.Properties(), "price", key(number(350_000_00), 17)},
		{listingtest.Properties(), "-area", key(null, math.MinInt64)},
		{listingtest.Properties(), "newest", key(number(1_210_809_600_000_000), math.MaxInt64)},
		{listingtest.Every(), "bytewise", listing.Key{Value: text("ä b"), Key: text("Key").V}},
		{listingtest.ByUUID(), "-name", listing.Key{Value: text(""), Key: text("123e4567-e89b-12d3-a456-426614174000").V}},
	} {
		s := sort(t, test.table, test.sort)
		good := cursorOf(listing.Query{Table: test.table, Sort: s, Limit: listing.DefaultLimit, After: listing.Some(test.key)})
		if _, faults := withCursor(test.table, s, good); len(faults) > 0 {
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
			if q, faults := withCursor(test.table, s, bad); len(faults) == 0 && bad != good && bad != "" {
				t.Errorf("%s, from %s, taken for %+v", bad, good, q.After)
			}
		}
	}
}

// TestForgedCursors: a value that the sorted column cannot hold is refused, since
// PostgreSQL would not compare with it.
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	properties, every, byUUID := listingtest.Properties(), listingtest.Every(), listingtest.ByUUID()
	const most = 99_999_999_999_999 // cents
	textKey := func(v listing.Null[listing.Value]) listing.Key { return listing.Key{Value: v, Key: text("k").V} }
	uuid := func(id string) listing.Key { return listing.Key{Value: text("name"), Key: text(id).V} }
	for _, test := range []struct {
		table *listing.Table
		sort  string
		key   listing.Key
	}{
		{properties, "-price", key(number(-most-1), 0)},
		{properties, "-price", key(number(most+1), 0)},
		{properties, "price", key(number(listing.NaN-1), 0)},
		{properties, "price", key(number(math.MaxInt64), 0)},
		{properties, "area", key(number(1<<31), 0)},
		{properties, "area", key(number(-1<<31-1), 0)},
		{properties, "newest", key(number(-1<<63), 0)},
		{properties, "newest", key(number(listing.LongAgo+1), 0)},
		{properties, "newest", key(number(listing.Infinity-1), 0)},
		{every, "small", textKey(number(1 << 15))},
		{every, "flag", textKey(number(2))},
		{every, "condition", textKey(number(4))},
		{every, "condition", textKey(number(-1))},
		{every, "day", textKey(number(2_145_031_949))},
		{every, "moment", textKey(number(1<<63 - 1))},
		{every, "double", textKey(number(listing.FloatNumber(math.NaN()) + 1))},
		{every, "uid", textKey(text("123E4567-e89b-12d3-a456-426614174000"))},
		{every, "uid", textKey(text(""))},
		{every, "bytewise", textKey(text("a\x00b"))},
		{every, "bytewise", textKey(text("\xff"))},
		{every, "wide", textKey(text(""))},
		{every, "wide", textKey(text("1e5"))},
		{every, "wide", textKey(text("0x10"))},
		{every, "wide", textKey(text("--1"))},
		{every, "wide", textKey(text("1."))},
		{every, "wide", textKey(text("NaN "))},
		{every, "real", textKey(text("1e39"))},
		{every, "real", textKey(text("-1e39"))},
		{every, "real", textKey(text("1e-50"))},
		{every, "real", textKey(text("1e+-5"))},
		{every, "real", textKey(text("inf"))},
		{every, "fixed", textKey(text("\xff"))},
		{every, "newest", listing.Key{Value: number(0), Key: text("\x00").V}},
		{byUUID, "name", uuid("")},
		{byUUID, "name", uuid("123e4567-e89b-12d3-a456-42661417400")},
		{byUUID, "name", uuid("123e4567-e89b-12d3-a456_426614174000")},
	} {
		s := sort(t, test.table, test.sort)
		forged := cursorOf(listing.Query{Table: test.table, Sort: s, Limit: listing.DefaultLimit, After: listing.Some(test.key)})
		if q, faults := withCursor(test.table, s, forged); len(faults) != 1 {
			t.Errorf("%s: %+v taken for %+v", test.sort, test.key, q.After)
		}
	}
	for _, test := range []struct {
		sort string
		key  listing.Key
	}{
		{"wide", textKey(text("-Infinity"))},
		{"wide", textKey(text("-12345678901234567890.10"))},
		{"real", textKey(text("1e-45"))},
		{"real", textKey(text("-0"))},
		{"real", textKey(text("0.000"))},
		{"real", textKey(text("3.4028235e+38"))},
		{"fixed", textKey(text(""))},
	} {
		s := sort(t, every, test.sort)
		good := cursorOf(listing.Query{Table: every, Sort: s, Limit: listing.DefaultLimit, After: listing.Some(test.key)})
		if _, faults := withCursor(every, s, good); len(faults) > 0 {
			t.Errorf("%s: %+v: %v", test.sort, test.key, faults)
		}
	}
}

// A number that is longer than it needs be makes another cursor of the same place, which is
// refused even with a sum that is right.
func TestCursorsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	s := sort(t, table, "price")
	spell := func(body ...byte) string {
		sum := crc32.Checksum([]byte(string(body)+"properties?price"), crc32.MakeTable(crc32.Castagnoli))
		return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(body, sum))
	}
	good := cursorOf(listing.Query{Table: table, Sort: s, Limit: listing.DefaultLimit, After: listing.Some(key(number(1), 2))})
	if got := spell(byte(2*s), 2, 4); got != good {
		t.Fatalf("the test spells %s, not %s", got, good)
	}
	for _, body := range [][]byte{
		{}, {byte(2 * s)}, {byte(2 * s), 2}, {byte(2*s) | 0x80, 0, 2, 4}, {byte(2 * s), 0x82, 0, 4}, {byte(2 * s), 2, 0x84, 0}, {byte(2 * s), 2, 4, 0},
		{byte(2*s + 1), 2, 4}, {byte(2*s + 1)}, {byte(4 * len(table.Orders)), 2, 4}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 2, 4},
	} {
		if q, faults := withCursor(table, s, spell(body...)); len(faults) == 0 {
			t.Errorf("%x taken for %+v", body, q.After)
		}
	}
}

func FuzzCursor(f *testing.F) {
	for _, s := range []string{"AoC7sCEiiQzRQQ", "", "A", "====", "gyI"} {
		f.Add(uint8(0), uint8(1), s)
	}
	for i, table := range tables() {
		for sort := range table.Orders {
			after := listingtest.Keys(table, sort, listingtest.RowKeys(table)).Example(sort)
			q := listing.Query{Table: table, Sort: sort, Limit: listing.DefaultLimit, After: listing.Some(after)}
			f.Add(uint8(i), uint8(sort), cursorOf(q))
		}
	}
	f.Fuzz(func(t *testing.T, number, sort uint8, cursor string) {
		table := tables()[int(number)%len(tables())]
		q, faults := withCursor(table, int(sort)%len(table.Orders), cursor)
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
