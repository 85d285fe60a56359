package listing_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// NULL has the ends of an int64 to itself wherever it stands among values: no column's Order
// returns them.
func TestEndsAreLeftToNull(t *testing.T) {
	t.Parallel()
	ends := []int64{math.MinInt64, math.MaxInt64}
	for _, v := range []int64{listing.Infinity, listing.LongAgo, listing.NaN} {
		if slices.Contains(ends, v) {
			t.Errorf("%d is a value's and NULL's", v)
		}
	}
	for _, v := range []float64{math.NaN(), math.Copysign(math.NaN(), -1), math.Inf(1), math.Inf(-1), math.Float64frombits(math.MaxUint64)} {
		if slices.Contains(ends, listing.FloatNumber(v)) {
			t.Errorf("%v is where NULL is", v)
		}
	}
	for _, table := range tables() {
		for i := range table.Columns {
			c := &table.Columns[i]
			for _, n := range []int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64} {
				for _, v := range []listing.Value{{Number: n}, {Text: ""}, {Text: "\xff\xff\xff\xff\xff\xff\xff\xff\xff"}, {Text: "\x00"}} {
					if slices.Contains(ends, c.Order(v)) {
						t.Errorf("%s: %+v is where NULL is", c.Name, v)
					}
				}
			}
		}
	}
}

// PostgreSQL's order of floats: NaN is equal to itself, whatever its bits, and greatest.
func TestFloatNumber(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	c := &every.Columns[every.Column("double")]
	order := func(v float64) int64 { return c.Order(listing.Value{Number: listing.FloatNumber(v)}) }
	if order(math.Copysign(0, -1)) != order(0) || listing.FloatNumber(math.Copysign(0, -1)) == listing.FloatNumber(0) {
		t.Error("-0 is not where 0 is, or cannot be told from it")
	}
	if listing.FloatNumber(math.NaN()) != listing.FloatNumber(math.Float64frombits(math.MaxUint64)) {
		t.Error("a NaN of other bits has another place")
	}
	rising := []float64{math.Inf(-1), -math.MaxFloat64, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, math.MaxFloat64, math.Inf(1), math.NaN()}
	for i := range len(rising) - 1 {
		if order(rising[i]) >= order(rising[i+1]) {
			t.Errorf("%v is not before %v", rising[i], rising[i+1])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if back := listing.FloatOf(listing.FloatNumber(v)); back != v && (back == back || v == v) || math.Signbit(back) != math.Signbit(v) && v == v {
			t.Fatalf("%v is %v there and back", v, back)
		}
	})
}

// Order does not decrease as values increase, and where it is Distinct, equal numbers are of
// equal values.
func TestOrderOfValues(t *testing.T) {
	t.Parallel()
	forTables(t, func(t *testing.T, table *listing.Table) {
		for i := range table.Columns {
			c := &table.Columns[i]
			if !c.Ordered() {
				continue
			}
			values := listingtest.StoredValues(table, i)
			if c.Form == listing.Words {
				values = rapid.Map(rapid.StringOfN(rapid.SampledFrom([]rune("ab\x01\x7fä\U0010fffe")), 0, 10, -1), func(s string) listing.Value {
					return listing.Value{Text: s}
				})
			}
			rapid.Check(t, func(t *rapid.T) {
				a, b := values.Draw(t, "a"), values.Draw(t, "b")
				want, x, y := naiveCompare(c, a, b), c.Order(a), c.Order(b)
				if x > y && want <= 0 || x < y && want >= 0 || x == y && want != 0 && c.Distinct(x) {
					t.Fatalf("%s: %+v is %d, %+v is %d, distinct %v", c.Name, a, x, b, y, c.Distinct(x))
				}
			})
		}
	})
}

func TestInstants(t *testing.T) {
	t.Parallel()
	at := func(year int, fraction time.Duration) int64 {
		return listing.InstantOf(time.Date(year, time.March, 4, 5, 6, 7, int(fraction), time.UTC))
	}
	for m, want := range map[int64]string{
		listing.Infinity:                   "infinity",
		listing.LongAgo:                    "-infinity",
		0:                                  "2000-01-01T00:00:00Z",
		-1:                                 "1999-12-31T23:59:59.999999Z",
		at(1, 0):                           "0001-03-04T05:06:07Z",
		at(9999, 500*time.Millisecond):     "9999-03-04T05:06:07.500000Z",
		at(10000, 500*time.Millisecond):    "10000-03-04T05:06:07.5+00:00",
		at(294276, 0):                      "294276-03-04T05:06:07+00:00",
		at(0, 0):                           "0001-03-04T05:06:07+00:00 BC",
		at(-4712, 10*time.Microsecond):     "4713-03-04T05:06:07.00001+00:00 BC",
		9_223_371_331_200_000_000 - 1:      "294276-12-31T23:59:59.999999+00:00",
		-211_813_488_000_000_000:           "4714-11-24T00:00:00+00:00 BC",
		listing.InstantOf(time.Unix(0, 0)): "1970-01-01T00:00:00Z",
	} {
		if got := string(listing.AppendInstant(nil, m)); got != want {
			t.Errorf("%d is %s, want %s", m, got, want)
		}
		if listing.Finite(m) && listing.InstantOf(listing.TimeOf(m)) != m {
			t.Errorf("%d is %d there and back", m, listing.InstantOf(listing.TimeOf(m)))
		}
	}
}

func TestDaysAndMoments(t *testing.T) {
	t.Parallel()
	for day, want := range map[int64]string{
		listing.Infinity: "infinity", listing.LongAgo: "-infinity", 0: "2000-01-01", -1: "1999-12-31", 59: "2000-02-29",
		-730_119: "0001-01-01", -730_120: "0001-12-31 BC", 2_921_939: "9999-12-31", 2_921_940: "10000-01-01",
		2_145_031_948: "5874897-12-31", -2_451_545: "4714-11-24 BC",
	} {
		if got := string(listing.AppendDay(nil, day)); got != want {
			t.Errorf("day %d is %s, want %s", day, got, want)
		}
	}
	for moment, want := range map[int64]string{
		listing.Infinity: "infinity", listing.LongAgo: "-infinity", 0: "2000-01-01T00:00:00", -1: "1999-12-31T23:59:59.999999",
		500_000: "2000-01-01T00:00:00.500000", -211_813_488_000_000_000: "4714-11-24T00:00:00 BC",
		9_223_371_331_200_000_000 - 1: "294276-12-31T23:59:59.999999",
	} {
		if got := string(listing.AppendMoment(nil, moment)); got != want {
			t.Errorf("moment %d is %s, want %s", moment, got, want)
		}
	}
}

// Values that are shown differently are different, also where PostgreSQL takes them for equal.
func TestDifferences(t *testing.T) {
	t.Parallel()
	table := listingtest.Properties()
	nan := listingtest.Property(0, "latitude", "NaN")
	zero := listingtest.Property(0, "latitude", 0)
	minus := listingtest.Property(0, "latitude", "-0")
	absent, titled := listingtest.Property(0), listingtest.Property(0, "latitude", "NaN", "title", "x")
	for _, p := range []*listing.Row{&nan, &zero, &minus, &absent, &titled} {
		for _, q := range []*listing.Row{&nan, &zero, &minus, &absent, &titled} {
			if (p.Differences(q, table.AllColumns()) == 0) != (p == q) {
				t.Errorf("%+v and %+v differ in %b", *p, *q, p.Differences(q, table.AllColumns()))
			}
		}
	}
	title, latitude := listing.ColumnSet(table.Column("title")), listing.ColumnSet(table.Column("latitude"))
	if got := titled.Differences(&absent, table.AllColumns()); got != title|latitude {
		t.Errorf("they differ in %b", got)
	}
	if got := titled.Differences(&absent, latitude); got != latitude {
		t.Errorf("they differ in %b of %b", got, latitude)
	}
}

// The mean of whole numbers has two decimals, and fits.
func TestMeanColumn(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	for name, test := range map[string]struct {
		form  listing.Form
		scale int
		most  listing.Value
		shown string
	}{
		"small": {listing.Decimal, 2, listing.Value{Number: math.MaxInt16 * 100}, "32767"},
		"whole": {listing.Decimal, 2, listing.Value{Number: math.MinInt32 * 100}, "-2147483648"},
		"big":   {listing.Spelled, 0, listing.Value{Text: "9223372036854775807.00"}, "9223372036854775807.00"},
		"exact": {listing.Decimal, 3, listing.Value{Number: 999_999_999_999}, "999999999.999"},
		"wide":  {listing.Spelled, 0, listing.Value{Text: "1.5"}, "1.5"},
	} {
		c := every.Columns[every.Column(name)].MeanColumn()
		if c.Form != test.form || c.Scale != test.scale || !c.Holds(test.most) || c.Spell(test.most) != test.shown || c.Name != name {
			t.Errorf("the mean of %s is %+v, %s", name, c, c.Spell(test.most))
		}
	}
}

// Elements of a captured array are found whatever stands around them.
func TestElements(t *testing.T) {
	t.Parallel()
	table := listingtest.Every()
	array := func(c *listing.Column, elements ...string) string {
		var b []byte
		for _, e := range elements {
			b = c.AppendElement(b, listingtest.Value(c.Element, e).V)
		}
		return string(b)
	}
	long := string(slices.Repeat([]byte("long "), 100))
	for _, test := range []struct {
		column, filter string
		elements       []string
		want           bool
	}{
		{"tags", "tags=red", nil, false},
		{"tags", "tags=red", []string{"green", "red"}, true},
		{"tags", "tags=green,red", []string{"green", "red", "red"}, true},
		{"tags", "tags=green,red", []string{"red", "red"}, false},
		{"tags", "tags=red", []string{"Red", "re", "redd", "", "\x03red", "a\x03red"}, false},
		{"tags", "tags=red", []string{long, "red"}, true},
		{"tags", "tags=red", []string{"x", long}, false},
		{"numbers", "numbers=10", []string{"1", "0", "100"}, false},
		{"numbers", "numbers=10", []string{"-5", "10"}, true},
		{"amounts", "amounts=1.5", []string{"1.50"}, true},
		{"amounts", "amounts=1.5", []string{"NaN", "15"}, false},
		{"floats", "floats=0", []string{"-0"}, true},
		{"floats", "floats=0", []string{"NaN", "Infinity"}, false},
		{"conditions", "conditions=worn", []string{"new", "worn"}, true},
		{"uids", "uids=123e4567-e89b-12d3-a456-426614174000", []string{"123e4567-e89b-12d3-a456-426614174000"}, true},
	} {
		c := &table.Columns[table.Column(test.column)]
		q, err := table.Site.Parse("every/summary?" + test.filter)
		if err != nil {
			t.Fatal(err)
		}
		row := table.NewRow()
		row.Set(c.Number, text(array(c, test.elements...)))
		if got := q.Filter.Match(table, &row); got != test.want {
			t.Errorf("%s in %.50q: %v", test.filter, test.elements, got)
		}
	}
	damaged := table.NewRow()
	tags := &table.Columns[table.Column("tags")]
	f := listing.Filter{{Parameter: slices.IndexFunc(table.Parameters, func(p description.Parameter) bool { return p.Name == "tags" }), Values: []listing.Value{{Text: "red"}}}}
	for _, bytes := range []string{"\x04red", "\xff", "\xff\xff\xff\xff\xff\xff", "\x80", "\xff\xff\xff\xff\x7fred"} {
		damaged.Set(tags.Number, text(bytes))
		if f.Match(table, &damaged) {
			t.Errorf("%q has red", bytes)
		}
	}
}
