package render

import (
	"math"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// sample is a queryset whose rendering BuildTag hashes.
type sample struct {
	name     string
	queryset listing.Queryset
}

// samples are querysets of a site that together show every part of a cached body.
func samples(s *listing.Site) (all []sample) {
	for _, t := range s.Tables {
		all = append(all, tableSamples(t)...)
	}
	return all
}

func tableSamples(t *listing.Table) (all []sample) {
	add := func(name string, q listing.Query, items ...listing.Row) *listing.Queryset {
		all = append(all, sample{t.Name + "-" + name, listing.Queryset{Query: q, Items: items}})
		return &all[len(all)-1].queryset
	}
	full, other, bare, odd := sampleRow(t, 0), sampleRow(t, 1), bareRow(t), oddRow(t)
	for i := range t.Joins {
		j := &t.Joins[i]
		full.SetInner(j, []listing.Row{sampleRow(j.Inner, 0)})
		odd.SetInner(j, []listing.Row{oddRow(j.Inner)})
		if j.Many {
			other.SetInner(j, []listing.Row{sampleRow(j.Inner, 1), bareRow(j.Inner)})
		}
	}
	filters := sampleFilters(t)
	for i := range max(len(t.Orders), len(filters)) {
		sort := i % len(t.Orders)
		page := listing.Query{Table: t, Filter: filters[i%len(filters)], Sort: sort, Limit: 50}
		later := page
		later.After = listing.Some(t.KeyOf(sort, &full))
		add("page", page, full, other, bare, odd).Ahead = listing.Some(t.KeyOf(sort, &other))
		add("page-last", later, bare)
		add("page-past", later)
		add("page-none", page)
	}
	add("page-empty", listing.Query{Table: t, Limit: listing.DefaultLimit})
	add("row", t.RowQuery(full.Values[t.Key]), full)
	add("row-bare", t.RowQuery(bare.Values[t.Key]), bare)
	add("row-odd", t.RowQuery(odd.Values[t.Key]), odd)
	add("row-absent", t.RowQuery(full.Values[t.Key]))
	summary := listing.Query{Table: t, Kind: listing.SummaryKind, Filter: filters[0]}
	add("summary", summary).Summary = sampleSummary(t)
	add("summary-empty", summary)
	return all
}

// sampleRow has a value in every column.
func sampleRow(t *listing.Table, variant int) listing.Row {
	r := t.NewRow()
	for i := range t.Columns {
		r.Set(i, listing.Some(sampleValue(&t.Columns[i], variant)))
	}
	return r
}

// bareRow has a value only where it must, and numbers at their edges.
func bareRow(t *listing.Table) listing.Row {
	r := t.NewRow()
	for i := range t.Columns {
		c := &t.Columns[i]
		v := listing.Null[listing.Value]{V: sampleValue(c, 1), Valid: c.NotNull || i == t.Key}
		if c.Form == listing.Float {
			v = listing.Some(listing.Value{Number: listing.FloatNumber(1e-7)})
		}
		r.Set(i, v)
	}
	return r
}

// oddRow has values that the checks of a table mostly keep out.
func oddRow(t *listing.Table) listing.Row {
	r := sampleRow(t, 0)
	for i := range t.Columns {
		c := &t.Columns[i]
		v := r.Values[i]
		if i == t.Key {
			continue
		}
		switch c.Form {
		case listing.Whole:
			v.Number = -3
		case listing.Decimal:
			v.Number = listing.NaN
		case listing.Float:
			v.Number = listing.FloatNumber(math.Inf(-1))
		case listing.Day, listing.Moment:
			v.Number = -750_000 // of days, 54 BC
		case listing.Instant:
			v.Number = listing.Infinity
		case listing.Words:
			v.Text = ""
		case listing.Spelled:
			if c.Type.Kind != description.Char {
				v.Text = "NaN"
			}
		case listing.JSON:
			v.Text = `{"a": [1.50, null]}`
		}
		r.Set(i, listing.Some(v))
	}
	return r
}

// sampleValue returns a value of a column, another for each of two variants.
func sampleValue(c *listing.Column, variant int) (v listing.Value) {
	choose := func(texts ...string) string { return texts[variant%len(texts)] }
	switch c.Form {
	case listing.Whole:
		v.Number = int64(1 + 2*variant)
	case listing.Decimal:
		v.Number = int64(1_234_567_05 - 5*variant)
	case listing.Float:
		v.Number = listing.FloatNumber(38.4088 + float64(variant))
	case listing.Truth:
		v.Number = int64(1 - variant)
	case listing.Label:
		v.Number = int64(variant)
	case listing.Day:
		v.Number = int64(3_000 + variant)
	case listing.Moment, listing.Instant:
		v.Number = 264_124_800_000_000 + int64(variant)*86_400_500_000
	case listing.UUID:
		v.Text = strings.Repeat(choose("1", "2"), 8) + "-0000-4000-8000-00000000000a"
	case listing.Spelled:
		v.Text = choose("1234.5", "-7")
	case listing.JSON:
		v.Text = choose(`["a", 2, true]`, `"x"`)
	default:
		v.Text = choose("ELK_GROVE", "Multi_Family\"\n\t\\<garden & garage>\u2028\x01é 🏡")
		if isLink(c) {
			v.Text = choose("https://example.org/", "example.org")
		}
	}
	return v
}

// sampleFilters have every condition between them, each as many as an address has room for.
func sampleFilters(t *listing.Table) (filters []listing.Filter) {
	const most = 5
	var all listing.Filter
	for i := range t.Parameters {
		c := listing.Condition{Parameter: i}
		switch p := &t.Parameters[i]; p.Kind {
		case description.Words:
			c.Text = `garden "old town"`
		case description.BBox:
			c.Box = listing.Box{West: -121.5, South: 38, East: -121, North: 39}
		case description.AnyOf:
			column := &t.Columns[p.Column]
			c.Values = []listing.Value{sampleValue(column, 0), sampleValue(column, 1)}
			if column.Spell(c.Values[0]) > column.Spell(c.Values[1]) {
				slices.Reverse(c.Values)
			}
		case description.Contains:
			c.Values = []listing.Value{sampleValue(t.Columns[p.Column].Element, 0)}
		default:
			c.Bound = sampleValue(&t.Columns[p.Column], 0)
		}
		all = append(all, c)
	}
	for len(all) > most {
		filters, all = append(filters, all[:most]), all[most:]
	}
	return append(filters, all)
}

func sampleSummary(t *listing.Table) listing.Summary {
	s := listing.Summary{Count: 18}
	for _, n := range t.Stats {
		c := &t.Columns[n]
		mean := c.MeanColumn()
		s.Stats = append(s.Stats, listing.Stat{
			Min:  listing.Some(sampleValue(c, 0)),
			Max:  listing.Some(sampleValue(c, 1)),
			Mean: listing.Some(sampleValue(&mean, 0)),
		})
	}
	for _, f := range t.Facets {
		c := &t.Columns[f.Column]
		s.Facets = append(s.Facets, []listing.Facet{{Value: listing.Some(sampleValue(c, 0)), Count: 17}, {Count: 1}})
	}
	return s
}

// sampleSite describes tables that have a column of every type, shown in every way. It is not
// the site that is served: what the cache holds of that one stands under its description's
// identity, and what this process makes of any description shows here.
func sampleSite() *listing.Site {
	text := description.Type{Kind: description.Text, Name: "text"}
	label := description.Type{Kind: description.Enum, Name: "kind", Labels: []string{"new", "worn"}}
	things := description.Table{Name: "things", Columns: []description.Column{
		{Name: "id", Type: description.Type{Kind: description.Bigint, Name: "bigint"}},
		{Name: "title", Type: text},
		{Name: "latitude", Type: description.Type{Kind: description.Double, Name: "double precision"}},
		{Name: "longitude", Type: description.Type{Kind: description.Double, Name: "double precision"}},
		{Name: "created", Type: description.Type{Kind: description.TimestampTZ, Name: "timestamp with time zone"}},
		{Name: "city", Type: text, Show: showName},
	}}
	for _, shown := range []struct {
		show, unit string
		types      []description.Type
	}{
		{"", "sq ft", []description.Type{{Kind: description.Integer, Name: "integer"}, {Kind: description.Real, Name: "real"}}},
		{"", "m", []description.Type{{Kind: description.Smallint, Name: "smallint"}}},
		{"money", "", []description.Type{
			{Kind: description.Numeric, Name: "numeric(12,2)", Precision: 12, Scale: 2}, {Kind: description.Numeric, Name: "numeric"},
			{Kind: description.Double, Name: "double precision"},
		}},
		{"badge", "", []description.Type{text, label, {Kind: description.Boolean, Name: "boolean"}}},
		{"date", "", []description.Type{
			{Kind: description.Date, Name: "date"}, {Kind: description.Timestamp, Name: "timestamp without time zone"},
			{Kind: description.TimestampTZ, Name: "timestamp with time zone"},
		}},
		{"time", "", []description.Type{
			{Kind: description.Timestamp, Name: "timestamp without time zone"}, {Kind: description.TimestampTZ, Name: "timestamp with time zone"},
		}},
		{"words", "", []description.Type{text}},
		{"paragraph", "", []description.Type{text}},
		{"link", "", []description.Type{text}},
		{"image", "", []description.Type{text}},
		{"number", "", []description.Type{{Kind: description.Smallint, Name: "smallint"}, {Kind: description.Numeric, Name: "numeric(9,1)", Precision: 9, Scale: 1}}},
		{"", "", []description.Type{
			text, label, {Kind: description.Boolean, Name: "boolean"}, {Kind: description.UUID, Name: "uuid"},
			{Kind: description.Varchar, Name: "character varying(9)"}, {Kind: description.Char, Name: "character(4)"},
			{Kind: description.Array, Name: "text[]", Element: &text}, {Kind: description.Other, Name: "jsonb"},
		}},
	} {
		for _, kind := range shown.types {
			name := shown.show + " " + string(kind.Kind) + " rooms"
			if len(things.Columns)%2 == 0 {
				name += " x"
			}
			things.Columns = append(things.Columns, description.Column{Name: name, Type: kind, Show: shown.show, Unit: shown.unit})
		}
	}
	things.Label, things.Newest = 1, 4
	things.Place = &description.Place{Latitude: 2, Longitude: 3}
	things.Orders = []description.Order{{Name: description.DefaultOrder, Column: 4, Descending: true}}
	for i := range things.Columns {
		c := &things.Columns[i]
		c.Member, c.Label, c.NotNull = c.Name, listing.Capitalized(c.Name), i%4 == 0
		things.List = append(things.List, i)
		things.Item = append(things.Item, i)
		param := strings.ReplaceAll(c.Name, " ", "_")
		add := func(name string, kind description.ParameterKind) {
			things.Parameters = append(things.Parameters, description.Parameter{Name: name, Kind: kind, Column: i})
		}
		switch c.Type.Kind {
		case description.Text, description.Enum, description.Boolean, description.Integer:
			add(param, description.AnyOf)
			things.Facets = append(things.Facets, description.Facet{Name: description.FacetPrefix + c.Name, Column: i})
			things.Orders = append(things.Orders, description.Order{Name: param, Column: i})
		case description.Array:
			add(param, description.Contains)
		case description.Smallint, description.Numeric, description.TimestampTZ:
			add("min_"+param, description.Min)
			add("max_"+param, description.Max)
			things.Orders = append(things.Orders, description.Order{Name: param, Column: i}, description.Order{Name: "-" + param, Column: i, Descending: true})
			if c.Type.Kind != description.TimestampTZ {
				things.Stats = append(things.Stats, i)
			}
		}
	}
	things.Facets[0], things.Facets[1] = things.Facets[1], things.Facets[0] // the city first
	things.Parameters = append(things.Parameters,
		description.Parameter{Name: description.ParamBBox, Kind: description.BBox, Column: 2},
		description.Parameter{Name: description.ParamWords, Kind: description.Words, Column: 1, Wide: true})
	words := description.Table{Name: "words", Columns: []description.Column{{Name: "word", Type: text, Member: "word", Label: "Word"}}}
	words.Columns = append(words.Columns, description.Column{Name: "drawing", Type: text, Member: "drawing", Label: "Drawing", Show: description.ShowSVG})
	words.List, words.Item = []int{0, 1}, []int{0, 1}
	words.Orders = []description.Order{{Name: description.DefaultOrder, Descending: true}}
	things.With = []description.Join{
		{Name: "maker", Table: 1, By: 1, Lists: true}, {Name: "next", Table: 0, By: 0},
		{Name: "drawings", Table: 1, Many: true, Lists: true}, {Name: "other things", Table: 0, Many: true},
	}
	return listing.NewSite(&description.Description{
		Site:   description.Site{Name: "Sample", Locale: "en-US", Currency: "USD", Home: things.Name},
		Tables: []description.Table{things, words},
	})
}
