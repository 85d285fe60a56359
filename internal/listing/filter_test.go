package listing_test

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	row := listingtest.Property(17, "property_type", "Condo", "status", "for_sale", "price", 500, "city", "GALT", "postal_code", "95632",
		"bedrooms", 3, "bathrooms", "2.5", "living_area", 900, "latitude", "38.5", "longitude", "-121.5")
	for raw, want := range map[string]bool{
		"":                            true,
		"city=GALT":                   true,
		"city=galt":                   false,
		"city=FOLSOM,GALT":            true,
		"city=GAL":                    false,
		"postal_code=95632":           true,
		"postal_code=95630":           false,
		"property_type=Condo":         true,
		"property_type=House":         false,
		"status=sold,for_sale":        true,
		"status=sold":                 false,
		"max_price=500":               true,
		"max_price=499.99":            false,
		"min_price=500.00":            true,
		"min_price=500.01":            false,
		"min_price=500&max_price=500": true,
		"min_bedrooms=3":              true,
		"min_bedrooms=4":              false,
		"max_bedrooms=2":              false,
		"min_bathrooms=2.5":           true,
		"min_bathrooms=2.6":           false,
		"min_area=900&max_area=900":   true,
		"min_area=901":                false,
		"max_area=899":                false,
		"bbox=-121.5,38.5,-121,39":    true, // on the corner
		"bbox=-122,38,-121.5,38.5":    true, // on the other
		"bbox=-122,38,-121.6,39":      false,
		"bbox=-122,38.6,-121,39":      false,
		"q=pool":                      true, // only PostgreSQL can tell
		"q=pool&city=FOLSOM":          false,
	} {
		q, faults := table.ParseSummary(values(t, raw), listing.Strict)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", raw, faults)
		}
		if got := q.Filter.Match(table, &row); got != want {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
}

// TestNullMatchesNoCondition on its own column, and any other condition.
func TestNullMatchesNoCondition(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	row := listingtest.Property(0, "city", "GALT", "status", "for_sale", "property_type", "Condo")
	for raw, want := range map[string]bool{
		"city=GALT&status=for_sale&max_price=0": true,
		"postal_code=95632":                     false,
		"min_bedrooms=0":                        false,
		"max_bedrooms=32767":                    false,
		"min_bathrooms=0":                       false,
		"min_area=0":                            false,
		"max_area=2147483647":                   false,
		"bbox=-180,-90,180,90":                  false,
	} {
		q, faults := table.ParseSummary(values(t, raw), listing.Strict)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", raw, faults)
		}
		if got := q.Filter.Match(table, &row); got != want {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
	everywhere := listingtest.Query("properties/summary?bbox=-180,-90,180,90").Filter
	for _, column := range []string{"latitude", "longitude"} {
		if half := listingtest.Property(1, column, "0"); everywhere.Match(table, &half) {
			t.Error("half a position lies in a box")
		}
	}
}

// TestMatchEverything: for any table and filter it is what the conditions say, one by one.
func TestMatchEverything(t *testing.T) {
	t.Parallel()
	forTables(t, func(t *testing.T, table *listing.Table) {
		keys := listingtest.RowKeys(table)
		met := 0
		rapid.Check(t, func(t *rapid.T) {
			f := listingtest.Filters(table).Draw(t, "filter")
			r := listingtest.Rows(table, keys).Draw(t, "row")
			want := true
			for i := range f {
				is := naiveMatch(table, &f[i], &r)
				if want = want && is; is && !table.Parameters[f[i].Parameter].Wide {
					met++
				}
			}
			if got := f.Match(table, &r); got != want {
				t.Fatalf("%s: %v, want %v", f.String(table), got, want)
			}
		})
		if met == 0 && len(table.Parameters) > 0 {
			t.Error("no row ever met a condition")
		}
	})
}

// naiveMatch judges a condition with values taken apart in the slowest way.
func naiveMatch(table *listing.Table, c *listing.Condition, r *listing.Row) bool {
	p := &table.Parameters[c.Parameter]
	column := &table.Columns[p.Column]
	v := r.Get(p.Column)
	switch {
	case p.Wide:
		return true
	case !v.Valid:
		return false
	}
	switch p.Kind {
	case description.AnyOf:
		return slices.ContainsFunc(c.Values, func(wanted listing.Value) bool { return naiveCompare(column, wanted, v.V) == 0 })
	case description.Min:
		return naiveCompare(column, v.V, c.Bound) >= 0
	case description.Max:
		return naiveCompare(column, v.V, c.Bound) <= 0
	case description.BBox:
		other := r.Get(table.Place.Longitude)
		return other.Valid && naiveBetween(column, v.V, c.Box.South, c.Box.North) &&
			naiveBetween(&table.Columns[table.Place.Longitude], other.V, c.Box.West, c.Box.East)
	case description.Contains:
		for _, wanted := range c.Values {
			element := column.AppendElement(nil, wanted)
			if !strings.Contains(v.V.Text, string(element)) {
				return false
			}
		}
		return true
	}
	panic(p.Kind)
}

// naiveCompare compares values as PostgreSQL does.
func naiveCompare(c *listing.Column, a, b listing.Value) int {
	x, y := listing.FloatOf(a.Number), listing.FloatOf(b.Number)
	switch {
	case c.Type.Kind == description.Real:
		x, y = naiveFloat(a.Text, 32), naiveFloat(b.Text, 32)
	case c.Form == listing.Spelled && c.Type.Kind == description.Numeric:
		n, ok1 := new(big.Rat).SetString(a.Text)
		m, ok2 := new(big.Rat).SetString(b.Text)
		if ok1 && ok2 {
			return n.Cmp(m)
		}
		x, y = naiveFloat(a.Text, 64), naiveFloat(b.Text, 64)
	case !c.Form.InNumber():
		return strings.Compare(a.Text, b.Text)
	case c.Form != listing.Float:
		return cmp.Compare(a.Number, b.Number)
	}
	switch {
	case x == y, x != x && y != y:
		return 0
	case x != x, x > y:
		return +1
	}
	return -1
}

func naiveFloat(text string, size int) float64 {
	f, err := strconv.ParseFloat(text, size)
	if err != nil {
		panic(err)
	}
	return f
}

func naiveBetween(c *listing.Column, v listing.Value, least, greatest float64) bool {
	if c.Form == listing.Float {
		f := listing.FloatOf(v.Number)
		return least <= f && f <= greatest
	}
	if v.Number == listing.NaN {
		return false
	}
	rational := func(text string) *big.Rat {
		n, ok := new(big.Rat).SetString(text)
		if !ok {
			panic(text)
		}
		return n
	}
	free := listing.Column{Form: listing.Float}
	edge := func(f float64) *big.Rat { return rational(free.Spell(listing.Value{Number: listing.FloatNumber(f)})) }
	n := rational(c.Spell(v))
	return edge(least).Cmp(n) <= 0 && n.Cmp(edge(greatest)) <= 0
}

// A place of numerics lies in a box whose edges are spelled as numerics, whatever their
// nearest floats are.
func TestBoxOfNumerics(t *testing.T) {
	t.Parallel()
	table := listingtest.ByUUID()
	for _, test := range []struct {
		latitude, longitude, box string
		want                     bool
	}{
		{"38.5", "-121.5", "-121.5,38.5,-121.5,38.5", true},
		{"0.1", "0.3", "0.3,0.1,0.3,0.1", true},
		{"0.1", "0.3", "0.3,0.1000000000000001,0.3,0.2", false},
		{"0.1", "0.3", "0.3,0.0999999999999999,0.3,0.1", true},
		{"0.1", "0.3", "0.3,0,0.3,0.0999999", false},
		{"-0.1", "-0.3", "-0.3000001,-0.1000001,-0.2999999,-0.0999999", true},
		{"-0.1", "-0.3", "-0.30000001,-0.10000001,-0.29999999,-0.09999999", true},
		{"-0.1", "-0.3", "-0.30000001,-0.09999999,0,0", false},
		{"0.000001", "0", "0,0.00000000001,0,1", true},
		{"0", "0", "0,0.00000000001,0,1", false},
		{"0", "0", "0,-1,0,-0.00000000001", false},
		{"90", "180", "180,90,180,90", true},
		{"-90", "-180", "-180,-90,180,90", true},
		{"NaN", "0", "-180,-90,180,90", false},
		{"999.999999", "0", "-180,-90,180,90", false},
	} {
		q := listingtest.Query("by-uuid/summary?bbox=" + test.box)
		row := listingtest.Row(table, "latitude", test.latitude, "longitude", test.longitude)
		if got := q.Filter.Match(table, &row); got != test.want {
			t.Errorf("%s, %s in %s: %v", test.latitude, test.longitude, test.box, got)
		}
	}
	column := &table.Columns[table.Place.Latitude]
	rapid.Check(t, func(t *rapid.T) {
		box := listing.Box{West: -180, East: 180, South: rapid.Float64Range(-90, 90).Draw(t, "south")}
		box.North = rapid.Float64Range(box.South, 90).Draw(t, "north")
		near := int64(math.Round(box.South * 1e6))
		row := listingtest.Row(table, "longitude", 0)
		v := listing.Value{Number: near + rapid.Int64Range(-1, 1).Draw(t, "off")}
		row.Set(column.Number, listing.Some(v))
		f := listing.Filter{{Parameter: slices.IndexFunc(table.Parameters, func(p description.Parameter) bool { return p.Kind == description.BBox }), Box: box}}
		if got, want := f.Match(table, &row), naiveBetween(column, v, box.South, box.North); got != want {
			t.Fatalf("%s in %s: %v, want %v", column.Spell(v), f.String(table), got, want)
		}
	})
}

// The columns of a filter are those that a change must differ in to matter to it.
func TestFilterColumns(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	numbers := func(names ...string) (s listing.Columns) {
		for _, name := range names {
			s |= listing.ColumnSet(table.Column(name))
		}
		return s
	}
	for raw, want := range map[string][]string{
		"":                             nil,
		"city=GALT":                    {"city"},
		"min_price=1&max_price=2":      {"price"},
		"bbox=0,0,1,1":                 {"latitude", "longitude"},
		"q=pool&min_area=5":            {"search", "living_area"},
		"status=sold&postal_code=9563": {"status", "postal_code"},
	} {
		q, faults := table.ParseSummary(values(t, raw), listing.Strict)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", raw, faults)
		}
		if got := q.Filter.Columns(table); got != numbers(want...) {
			t.Errorf("%s: columns %b, want %v", raw, got, want)
		}
		wide := numbers()
		if strings.Contains(raw, "q=") {
			wide = numbers("search")
		}
		if got := q.Filter.WideColumns(table); got != wide {
			t.Errorf("%s: wide columns %b, want %b", raw, got, wide)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	table := listingtest.Properties()
	row := listingtest.Property(17, "property_type", "Condo", "status", "for_sale", "price", 500, "city", "GALT", "postal_code", "95632",
		"bedrooms", 3, "bathrooms", "2.5", "living_area", 900, "latitude", "38.5", "longitude", "-121.5")
	for name, text := range map[string]string{
		"one":   "properties/summary?city=FOLSOM,GALT",
		"usual": "properties/summary?city=GALT&min_price=400&max_price=500&min_bedrooms=3",
		"all": "properties/summary?city=ELK_GROVE,GALT&postal_code=95632&property_type=Condo&status=for_sale&min_price=1&max_price=500" +
			"&min_bedrooms=1&max_bedrooms=3&min_bathrooms=1.5&min_area=1&max_area=900&bbox=-122,38,-121,39&q=pool",
	} {
		f := listingtest.Query(text).Filter
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !f.Match(table, &row) {
					b.Fatal("no match")
				}
			}
		})
	}
}

// Numbers that are the same as floats are told apart digit by digit; NaN is above all, as in PostgreSQL.
func TestRangesOfLongNumbers(t *testing.T) {
	t.Parallel()
	table := listingtest.Every()
	row := func(number string) listing.Row {
		r := table.NewRow()
		r.Set(table.Column("wide"), listing.Some(listing.Value{Text: number}))
		return r
	}
	const bound = "123456789012345678901234567890.5"
	for number, below := range map[string]bool{
		"123456789012345678901234567890.4": true, "123456789012345678901234567890.50": true, "-Infinity": true, "0": true, "-123456789012345678901234567890.6": true,
		"123456789012345678901234567890.6": false, "NaN": false, "Infinity": false, "1" + strings.Repeat("0", 400): false,
	} {
		for _, parameter := range []string{"min_wide", "max_wide"} {
			q, r := listingtest.Query("every?"+parameter+"="+bound), row(number)
			want := below == (parameter == "max_wide") || number == "123456789012345678901234567890.50"
			if got := q.Filter.Match(table, &r); got != want {
				t.Errorf("%s meets %s: %t, want %t", number, q, got, want)
			}
		}
	}
}
