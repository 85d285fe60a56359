package listing_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestEncodingIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := listingtest.Query(rapid.Int64()).Draw(t, "query")
		qs := listingtest.Queryset(q).Draw(t, "queryset")
		b := qs.Encode()
		back, err := listing.DecodeQueryset(q, b)
		if err != nil {
			t.Fatal(err)
		}
		// As text, since NaN is not equal to itself, and 0 is to -0.
		if got, want := fmt.Sprintf("%#v", back), fmt.Sprintf("%#v", qs); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, err := listing.DecodeQueryset(q, b[:cut]); err == nil {
			t.Fatalf("%d of %d bytes accepted", cut, len(b))
		}
		if _, err := listing.DecodeQueryset(q, append(b, 0)); err == nil {
			t.Fatal("a byte too many accepted")
		}
	})
}

// TestShape: another layout needs another Shape. Change both together.
func TestShape(t *testing.T) {
	t.Parallel()
	row := listing.Row{
		ID: 17, PropertyType: "Condo", Status: "for_sale", Price: 350_000_00, City: "GALT", PostalCode: listing.Some("95632"),
		Bedrooms: listing.Some[int16](3), Bathrooms: listing.Some[int16](25), LivingArea: listing.Some[int32](900),
		Latitude: listing.Some(38.5), CreatedAt: 1,
	}
	page := listing.Query{Sort: listing.PriceAsc, Limit: 1, After: listing.Some(listing.Key{Value: listing.Some[int64](5), ID: 6})}
	key := listing.Key{Value: listing.Some[int64](7), ID: 8}
	var all []byte
	for _, qs := range []listing.Queryset{
		{Query: page, Items: []listing.Property{{Row: row, Title: "A home"}}, Ahead: listing.Some(key)},
		{Query: listing.Query{Kind: listing.PropertyKind, ID: 17}, Items: []listing.Property{{Row: row, Title: "A", Description: "B", UpdatedAt: 2}}},
		{Query: listing.Query{Kind: listing.SummaryKind}, Summary: listing.Summary{Count: 1, MinPrice: 2, MaxPrice: 3, MeanPrice: 4,
			ByCity: []listing.Facet{{Value: listing.Some("GALT"), Count: 1}}, ByBedrooms: []listing.Facet{{Count: 1}}}},
	} {
		all = append(append(all, qs.Encode()...), qs.Query.String()...)
	}
	const want = "" +
		"0001202205436f6e646f08666f725f73616c6580bbb0210447414c540539353633320632880e000000000040434002064120" +
		"686f6d6501010e1070726f706572746965733f736f72743d7072696365266c696d69743d3126637572736f723d41516f4d4d" +
		"6a634e67670201202205436f6e646f08666f725f73616c6580bbb0210447414c540539353633320632880e00000000004043" +
		"4002014101420470726f706572746965732f3137010204060801010447414c54020001000270726f706572746965732f7375" +
		"6d6d617279"
	if got := hex.EncodeToString(all); listing.Shape != "queryset 2, cursor 2" || got != want {
		t.Errorf("Shape %q:\n%s", listing.Shape, got)
	}
}

// What decodes is what encodes to the very same bytes: a queryset has one spelling, whatever
// byte of it is damaged, or its numbers are written longer than they need be.
func TestDamagedQuerysets(t *testing.T) {
	t.Parallel()
	row := listing.Row{
		ID: 17, PropertyType: "Condo", Status: "sold", Price: 5, City: "GALT", PostalCode: listing.Some("1"),
		Bedrooms: listing.Some[int16](3), Bathrooms: listing.Some[int16](25), LivingArea: listing.Some[int32](900), CreatedAt: 1,
	}
	for _, qs := range []listing.Queryset{
		{Query: listing.Query{Limit: 2}, Items: []listing.Property{{Row: row, Title: "A"}}, Ahead: listing.Some(listing.Key{Value: listing.Some[int64](7), ID: 8})},
		{Query: listing.Query{Kind: listing.PropertyKind, ID: 17}, Items: []listing.Property{{Row: row, Title: "A", Description: "B", UpdatedAt: 2}}},
		{Query: listing.Query{Kind: listing.SummaryKind}, Summary: listing.Summary{Count: 1, ByCity: []listing.Facet{{Value: listing.Some("GALT"), Count: 1}, {Count: 2}}}},
	} {
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
		for _, other := range []listing.Kind{listing.PageKind, listing.PropertyKind, listing.SummaryKind} {
			q := qs.Query
			if q.Kind = other; other != qs.Query.Kind {
				if _, err := listing.DecodeQueryset(q, good); err == nil {
					t.Errorf("an answer of kind %d is taken for one of kind %d", qs.Query.Kind, other)
				}
			}
		}
	}
	two := listing.Queryset{Query: listing.Query{Kind: listing.PropertyKind, ID: 17}, Items: []listing.Property{{Row: row}, {Row: row}}}
	if _, err := listing.DecodeQueryset(two.Query, two.Encode()); err == nil {
		t.Error("two properties are taken for one")
	}
}

func FuzzDecodeQueryset(f *testing.F) {
	queries := []listing.Query{
		{Kind: listing.PageKind, Limit: listing.DefaultLimit},
		{Kind: listing.SummaryKind},
		{Kind: listing.PropertyKind, ID: 17},
	}
	for i, q := range queries {
		for seed := range 4 {
			qs := listingtest.Queryset(q).Example(seed)
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
	q := listing.Query{Limit: listing.DefaultLimit}
	qs := listing.Queryset{Query: q}
	for i := range 20 {
		qs.Items = append(qs.Items, listing.Property{Title: "3-bed Residential in Elk Grove", Row: listing.Row{
			ID: int64(i), PropertyType: "Residential", Status: "for_sale", Price: 350_000_00, City: "ELK_GROVE", PostalCode: listing.Some("95624"),
			Bedrooms: listing.Some[int16](3), Bathrooms: listing.Some[int16](20), LivingArea: listing.Some[int32](1400),
			Latitude: listing.Some(38.423251), Longitude: listing.Some(-121.444489), CreatedAt: 1_210_809_600_000_000,
		}})
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
