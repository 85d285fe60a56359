package render_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/render"
	"pgregory.net/rapid"
)

const summaryKind = listing.SummaryKind

// property is a property as a client reads it.
type property struct {
	ID           int64        `json:"id"`
	Title        string       `json:"title"`
	PropertyType string       `json:"property_type"`
	Status       string       `json:"status"`
	Price        json.Number  `json:"price"`
	City         string       `json:"city"`
	PostalCode   *string      `json:"postal_code"`
	Bedrooms     *int16       `json:"bedrooms"`
	Bathrooms    *json.Number `json:"bathrooms"`
	LivingArea   *int32       `json:"living_area"`
	Latitude     *float64     `json:"latitude"`
	Longitude    *float64     `json:"longitude"`
	CreatedAt    time.Time    `json:"created_at"`
	Description  string       `json:"description"`
	UpdatedAt    *time.Time   `json:"updated_at"`
}

// stored is the property that was rendered.
func (p property) stored(t require) listing.Property {
	stored := listing.Property{
		Row: listing.Row{
			ID:           p.ID,
			PropertyType: p.PropertyType,
			Status:       p.Status,
			Price:        fixed(t, p.Price, 2),
			City:         p.City,
			PostalCode:   null(p.PostalCode),
			Bedrooms:     null(p.Bedrooms),
			LivingArea:   null(p.LivingArea),
			Latitude:     null(p.Latitude),
			Longitude:    null(p.Longitude),
			CreatedAt:    listing.MicrosOf(p.CreatedAt),
		},
		Title:       p.Title,
		Description: p.Description,
	}
	if p.Bathrooms != nil {
		stored.Bathrooms = listing.Some(int16(fixed(t, *p.Bathrooms, 1)))
	}
	if p.UpdatedAt != nil {
		stored.UpdatedAt = listing.MicrosOf(*p.UpdatedAt)
	}
	return stored
}

func null[T any](v *T) listing.Null[T] {
	if v == nil {
		return listing.Null[T]{}
	}
	return listing.Some(*v)
}

// require is what *testing.T and *rapid.T have in common.
type require interface {
	Helper()
	Fatalf(format string, args ...any)
}

// fixed reads a number that must have exactly the given decimals.
func fixed(t require, n json.Number, decimals int) int64 {
	t.Helper()
	whole, fraction, _ := strings.Cut(n.String(), ".")
	v, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || len(fraction) != decimals {
		t.Fatalf("%s is no number with %d decimals", n, decimals)
	}
	return v
}

func decode(t require, body []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
}

// A property that is rendered and read again is the same, whatever is in it.
func TestPropertyRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := properties().Draw(t, "property")
		status, body := render.Body(render.JSON, listing.Queryset{
			Query: listing.Query{Kind: listing.PropertyKind, ID: want.ID},
			Items: []listing.Property{want},
		})
		var got property
		decode(t, body, &got)
		if got := got.stored(t); status != http.StatusOK || !reflect.DeepEqual(got, want) {
			t.Fatalf("status %d\n got %+v\nwant %+v\nbody %s", status, got, want, body)
		}
	})
}

// So is a page, and the way on is the one that listing spells.
func TestPageRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		qs := pages().Draw(t, "page")
		_, body := render.Body(render.JSON, qs)
		var got struct {
			Items []property `json:"items"`
			Next  *string    `json:"next"`
		}
		decode(t, body, &got)
		if got.Items == nil || len(got.Items) != len(qs.Items) {
			t.Fatalf("%d items, want %d: %s", len(got.Items), len(qs.Items), body)
		}
		for i, p := range got.Items {
			if p := p.stored(t); !reflect.DeepEqual(p, listed(qs.Items[i])) {
				t.Fatalf("item %d\n got %+v\nwant %+v", i, p, qs.Items[i])
			}
		}
		if next := null(got.Next); next.V != qs.Next() || next.Valid != (qs.Next() != "") {
			t.Fatalf("next %+v, want %q", next, qs.Next())
		}
	})
}

// What a list does not show must not be in its body: the body outlives a change
// of it.
func TestPagesShowOnlyListColumns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		qs := pages().Draw(t, "page")
		other := qs
		other.Items = nil
		for _, p := range qs.Items {
			p.Description, p.UpdatedAt = p.Description+"x", p.UpdatedAt+1
			other.Items = append(other.Items, p)
		}
		for _, f := range []render.Format{render.JSON, render.HTML} {
			_, a := render.Body(f, qs)
			_, b := render.Body(f, other)
			if !bytes.Equal(a, b) {
				t.Fatalf("%s shows a column that is not among those of a list", f)
			}
		}
	})
}

func TestSummaryRoundTrip(t *testing.T) {
	t.Parallel()
	type facet[T any] struct {
		Value *T    `json:"value"`
		Count int64 `json:"count"`
	}
	rapid.Check(t, func(t *rapid.T) {
		want := summaries().Draw(t, "summary")
		_, body := render.Body(render.JSON, listing.Queryset{
			Query:   listing.Query{Kind: listing.SummaryKind},
			Summary: want,
		})
		var got struct {
			Count          int64                                 `json:"count"`
			Price          struct{ Min, Max, Mean *json.Number } `json:"price"`
			ByCity         []facet[string]                       `json:"by_city"`
			ByPropertyType []facet[string]                       `json:"by_property_type"`
			ByBedrooms     []facet[int16]                        `json:"by_bedrooms"`
		}
		decode(t, body, &got)
		read := listing.Summary{Count: got.Count}
		if got.Count > 0 {
			read.MinPrice = fixed(t, *got.Price.Min, 2)
			read.MaxPrice = fixed(t, *got.Price.Max, 2)
			read.MeanPrice = fixed(t, *got.Price.Mean, 2)
		} else if got.Price.Min != nil || got.Price.Max != nil || got.Price.Mean != nil {
			t.Fatalf("prices of nothing: %s", body)
		}
		if got.ByCity == nil || got.ByPropertyType == nil || got.ByBedrooms == nil {
			t.Fatalf("a facet is not a list: %s", body)
		}
		for _, f := range got.ByCity {
			read.ByCity = append(read.ByCity, listing.Facet{Value: null(f.Value), Count: f.Count})
		}
		for _, f := range got.ByPropertyType {
			read.ByPropertyType = append(read.ByPropertyType, listing.Facet{Value: null(f.Value), Count: f.Count})
		}
		for _, f := range got.ByBedrooms {
			digits := listing.Null[string]{}
			if f.Value != nil {
				digits = listing.Some(strconv.Itoa(int(*f.Value)))
			}
			read.ByBedrooms = append(read.ByBedrooms, listing.Facet{Value: digits, Count: f.Count})
		}
		if !reflect.DeepEqual(read, want) {
			t.Fatalf("\n got %+v\nwant %+v", read, want)
		}
	})
}

// Bytes that are not UTF-8 still make valid JSON.
func TestBrokenText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		title := string(rapid.SliceOf(rapid.Byte()).Draw(t, "title"))
		p := listing.Property{Title: title}
		_, body := render.Body(render.JSON, listing.Queryset{
			Query: listing.Query{Kind: listing.PropertyKind, ID: 1}, Items: []listing.Property{p},
		})
		var got property
		decode(t, body, &got)
		if !utf8.Valid(body) || got.Title != string([]rune(title)) {
			t.Fatalf("title %q came back as %q", title, got.Title)
		}
	})
}

func TestAbsentProperty(t *testing.T) {
	t.Parallel()
	for _, f := range []render.Format{render.JSON, render.HTML} {
		status, body := render.Body(f, listing.Queryset{Query: listing.Query{Kind: listing.PropertyKind, ID: 17}})
		if status != http.StatusNotFound || !bytes.Contains(body, []byte("property 17")) {
			t.Errorf("%s: status %d, body %s", f, status, body)
		}
	}
	if got := render.JSON.ContentType(http.StatusNotFound); got != "application/problem+json" {
		t.Errorf("content type of the JSON is %s", got)
	}
}

// A body is written in one go: it is on the path of every miss.
func TestPageAllocations(t *testing.T) {
	qs := listing.Queryset{Query: listing.Query{Limit: listing.DefaultLimit}}
	for range qs.Query.Limit {
		qs.Items = append(qs.Items, sample(t, "page").Items[0])
	}
	if got := testing.AllocsPerRun(100, func() { render.Body(render.JSON, qs) }); got > 1 {
		t.Errorf("a page of %d items takes %.0f allocations", len(qs.Items), got)
	}
}

// listed is a property as a list holds it.
func listed(p listing.Property) listing.Property {
	p.Description, p.UpdatedAt = "", 0
	return p
}

// The generators keep to what the table can hold.

func properties() *rapid.Generator[listing.Property] {
	return rapid.Custom(func(t *rapid.T) listing.Property {
		return listing.Property{
			Row: listing.Row{
				ID:           rapid.Int64Min(1).Draw(t, "id"),
				PropertyType: texts().Draw(t, "property_type"),
				Status:       rapid.SampledFrom([]string{"for_sale", "pending", "sold"}).Draw(t, "status"),
				Price:        rapid.Int64Range(0, listing.MaxPrice).Draw(t, "price"),
				City:         texts().Draw(t, "city"),
				PostalCode:   maybe(t, "postal_code", texts()),
				Bedrooms:     maybe(t, "bedrooms", rapid.Int16Min(0)),
				Bathrooms:    maybe(t, "bathrooms", rapid.Int16Range(0, listing.MaxBathrooms)),
				LivingArea:   maybe(t, "living_area", rapid.Int32Min(1)),
				Latitude:     maybe(t, "latitude", rapid.Float64Range(-90, 90)),
				Longitude:    maybe(t, "longitude", rapid.Float64Range(-180, 180)),
				CreatedAt:    instants().Draw(t, "created_at"),
			},
			Title:       texts().Draw(t, "title"),
			Description: texts().Draw(t, "description"),
			UpdatedAt:   instants().Draw(t, "updated_at"),
		}
	})
}

// texts are any but for NUL, which PostgreSQL does not store.
func texts() *rapid.Generator[string] {
	return rapid.Map(rapid.String(), func(s string) string { return strings.ReplaceAll(s, "\x00", "") })
}

func maybe[T any](t *rapid.T, name string, values *rapid.Generator[T]) listing.Null[T] {
	if !rapid.Bool().Draw(t, name+" is there") {
		return listing.Null[T]{}
	}
	return listing.Some(values.Draw(t, name))
}

// instants have microseconds or not, like those that people and now() write.
func instants() *rapid.Generator[listing.Micros] {
	first := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	last := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
	return rapid.Custom(func(t *rapid.T) listing.Micros {
		at := rapid.Int64Range(first, last).Draw(t, "instant")
		if rapid.Bool().Draw(t, "whole seconds") {
			at -= at % int64(time.Second/time.Microsecond)
		}
		return listing.Micros(at)
	})
}

func pages() *rapid.Generator[listing.Queryset] {
	return rapid.Custom(func(t *rapid.T) listing.Queryset {
		qs := listing.Queryset{
			Query: listing.Query{
				Filter: filters().Draw(t, "filter"),
				Sort:   rapid.SampledFrom([]listing.Sort{listing.Newest, listing.PriceAsc, listing.AreaDesc}).Draw(t, "sort"),
				Limit:  rapid.IntRange(1, listing.MaxLimit).Draw(t, "limit"),
			},
			Items: rapid.SliceOfN(properties(), 0, 3).Draw(t, "items"),
		}
		if len(qs.Items) > 0 && rapid.Bool().Draw(t, "more") {
			qs.Ahead = listing.Some(listing.Key{ID: 1})
		}
		if rapid.Bool().Draw(t, "later") {
			p := properties().Draw(t, "before")
			qs.Query.After = listing.Some(qs.Query.Sort.Key(&p.Row))
		}
		return qs
	})
}

func filters() *rapid.Generator[listing.Filter] {
	text := rapid.StringMatching(`[A-Za-z_ &+é<>"%]{1,12}`)
	return rapid.Custom(func(t *rapid.T) listing.Filter {
		var f listing.Filter
		if rapid.Bool().Draw(t, "city") {
			f.City = []string{text.Draw(t, "city")}
		}
		if rapid.Bool().Draw(t, "q") {
			f.Text = text.Draw(t, "q")
		}
		f.MinPrice = maybe(t, "min_price", rapid.Int64Range(0, 1000))
		f.MaxPrice = maybe(t, "max_price", rapid.Int64Range(1000, listing.MaxPrice))
		f.MinBathrooms = maybe(t, "min_bathrooms", rapid.Int16Range(0, listing.MaxBathrooms))
		f.MaxBedrooms = maybe(t, "max_bedrooms", rapid.Int16Min(0))
		return f
	})
}

func summaries() *rapid.Generator[listing.Summary] {
	price := rapid.Int64Range(0, listing.MaxPrice)
	digits := rapid.Map(rapid.Int16Min(0), func(n int16) string { return strconv.Itoa(int(n)) })
	return rapid.Custom(func(t *rapid.T) listing.Summary {
		s := listing.Summary{Count: rapid.Int64Range(0, math.MaxInt64).Draw(t, "count")}
		if s.Count == 0 {
			return s
		}
		s.MinPrice, s.MaxPrice, s.MeanPrice = price.Draw(t, "min"), price.Draw(t, "max"), price.Draw(t, "mean")
		s.ByCity = facets(texts()).Draw(t, "by_city")
		s.ByPropertyType = facets(texts()).Draw(t, "by_property_type")
		s.ByBedrooms = facets(digits).Draw(t, "by_bedrooms")
		return s
	})
}

func facets(values *rapid.Generator[string]) *rapid.Generator[[]listing.Facet] {
	one := rapid.Custom(func(t *rapid.T) listing.Facet {
		return listing.Facet{Value: maybe(t, "value", values), Count: rapid.Int64Min(1).Draw(t, "count")}
	})
	return rapid.SliceOfN(one, 1, 4)
}
