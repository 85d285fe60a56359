package feed_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// listings is the feed of the table properties.
func listings() *feed.Feed { return feed.New(listingtest.Site()) }

// Whatever bytes stand for a row, they are a change of something: of the whole table if
// they are not understood.
func TestAnyBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		record := func(name string) []byte {
			return rapid.OneOf(rapid.Just[[]byte](nil), rapid.SliceOfN(rapid.Byte(), 0, 200), rapid.Map(
				rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 0, 0, 1, 2, 4, 8, 14, 0xff}), 0, 300),
				func(b []byte) []byte { return append([]byte{0, 0, 0, 14}, b...) },
			)).Draw(t, name)
		}
		var sets *string
		if rapid.Bool().Draw(t, "bulk") {
			text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"{}", "[]", "null", `{"null columns": 3}`, `{"city": 7, "null columns": 0}`})).Draw(t, "sets")
			sets = &text
		}
		if changes := listings().Changes(0, 7, record("old"), record("new"), nil, sets); len(changes) == 0 {
			t.Fatal("no change")
		}
	})
}

// record is a row in PostgreSQL's binary form, of its fields; nil is NULL.
func record(fields ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(fields)))
	for _, f := range fields {
		b = binary.BigEndian.AppendUint32(b, 0) // its type
		if f == nil {
			b = binary.BigEndian.AppendUint32(b, 1<<32-1)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	return b
}

// What is captured and not understood is a change of the whole table, and is told with its
// transaction.
func TestWhatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	// id, created_at, updated_at, latitude, longitude, living_area, bedrooms, price, bathrooms,
	// title, property_type, status, city, postal_code
	fields := func(change func(f [][]byte) [][]byte) []byte {
		eight, number, text := []byte{0, 0, 0, 0, 0, 0, 0, 7}, []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 5}, []byte("x")
		return record(change([][]byte{eight, eight, eight, nil, nil, nil, {0, 3}, number, nil, text, text, text, text, nil})...)
	}
	same := func(f [][]byte) [][]byte { return f }
	with := func(n int, b []byte) []byte {
		return fields(func(f [][]byte) [][]byte { f[n] = b; return f })
	}
	good := fields(same)
	table := listingtest.Properties()
	for _, c := range listings().Changes(0, 7, nil, good, nil, nil) {
		value := func(name string) string {
			return table.Columns[table.Column(name)].Spell(c.New.Values[table.Column(name)])
		}
		if c.Table.Name != "properties" || !c.HasNew || value("id") != "7" || value("price") != "5" || value("bedrooms") != "3" {
			t.Fatalf("what is in order is read as %+v", c)
		}
	}
	empty, other, none := `{"null columns": 0}`, "[]", (*string)(nil)
	if envelope := listings().Changes(0, 7, good, good, nil, &empty); envelope[0].Kind != match.BulkChange {
		t.Fatalf("an envelope that is in order is read as %+v", envelope[0])
	}
	noNulls, unknown, number, notATruth := "{}", `{"null columns": 0, "colour": []}`, `{"null columns": 0, "city": 7}`, `{"null columns": 0, "price": ["1"]}`
	for name, c := range map[string]struct {
		before, after []byte
		sets          *string
	}{
		"an id of four bytes":          {nil, with(0, []byte{0, 0, 0, 7}), none},
		"an id of nine bytes":          {nil, with(0, make([]byte, 9)), none},
		"bedrooms of four bytes":       {nil, with(6, []byte{0, 0, 0, 7}), none},
		"no id":                        {nil, with(0, nil), none},
		"a price without end":          {nil, with(7, []byte{0, 0, 0, 0, 0xD0, 0, 0, 0}), none},
		"a price that is too large":    {nil, with(7, []byte{0, 1, 0, 3, 0, 0, 0, 0, 0, 5}), none},
		"a byte behind it":             {nil, append(fields(same), 0), none},
		"cut off":                      {nil, good[:len(good)-1], none},
		"a field more":                 {nil, fields(func(f [][]byte) [][]byte { return append(f, []byte("x")) }), none},
		"another number of fields":     {nil, append([]byte{0, 0, 0, 15}, good[4:]...), none},
		"an old row of another shape":  {with(0, nil), good, none},
		"sets without an old row":      {nil, good, &empty},
		"sets without a new row":       {good, nil, &empty},
		"sets without rows":            {nil, nil, &empty},
		"sets that are something else": {good, good, &other},
		"sets without their NULLs":     {good, good, &noNulls},
		"a set of no column":           {good, good, &unknown},
		"a set that is none":           {good, good, &number},
		"a set of numbers":             {good, good, &notATruth},
	} {
		changes := listings().Changes(0, 7, c.before, c.after, nil, c.sets)
		if len(changes) != 1 || changes[0].Kind != match.WholeTable || changes[0].Table.Name != "properties" {
			t.Errorf("%s: %d changes, the first %+v; want one of the whole table", name, len(changes), changes)
			continue
		}
		var unread *feed.Unread
		if !errors.As(changes[0].Unread, &unread) || unread.Xid != 7 {
			t.Errorf("%s: told is %v, want transaction 7", name, changes[0].Unread)
		}
	}
}

// A row in which a column is NULL that lost its NOT NULL is one all the same.
func TestNullWhereThereWasNone(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	values := make([][]byte, len(table.Image()))
	values[0] = []byte{0, 0, 0, 0, 0, 0, 0, 7}
	changes := listings().Changes(0, 7, nil, record(values...), nil, nil)
	if len(changes) != 1 || !changes[0].HasNew || changes[0].New.Nulls != listing.ColumnSet(table.Image()[1:]...) {
		t.Errorf("changes %+v", changes)
	}
}

// Of an array, all that is shown counts as a difference, though filters ask for less.
func TestArrayDifferences(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	f := feed.New(every.Site)
	with := func(name string, b []byte) []byte {
		values := make([][]byte, len(every.Image()))
		for i, c := range every.Image() {
			switch {
			case c == every.Key:
				values[i] = []byte("a key")
			case every.Columns[c].Name == name:
				values[i] = b
			}
		}
		return record(values...)
	}
	one := func(size byte, elements ...byte) []byte {
		return append([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, size, 0, 0, 0, 1}, elements...)
	}
	zero, null := []byte{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{0xff, 0xff, 0xff, 0xff}
	minus := []byte{0, 0, 0, 8, 0x80, 0, 0, 0, 0, 0, 0, 0}
	for name, after := range map[string][]byte{
		"a NULL more":                       one(2, append(zero[:len(zero):len(zero)], null...)...),
		"-0":                                one(1, minus...),
		"another lower bound":               append(one(1, zero...)[:19], append([]byte{7}, zero...)...),
		"NULL instead of a list":            nil,
		"an empty list instead of one of 0": {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		changes := f.Changes(every.Number, 7, with("floats", one(1, zero...)), with("floats", after), nil, nil)
		if len(changes) != 1 || changes[0].Changed != listing.ColumnSet(every.Column("floats")) {
			t.Errorf("%s: changes %+v", name, changes)
		}
	}
}
