// Package listingtest generates rows, properties and queries for property-based
// tests. Values come mostly from small sets, so that equal sort keys, the edges of
// ranges and boxes, and NULLs meet often. Filters are those that HTTP parameters can
// say, rows those that the types of the table's columns can hold: beyond its checks too,
// which can be dropped.
package listingtest

import (
	"math"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
)

// Null generates what g does, and now and then a NULL.
func Null[T any](g *rapid.Generator[T]) *rapid.Generator[listing.Null[T]] {
	return rapid.Custom(func(t *rapid.T) listing.Null[T] {
		if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
			return listing.Null[T]{}
		}
		return listing.Some(g.Draw(t, "value"))
	})
}

// Maybe generates what g does, or, more often, nothing: a condition of a filter.
func Maybe[T any](g *rapid.Generator[T]) *rapid.Generator[listing.Null[T]] {
	return rapid.Custom(func(t *rapid.T) listing.Null[T] {
		if rapid.IntRange(0, 3).Draw(t, "given") != 0 {
			return listing.Null[T]{}
		}
		return listing.Some(g.Draw(t, "value"))
	})
}

// Texts of the columns; those of filters are the same.

func City() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"FOLSOM", "folsom", "ELK_GROVE", "GALT", "Älmhult & 100% +=?#", " "})
}

func PostalCode() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"95630", "95624", "95757"})
}

func PropertyType() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"Residential", "Condo", "Multi_Family"})
}

func Status() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"for_sale", "pending", "sold"})
}

// Numbers of filters.

func Price() *rapid.Generator[int64] {
	return rapid.SampledFrom([]int64{0, 1, 499_99, 500_00, 500_01, 500_50, 1000_00, listing.MaxPrice})
}

func Bedrooms() *rapid.Generator[int16] {
	return rapid.SampledFrom([]int16{0, 1, 2, 3, 4, 1<<15 - 1})
}

func Bathrooms() *rapid.Generator[int16] {
	return rapid.SampledFrom([]int16{0, 10, 15, 20, 25, listing.MaxBathrooms})
}

func Area() *rapid.Generator[int32] {
	return rapid.SampledFrom([]int32{1, 500, 900, 901, 1<<31 - 1})
}

func Latitude() *rapid.Generator[float64] {
	return rapid.SampledFrom([]float64{-90, -0.5, 0, 38.5, 38.500000000000007, 38.75, 90})
}

func Longitude() *rapid.Generator[float64] {
	return rapid.SampledFrom([]float64{-180, -121.5, -121.25, 0, 1e-7, 121.25, 180})
}

func Instant() *rapid.Generator[listing.Micros] {
	return rapid.SampledFrom([]listing.Micros{-2_000_000_000, -1, 0, 1, 1_210_809_600_000_000, 1_210_809_600_000_001})
}

// Numbers of the columns: those of filters mostly, and now and then one that a check
// of the table keeps out.

func StoredPrice() *rapid.Generator[int64] {
	return often(Price(), listing.NaNPrice, -1, -listing.MaxPrice)
}

func StoredBedrooms() *rapid.Generator[int16] {
	return often(Bedrooms(), -1, math.MinInt16)
}

func StoredBathrooms() *rapid.Generator[int16] {
	return often(Bathrooms(), listing.NaNBathrooms, -5, -listing.MaxBathrooms)
}

func StoredArea() *rapid.Generator[int32] {
	return often(Area(), 0, -1, math.MinInt32)
}

func StoredLatitude() *rapid.Generator[float64] { return often(Latitude(), oddFloats()...) }

func StoredLongitude() *rapid.Generator[float64] { return often(Longitude(), oddFloats()...) }

func oddFloats() []float64 {
	return []float64{
		math.NaN(), math.Inf(+1), math.Inf(-1), math.Copysign(0, -1), math.MaxFloat64, -math.MaxFloat64,
		math.SmallestNonzeroFloat64, 90.00000000000001, -180.00000000000003,
	}
}

func StoredInstant() *rapid.Generator[listing.Micros] {
	return often(Instant(),
		listing.Infinity, listing.LongAgo,
		-211_813_488_000_000_000,         // 4714 BC, the first
		9_223_371_331_200_000_000-1,      // 294276, the last
		listing.MicrosOf(year(10_000)),   //
		listing.MicrosOf(year(10_000))-1, //
		listing.MicrosOf(year(1)),        //
		listing.MicrosOf(year(1))-1,      // 1 BC
	)
}

func year(n int) time.Time { return time.Date(n, time.January, 1, 0, 0, 0, 0, time.UTC) }

// StoredText generates texts that nobody expects and PostgreSQL stores.
func StoredText(usual *rapid.Generator[string]) *rapid.Generator[string] {
	return often(usual, "", "\n", "a\r\nb\tc", "\x01\x7f", "\u2028\u2029", "e\u0301", "\uffff\U0010fffe", "🏡", `a,b"'\<&>`)
}

func often[T any](usual *rapid.Generator[T], odd ...T) *rapid.Generator[T] {
	return rapid.OneOf(usual, usual, usual, rapid.SampledFrom(odd))
}

// Row generates a row with one of the given ids.
func Row(id *rapid.Generator[int64]) *rapid.Generator[listing.Row] {
	return rapid.Custom(func(t *rapid.T) listing.Row {
		return listing.Row{
			ID:           id.Draw(t, "id"),
			PropertyType: StoredText(PropertyType()).Draw(t, "property_type"),
			Status:       StoredText(Status()).Draw(t, "status"),
			Price:        StoredPrice().Draw(t, "price"),
			City:         StoredText(City()).Draw(t, "city"),
			PostalCode:   Null(StoredText(PostalCode())).Draw(t, "postal_code"),
			Bedrooms:     Null(StoredBedrooms()).Draw(t, "bedrooms"),
			Bathrooms:    Null(StoredBathrooms()).Draw(t, "bathrooms"),
			LivingArea:   Null(StoredArea()).Draw(t, "living_area"),
			Latitude:     Null(StoredLatitude()).Draw(t, "latitude"),
			Longitude:    Null(StoredLongitude()).Draw(t, "longitude"),
			CreatedAt:    StoredInstant().Draw(t, "created_at"),
		}
	})
}

// Property generates a property; whole, or as it stands in a list.
func Property(whole bool) *rapid.Generator[listing.Property] {
	return rapid.Custom(func(t *rapid.T) listing.Property {
		p := listing.Property{
			Row:   Row(rapid.Int64()).Draw(t, "row"),
			Title: rapid.String().Draw(t, "title"),
		}
		if whole {
			p.Description = rapid.String().Draw(t, "description")
			p.UpdatedAt = StoredInstant().Draw(t, "updated_at")
		}
		return p
	})
}

// Filter generates a filter, of few conditions mostly.
func Filter() *rapid.Generator[listing.Filter] {
	return rapid.Custom(func(t *rapid.T) (f listing.Filter) {
		f.City = list(City()).Draw(t, "city")
		f.PostalCode = list(PostalCode()).Draw(t, "postal_code")
		f.PropertyType = list(PropertyType()).Draw(t, "property_type")
		f.Status = list(Status()).Draw(t, "status")
		f.MinPrice, f.MaxPrice = bounds(t, "price", Price())
		f.MinBedrooms, f.MaxBedrooms = bounds(t, "bedrooms", Bedrooms())
		f.MinBathrooms = Maybe(Bathrooms()).Draw(t, "min_bathrooms")
		f.MinArea, f.MaxArea = bounds(t, "area", Area())
		f.Box = Maybe(box()).Draw(t, "bbox")
		f.Text = Maybe(rapid.SampledFrom([]string{"garden", `"big pool" -well & 1+1`})).Draw(t, "q").V
		return f
	})
}

// list generates the values of a list: none, mostly.
func list(g *rapid.Generator[string]) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		n := max(0, rapid.IntRange(-4, 3).Draw(t, "length"))
		var values []string
		for range n {
			values = append(values, g.Draw(t, "value"))
		}
		slices.Sort(values)
		return slices.Compact(values)
	})
}

func bounds[T int16 | int32 | int64](t *rapid.T, name string, g *rapid.Generator[T]) (low, high listing.Null[T]) {
	low = Maybe(g).Draw(t, "min_"+name)
	high = Maybe(g).Draw(t, "max_"+name)
	if low.Valid && high.Valid && low.V > high.V {
		low, high = high, low
	}
	return low, high
}

func box() *rapid.Generator[listing.Box] {
	return rapid.Custom(func(t *rapid.T) listing.Box {
		west, east := Longitude().Draw(t, "west"), Longitude().Draw(t, "east")
		south, north := Latitude().Draw(t, "south"), Latitude().Draw(t, "north")
		return listing.Box{West: min(west, east), South: min(south, north), East: max(west, east), North: max(south, north)}
	})
}

// Sort generates an order.
func Sort() *rapid.Generator[listing.Sort] {
	return rapid.SampledFrom([]listing.Sort{
		listing.Newest, listing.PriceAsc, listing.PriceDesc, listing.AreaAsc, listing.AreaDesc,
	})
}

// Key generates a place in an order, that of some row.
func Key(s listing.Sort, id *rapid.Generator[int64]) *rapid.Generator[listing.Key] {
	return rapid.Custom(func(t *rapid.T) listing.Key {
		r := Row(id).Draw(t, "row")
		return s.Key(&r)
	})
}

// Window generates a window of an order: wide, or from one key to a later one.
func Window(s listing.Sort, id *rapid.Generator[int64]) *rapid.Generator[listing.Window] {
	return rapid.Custom(func(t *rapid.T) listing.Window {
		if rapid.IntRange(0, 3).Draw(t, "wide") == 0 {
			return listing.Window{}
		}
		a, b := Key(s, id).Draw(t, "key"), Key(s, id).Draw(t, "other key")
		if s.Compare(a, b) > 0 {
			a, b = b, a
		}
		return listing.Window{Bounded: true, Last: a, Ahead: b}
	})
}

// Query generates a query of any kind; a page's cursor has one of the given ids.
func Query(id *rapid.Generator[int64]) *rapid.Generator[listing.Query] {
	return rapid.Custom(func(t *rapid.T) listing.Query {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return listing.Query{Kind: listing.PropertyKind, ID: rapid.Int64Range(1, 1<<63-1).Draw(t, "id")}
		case 1:
			return listing.Query{Kind: listing.SummaryKind, Filter: Filter().Draw(t, "filter")}
		default:
			return Page(id).Draw(t, "page")
		}
	})
}

// Page generates the query of a page.
func Page(id *rapid.Generator[int64]) *rapid.Generator[listing.Query] {
	return rapid.Custom(func(t *rapid.T) listing.Query {
		q := listing.Query{
			Filter: Filter().Draw(t, "filter"),
			Sort:   Sort().Draw(t, "sort"),
			Limit:  rapid.SampledFrom([]int{1, 2, 3, listing.DefaultLimit, listing.MaxLimit}).Draw(t, "limit"),
		}
		q.After = Maybe(Key(q.Sort, id)).Draw(t, "cursor")
		return q
	})
}

// Queryset generates an answer to a query; its rows need not match the query.
func Queryset(q listing.Query) *rapid.Generator[listing.Queryset] {
	return rapid.Custom(func(t *rapid.T) listing.Queryset {
		qs := listing.Queryset{Query: q}
		switch q.Kind {
		case listing.SummaryKind:
			qs.Summary = summary().Draw(t, "summary")
		case listing.PropertyKind:
			qs.Items = some(rapid.SliceOfN(Property(true), 0, 1).Draw(t, "items"))
		default:
			qs.Items = some(rapid.SliceOfN(Property(false), 0, 4).Draw(t, "items"))
			qs.Ahead = Maybe(Key(q.Sort, rapid.Int64())).Draw(t, "ahead")
		}
		return qs
	})
}

func summary() *rapid.Generator[listing.Summary] {
	facets := func(t *rapid.T, name string) []listing.Facet {
		facet := rapid.Custom(func(t *rapid.T) listing.Facet {
			return listing.Facet{Value: Null(rapid.String()).Draw(t, "value"), Count: rapid.Int64().Draw(t, "count")}
		})
		return some(rapid.SliceOfN(facet, 0, 4).Draw(t, name))
	}
	return rapid.Custom(func(t *rapid.T) listing.Summary {
		return listing.Summary{
			Count:          rapid.Int64().Draw(t, "count"),
			MinPrice:       rapid.Int64().Draw(t, "min"),
			MaxPrice:       rapid.Int64().Draw(t, "max"),
			MeanPrice:      rapid.Int64().Draw(t, "mean"),
			ByCity:         facets(t, "by_city"),
			ByPropertyType: facets(t, "by_property_type"),
			ByBedrooms:     facets(t, "by_bedrooms"),
		}
	})
}

// some returns nil for an empty slice.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// Text generates a text much like a query's canonical text, seldom a good one.
func Text() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom(strings.Split("properties|/summary|/17|?|&|=|,|%|+|city=|FOLSOM|min_price=|5|.|50|bbox=|limit=|sort=|-price|cursor=|q=", "|")),
		rapid.String(),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return "properties" + strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
	})
}
