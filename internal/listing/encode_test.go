package listing_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestEncodingIsExact(t *testing.T) {
	t.Parallel()
	forTables(t, func(t *testing.T, table *listing.Table) {
		keys := listingtest.RowKeys(table)
		rapid.Check(t, func(t *rapid.T) {
			q := listingtest.Queries(table, keys).Draw(t, "query")
			qs := listingtest.Querysets(q).Draw(t, "queryset")
			b := qs.Encode()
			back, err := listing.DecodeQueryset(q, b)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, qs) {
				t.Fatalf("got %+v, want %+v", back, qs)
			}
			cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
			if _, err := listing.DecodeQueryset(q, b[:cut]); err == nil {
				t.Fatalf("%d of %d bytes accepted", cut, len(b))
			}
			if _, err := listing.DecodeQueryset(q, append(b, 0)); err == nil {
				t.Fatal("a byte too many accepted")
			}
		})
	})
}

// answers are one of each kind, of properties.
func answers() []listing.Queryset {
	own := listingtest.Property(17, "title", "A home", "property_type", "Condo", "status", "for_sale", "price", 350_000, "city", "GALT",
		"postal_code", "95632", "bedrooms", 3, "bathrooms", "2.5", "living_area", 900, "latitude", "38.5",
		"created_at", listing.Value{Number: 1}, "description", "B", "updated_at", listing.Value{Number: 2})
	item := listing.Row{Values: slices.Clone(own.Values), Nulls: own.Nulls}
	for _, name := range []string{"description", "updated_at"} {
		item.Values[listingtest.Properties().Column(name)] = listing.Value{}
	}
	page := listingtest.Query("properties?sort=price&limit=1")
	page.After = listing.Some(key(number(5), 6))
	summary := listing.Summary{
		Count:  1,
		Stats:  []listing.Stat{{Min: number(2), Max: number(3), Mean: number(4)}},
		Facets: [][]listing.Facet{{{Value: text("GALT"), Count: 1}}, nil, {{Count: 1}}},
	}
	return []listing.Queryset{
		{Query: page, Items: []listing.Row{item}, Ahead: listing.Some(key(number(7), 8))},
		{Query: listingtest.Query("properties/17"), Items: []listing.Row{own}},
		{Query: listingtest.Query("properties/summary"), Summary: summary},
	}
}

// TestShape: another layout needs another Shape. Change both together.
func TestShape(t *testing.T) {
	t.Parallel()
	var all []byte
	for _, qs := range answers() {
		all = append(append(all, qs.Encode()...), qs.Query.String()...)
	}
	const want = "" +
		"0001802022064120686f6d6505436f6e646f08666f725f73616c6580bbb0210447414c540539353633320632880e00000000" +
		"004043400201010e1070726f706572746965733f736f72743d7072696365266c696d69743d3126637572736f723d41676f4d" +
		"3133694e48770201802022064120686f6d65014205436f6e646f08666f725f73616c6580bbb0210447414c54053935363332" +
		"0632880e0000000000404340020470726f706572746965732f3137010201040106010801010447414c54020001000270726f" +
		"706572746965732f73756d6d617279"
	if got := hex.EncodeToString(all); listing.Shape != "queryset 4, cursor 4" || got != want {
		t.Errorf("Shape %q:\n%s", listing.Shape, got)
	}
}

// What decodes is what encodes to the very same bytes: a queryset has one spelling, whatever
// byte of it is damaged, or its numbers are written longer than they need be.
func TestDamagedQuerysets(t *testing.T) {
	t.Parallel()
	for _, qs := range answers() {
		good := qs.Encode()
		check := func(b []byte) {
			t.Helper()
			if got, err := listing.DecodeQueryset(qs.Query, b); err == nil && !bytes.Equal(got.Encode(), b) {
				t.Errorf("%x decodes to what is %x", b, got.Encode())
			}
		}
		for at := range good {
			for value := range 256 {
				b := bytes.Clone(good)
				b[at] = byte(value)
				check(b)
			}
			check(slices.Concat(good[:at], []byte{good[at] | 0x80, 0}, good[at+1:]))
			check(slices.Concat(good[:at], []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0x7f}, good[at+1:])) // a number of 42 bits
		}
		for _, other := range []listing.Kind{listing.PageKind, listing.RowKind, listing.SummaryKind} {
			q := qs.Query
			if q.Kind = other; other != qs.Query.Kind {
				if _, err := listing.DecodeQueryset(q, good); err == nil {
					t.Errorf("an answer of kind %d is taken for one of kind %d", qs.Query.Kind, other)
				}
			}
		}
	}
	two := answers()[1]
	two.Items = append(two.Items, two.Items[0])
	if _, err := listing.DecodeQueryset(two.Query, two.Encode()); err == nil {
		t.Error("two properties are taken for one")
	}
}

// Values that a column cannot hold, and NULLs of columns that an answer does not have, are
// damage.
func TestDecodeChecksValues(t *testing.T) {
	t.Parallel()
	table := listingtest.Every()
	q := table.RowQuery(text("k").V)
	good := table.NewRow()
	for i := range table.Columns {
		if !table.ItemColumns.Has(i) {
			continue
		}
		good.Values[i] = listing.Value{}
		for _, n := range []int64{1 << 15, 1 << 31, 1<<63 - 1, 2, 4, -1 << 63} {
			c := &table.Columns[i]
			v := listing.Value{Number: n}
			if !c.Form.InNumber() || c.Holds(v) {
				continue
			}
			r := listing.Row{Values: slices.Clone(good.Values)}
			r.Values[i] = v
			qs := listing.Queryset{Query: q, Items: []listing.Row{r}}
			if _, err := listing.DecodeQueryset(q, qs.Encode()); err == nil {
				t.Errorf("%s is %d", c.Name, n)
			}
		}
	}
	page := listing.Query{Table: table, Limit: 1}
	hidden := table.Column("hidden")
	b := []byte{0, 1}
	for nulls := uint64(1) << hidden; nulls > 0; nulls >>= 7 {
		b = append(b, byte(nulls&0x7f)|0x80)
	}
	b[len(b)-1] &= 0x7f
	for i := range table.Columns {
		if page.Columns().Has(i) {
			b = append(b, make([]byte, map[bool]int{true: 8, false: 1}[table.Columns[i].Form == listing.Float])...)
		}
	}
	if qs, err := listing.DecodeQueryset(page, append(b, 0)); err == nil {
		t.Errorf("a NULL of no column of a list is taken for %+v", qs)
	}
}

func FuzzDecodeQueryset(f *testing.F) {
	var queries []listing.Query
	for _, table := range tables() {
		queries = append(queries,
			listing.Query{Table: table, Kind: listing.PageKind, Limit: listing.DefaultLimit},
			listing.Query{Table: table, Kind: listing.SummaryKind},
			table.RowQuery(listing.Value{Number: 17, Text: "17"}),
		)
	}
	for i, q := range queries {
		for seed := range 4 {
			qs := listingtest.Querysets(q).Example(seed)
			f.Add(uint8(i), qs.Encode())
		}
	}
	f.Add(uint8(0), []byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		qs, err := listing.DecodeQueryset(queries[int(kind)%len(queries)], b)
		if err == nil && !bytes.Equal(qs.Encode(), b) {
			t.Fatalf("%x decoded to what is %x", b, qs.Encode())
		}
	})
}

func BenchmarkQueryset(b *testing.B) {
	q := listingtest.Query("properties")
	qs := listing.Queryset{Query: q}
	for i := range 20 {
		qs.Items = append(qs.Items, listingtest.Property(i, "title", "3-bed Residential in Elk Grove", "price", 350_000, "city", "ELK_GROVE",
			"postal_code", "95624", "bedrooms", 3, "bathrooms", 2, "living_area", 1400, "latitude", "38.423251", "longitude", "-121.444489",
			"created_at", listing.Value{Number: 1_210_809_600_000_000}))
	}
	encoded := qs.Encode()
	b.Run("Encode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(encoded)))
		for b.Loop() {
			qs.Encode()
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(encoded)))
		for b.Loop() {
			if _, err := listing.DecodeQueryset(q, encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
}
