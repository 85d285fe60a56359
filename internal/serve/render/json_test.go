package render_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
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
	Bedrooms     *int64       `json:"bedrooms"`
	Bathrooms    *json.Number `json:"bathrooms"`
	LivingArea   *int64       `json:"living_area"`
	Latitude     *float64     `json:"latitude"`
	Longitude    *float64     `json:"longitude"`
	CreatedAt    time.Time    `json:"created_at"`
	Description  *string      `json:"description"`
	UpdatedAt    *time.Time   `json:"updated_at"`
}

// stored is the row that was rendered.
func (p property) stored(t require) listing.Row {
	table := listingtest.Properties()
	r := table.NewRow()
	set := func(name string, v listing.Null[listing.Value]) { r.Set(table.Column(name), v) }
	set("id", number(p.ID))
	set("title", word(p.Title))
	set("property_type", word(p.PropertyType))
	set("status", word(p.Status))
	set("price", number(fixed(t, p.Price, 2)))
	set("city", word(p.City))
	set("postal_code", null(p.PostalCode, word))
	set("bedrooms", null(p.Bedrooms, number))
	set("bathrooms", null(p.Bathrooms, func(n json.Number) listing.Null[listing.Value] { return number(fixed(t, n, 1)) }))
	set("living_area", null(p.LivingArea, number))
	set("latitude", null(p.Latitude, float))
	set("longitude", null(p.Longitude, float))
	set("created_at", number(listing.InstantOf(p.CreatedAt)))
	if p.UpdatedAt != nil {
		set("description", word(*p.Description))
		set("updated_at", number(listing.InstantOf(*p.UpdatedAt)))
	}
	return r
}

func float(v float64) listing.Null[listing.Value] { return number(listing.FloatNumber(v)) }

func null[T any](v *T, value func(T) listing.Null[listing.Value]) listing.Null[listing.Value] {
	if v == nil {
		return listing.Null[listing.Value]{}
	}
	return value(*v)
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
		want := anyProperty().Draw(t, "property")
		table := listingtest.Properties()
		status, body := render.Body(render.JSON, listing.Queryset{Query: table.RowQuery(want.Values[table.Key]), Items: []listing.Row{want}})
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
			Prev  *string    `json:"prev"`
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
		if next := null(got.Next, word); next.V.Text != qs.Next() || next.Valid != (qs.Next() != "") {
			t.Fatalf("next %+v, want %q", next, qs.Next())
		}
		if prev := null(got.Prev, word); prev.V.Text != qs.Prev() || prev.Valid != (qs.Prev() != "") {
			t.Fatalf("prev %+v, want %q", prev, qs.Prev())
		}
	})
}

// The rows of any table come back, too: each column under its member, in the order of the
// description, and each value in the spelling of its type.
func TestAnyRowRoundTrip(t *testing.T) {
	t.Parallel()
	for _, table := range listingtest.EverySite().Tables {
		rapid.Check(t, func(t *rapid.T) {
			qs := querysets(table).Draw(t, "queryset")
			status, body := render.Body(render.JSON, qs)
			if !json.Valid(body) {
				t.Fatalf("not JSON: %s", body)
			}
			switch {
			case status == http.StatusNotFound || qs.Query.Kind == listing.SummaryKind:
			case qs.Query.Kind == listing.RowKind:
				checkRow(t, table, table.Item, &qs.Items[0], body)
			default:
				var page struct {
					Items []json.RawMessage `json:"items"`
					Next  *string           `json:"next"`
					Prev  *string           `json:"prev"`
				}
				decode(t, body, &page)
				if len(page.Items) != len(qs.Items) {
					t.Fatalf("%d items, want %d: %s", len(page.Items), len(qs.Items), body)
				}
				for i, item := range page.Items {
					checkRow(t, table, table.List, &qs.Items[i], item)
				}
			}
		})
	}
}

func checkRow(t failer, table *listing.Table, columns []int, r *listing.Row, body []byte) {
	t.Helper()
	var values map[string]json.RawMessage
	decode(t, body, &values)
	var names []string
	for _, n := range columns {
		c := &table.Columns[n]
		names = append(names, c.Member)
		want := "null"
		if v := r.Values[n]; !r.Null(n) {
			want = spelledJSON(c, v)
		}
		if got := string(values[c.Member]); got != want {
			t.Errorf("%s is %s, want %s", c.Member, got, want)
		}
	}
	if got := members(t, body); !slices.Equal(got, names) {
		t.Errorf("members %q, want %q", got, names)
	}
}

// spelledJSON is a value as encoding/json writes its spelling: a number as it is, unless it is
// none.
func spelledJSON(c *listing.Column, v listing.Value) string {
	spelled := c.Spell(v)
	switch c.Form {
	case listing.JSON:
		return v.Text
	case listing.Decimal:
		spelled = string(listing.AppendDecimal(nil, v.Number, c.Scale))
	case listing.Float:
		if f := listing.FloatOf(v.Number); f-f == 0 {
			b, _ := json.Marshal(f)
			spelled = exponent.ReplaceAllString(string(b), "e-0$1") // encoding/json cuts the zero off
		}
	}
	number := c.Form == listing.Whole || c.Form == listing.Decimal || c.Form == listing.Float ||
		c.Form == listing.Spelled && c.Type.Kind != description.Char
	if c.Form == listing.Truth || number && json.Valid([]byte(spelled)) {
		return spelled
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(spelled); err != nil {
		panic(err)
	}
	return unescape.Replace(strings.TrimSuffix(b.String(), "\n"))
}

// exponent and unescape undo what encoding/json writes otherwise and means the same.
var (
	exponent = regexp.MustCompile(`e-([0-9])$`)
	unescape = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029", `\b`, `\u0008`, `\f`, `\u000c`)
)

// What a list does not show must not be in its body: the body outlives a change of it.
func TestPagesShowOnlyListColumns(t *testing.T) {
	t.Parallel()
	for _, table := range []*listing.Table{listingtest.Properties(), listingtest.Every(), listingtest.ByUUID()} {
		rapid.Check(t, func(t *rapid.T) {
			qs := querysets(table).Draw(t, "queryset")
			if qs.Query.Kind != listing.PageKind {
				return
			}
			other := qs
			other.Items = nil
			for _, r := range qs.Items {
				changed := table.NewRow()
				for i := range table.Columns {
					changed.Set(i, r.Get(i))
					if !table.ListColumns.Has(i) && i != qs.Query.Order().Column.Number {
						changed.Set(i, word("never shown"))
					}
				}
				other.Items = append(other.Items, changed)
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
			Query:   listing.Query{Table: listingtest.Properties(), Kind: listing.SummaryKind},
			Summary: want,
		})
		var got struct {
			Count          int64                                 `json:"count"`
			Price          struct{ Min, Max, Mean *json.Number } `json:"price"`
			ByCity         []facet[string]                       `json:"by_city"`
			ByPropertyType []facet[string]                       `json:"by_property_type"`
			ByBedrooms     []facet[int64]                        `json:"by_bedrooms"`
		}
		decode(t, body, &got)
		price := func(n json.Number) listing.Null[listing.Value] { return number(fixed(t, n, 2)) }
		read := listing.Summary{
			Count:  got.Count,
			Stats:  []listing.Stat{{Min: null(got.Price.Min, price), Max: null(got.Price.Max, price), Mean: null(got.Price.Mean, price)}},
			Facets: make([][]listing.Facet, 3),
		}
		if got.ByCity == nil || got.ByPropertyType == nil || got.ByBedrooms == nil {
			t.Fatalf("a facet is not a list: %s", body)
		}
		for _, f := range got.ByCity {
			read.Facets[0] = append(read.Facets[0], listing.Facet{Value: null(f.Value, word), Count: f.Count})
		}
		for _, f := range got.ByPropertyType {
			read.Facets[1] = append(read.Facets[1], listing.Facet{Value: null(f.Value, word), Count: f.Count})
		}
		for _, f := range got.ByBedrooms {
			read.Facets[2] = append(read.Facets[2], listing.Facet{Value: null(f.Value, number), Count: f.Count})
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
		p := listingtest.Property(1)
		p.Set(listingtest.Properties().Column("title"), word(title))
		_, body := render.Body(render.JSON, rowOf(p))
		var got property
		decode(t, body, &got)
		if !utf8.Valid(body) || got.Title != string([]rune(title)) {
			t.Fatalf("title %q came back as %q", title, got.Title)
		}
	})
}

// rowOf is the queryset of a property.
func rowOf(p listing.Row) listing.Queryset {
	t := listingtest.Properties()
	return listing.Queryset{Query: t.RowQuery(p.Values[t.Key]), Items: []listing.Row{p}}
}

func TestAbsentRow(t *testing.T) {
	t.Parallel()
	for want, q := range map[string]listing.Query{
		"There is no property 17.":  listingtest.Properties().RowQuery(listing.Value{Number: 17}),
		"There is no every “a/b”.":  listingtest.Every().RowQuery(listing.Value{Text: "a/b"}),
		"There is no by uuid 1111.": listingtest.ByUUID().RowQuery(listing.Value{Text: "1111"}),
	} {
		for _, f := range []render.Format{render.JSON, render.HTML} {
			status, body := render.Body(f, listing.Queryset{Query: q})
			if status != http.StatusNotFound || !bytes.Contains(body, []byte(want)) {
				t.Errorf("%s: status %d, body %s", f, status, body)
			}
		}
	}
	if got := render.JSON.ContentType(http.StatusNotFound); got != "application/problem+json" {
		t.Errorf("content type of the JSON is %s", got)
	}
}

// A value of each odd kind is written as PostgreSQL's own JSON has it, or as a string.
func TestOddSpellings(t *testing.T) {
	t.Parallel()
	table := listingtest.Every()
	for _, c := range []struct{ column, text, want string }{
		{"wide", "123456789012345678901234567890.50", "123456789012345678901234567890.50"},
		{"wide", "NaN", `"NaN"`},
		{"wide", "-Infinity", `"-Infinity"`},
		{"hundreds", "-1200", "-1200"},
		{"Real", "1e+20", "1e+20"},
		{"Real", "-Infinity", `"-Infinity"`},
		{"fixed", "12", `"12"`},
		{"fixed", "", `""`},
		{"tags", `["a",null]`, `["a",null]`},
		{"details", `{"a": 1.50}`, `{"a": 1.50}`},
		{"details", "null", "null"},
	} {
		r := table.NewRow()
		n := table.Column(c.column)
		r.Set(n, word(c.text))
		_, body := render.Body(render.JSON, listing.Queryset{Query: table.RowQuery(listing.Value{Text: "k"}), Items: []listing.Row{r}})
		var values map[string]json.RawMessage
		decode(t, body, &values)
		if got := string(values[table.Columns[n].Member]); got != c.want {
			t.Errorf("%s %q is %s, want %s", c.column, c.text, got, c.want)
		}
	}
}

// A body is written in one go: it is on the path of every miss.
func TestPageAllocations(t *testing.T) {
	qs := listing.Queryset{Query: listingtest.Query("properties")}
	for range qs.Query.Limit {
		qs.Items = append(qs.Items, sample(t, "page").Items[0])
	}
	if got := testing.AllocsPerRun(100, func() { render.Body(render.JSON, qs) }); got > 1 {
		t.Errorf("a page of %d items takes %.0f allocations", len(qs.Items), got)
	}
}

// How long the JSON of a page takes.
func BenchmarkPageJSON(b *testing.B) {
	full, bare := fullProperty(), bareProperty()
	qs := listing.Queryset{Query: listingtest.Query("properties")}
	for i := range qs.Query.Limit {
		qs.Items = append(qs.Items, []listing.Row{full, bare}[i%2])
	}
	b.ReportAllocs()
	for b.Loop() {
		render.Body(render.JSON, qs)
	}
}

// listed is a property as a list holds it.
func listed(p listing.Row) listing.Row {
	t := listingtest.Properties()
	r := t.NewRow()
	for _, n := range t.List {
		r.Set(n, p.Get(n))
	}
	return r
}

// The generators keep to what the table can hold.

func anyProperty() *rapid.Generator[listing.Row] {
	table := listingtest.Properties()
	return rapid.Custom(func(t *rapid.T) listing.Row {
		r := table.NewRow()
		set := func(name string, v *rapid.Generator[listing.Null[listing.Value]]) {
			r.Set(table.Column(name), v.Draw(t, name))
		}
		maybe := func(g *rapid.Generator[listing.Null[listing.Value]]) *rapid.Generator[listing.Null[listing.Value]] {
			return rapid.OneOf(g, rapid.Just(listing.Null[listing.Value]{}))
		}
		texts := rapid.Map(rapid.String(), func(s string) listing.Null[listing.Value] { return word(strings.ReplaceAll(s, "\x00", "")) })
		numbers := func(least, most int64) *rapid.Generator[listing.Null[listing.Value]] {
			return rapid.Map(rapid.Int64Range(least, most), number)
		}
		set("id", numbers(1, math.MaxInt64))
		set("title", texts)
		set("description", texts)
		set("property_type", texts)
		set("status", rapid.Map(rapid.SampledFrom([]string{"for_sale", "pending", "sold"}), word))
		set("price", numbers(0, maxPrice))
		set("city", texts)
		set("postal_code", maybe(texts))
		set("bedrooms", maybe(numbers(0, math.MaxInt16)))
		set("bathrooms", maybe(numbers(0, 999)))
		set("living_area", maybe(numbers(1, math.MaxInt32)))
		set("latitude", maybe(rapid.Map(rapid.Float64Range(-90, 90), float)))
		set("longitude", maybe(rapid.Map(rapid.Float64Range(-180, 180), float)))
		set("created_at", instants())
		set("updated_at", instants())
		return r
	})
}

const maxPrice = 999_999_999_999_99

// instants have microseconds or not, like those that people and now() write.
func instants() *rapid.Generator[listing.Null[listing.Value]] {
	first := listing.InstantOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))
	last := listing.InstantOf(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)) - 1
	return rapid.Custom(func(t *rapid.T) listing.Null[listing.Value] {
		at := rapid.Int64Range(first, last).Draw(t, "instant")
		if rapid.Bool().Draw(t, "whole seconds") {
			at -= at % 1_000_000
		}
		return number(at)
	})
}

func pages() *rapid.Generator[listing.Queryset] {
	table := listingtest.Properties()
	return rapid.Custom(func(t *rapid.T) listing.Queryset {
		qs := listing.Queryset{Query: listingtest.Pages(table, listingtest.RowKeys(table)).Draw(t, "query")}
		for _, p := range rapid.SliceOfN(anyProperty(), 0, 3).Draw(t, "items") {
			qs.Items = append(qs.Items, listed(p))
		}
		if len(qs.Items) > 0 && rapid.Bool().Draw(t, "more") {
			qs.Ahead = listing.Some(table.KeyOf(qs.Query.Sort, &qs.Items[0]))
		}
		return qs
	})
}

func summaries() *rapid.Generator[listing.Summary] {
	price := rapid.Map(rapid.Int64Range(0, maxPrice), number)
	texts := rapid.Map(rapid.String(), word)
	return rapid.Custom(func(t *rapid.T) listing.Summary {
		s := listing.Summary{
			Count: rapid.Int64Range(0, math.MaxInt64).Draw(t, "count"), Stats: make([]listing.Stat, 1), Facets: make([][]listing.Facet, 3),
		}
		if s.Count == 0 {
			return s
		}
		s.Stats[0] = listing.Stat{Min: price.Draw(t, "min"), Max: price.Draw(t, "max"), Mean: price.Draw(t, "mean")}
		s.Facets[0] = facets(texts).Draw(t, "by_city")
		s.Facets[1] = facets(texts).Draw(t, "by_property_type")
		s.Facets[2] = facets(rapid.Map(rapid.Int64Range(0, math.MaxInt16), number)).Draw(t, "by_bedrooms")
		return s
	})
}

func facets(values *rapid.Generator[listing.Null[listing.Value]]) *rapid.Generator[[]listing.Facet] {
	one := rapid.Custom(func(t *rapid.T) listing.Facet {
		f := listing.Facet{Value: values.Draw(t, "value"), Count: rapid.Int64Min(1).Draw(t, "count")}
		if rapid.Bool().Draw(t, "null") {
			f.Value = listing.Null[listing.Value]{}
		}
		return f
	})
	return rapid.SliceOfN(one, 1, 4)
}
