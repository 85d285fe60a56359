package listingtest

import (
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// Values come mostly from small sets, so that equal sort keys, the edges of ranges and boxes,
// and NULLs meet often. For the columns of properties there are sets of their own.

// Values generates values of a column that a filter can ask for; of an array, values of its
// elements.
func Values(table *listing.Table, column int) *rapid.Generator[listing.Value] {
	return rapid.SampledFrom(usual(table, column))
}

// StoredValues generates values that a column can hold, as they are captured: those that
// filters ask for mostly, and now and then one that nobody expects, or that only a table can
// have whose checks were dropped.
func StoredValues(table *listing.Table, column int) *rapid.Generator[listing.Value] {
	c := &table.Columns[column]
	if c.Element == nil {
		return often(usual(table, column), odd(c))
	}
	element := often(usual(table, column), odd(c.Element))
	return rapid.Custom(func(t *rapid.T) listing.Value {
		var array []byte
		for _, v := range rapid.SliceOfN(element, 0, 4).Draw(t, "elements") {
			array = c.AppendElement(array, v)
		}
		return listing.Value{Text: string(array)}
	})
}

// shownValues generates values as answers have them.
func shownValues(table *listing.Table, column int) *rapid.Generator[listing.Value] {
	if table.Columns[column].Form == listing.JSON {
		return texts("[]", `["a", null]`, `{"a": 1.50}`, "null", `"x"`)
	}
	return StoredValues(table, column)
}

// formValues generates values by the form of a column only.
func formValues(c *listing.Column) *rapid.Generator[listing.Value] { return often(usualOf(c), odd(c)) }

func often(usual, odd []listing.Value) *rapid.Generator[listing.Value] {
	g := rapid.SampledFrom(usual)
	if len(odd) == 0 {
		return g
	}
	return rapid.OneOf(g, g, g, rapid.SampledFrom(odd))
}

func texts(values ...string) *rapid.Generator[listing.Value] {
	return rapid.SampledFrom(textValues(values...))
}

func textValues(values ...string) (list []listing.Value) {
	for _, v := range values {
		list = append(list, listing.Value{Text: v})
	}
	return list
}

func numberValues(values ...int64) (list []listing.Value) {
	for _, v := range values {
		list = append(list, listing.Value{Number: v})
	}
	return list
}

func floatValues(values ...float64) (list []listing.Value) {
	for _, v := range values {
		list = append(list, listing.Value{Number: listing.FloatNumber(v)})
	}
	return list
}

// The degrees of boxes, and those of rows.
var (
	latitudes  = []float64{-90, -0.5, 0, 38.5, 38.500000000000007, 38.75, 90}
	longitudes = []float64{-180, -121.5, -121.25, 0, 1e-7, 121.25, 180}
)

// usual returns the values of a column that filters ask for; of an array, of its elements.
func usual(table *listing.Table, column int) []listing.Value {
	c := &table.Columns[column]
	if c.Element != nil {
		c = c.Element
	}
	if c.Form == listing.Float && table.Place != nil {
		switch column {
		case table.Place.Latitude:
			return floatValues(latitudes...)
		case table.Place.Longitude:
			return floatValues(longitudes...)
		}
	}
	if keys := joinedKeys(table, column); keys != nil {
		return keys
	}
	if table.Name == "properties" {
		if own := usualOfProperties(c.Name); own != nil {
			return own
		}
	}
	return usualOf(c)
}

// joinedKeys returns the keys that a column usually holds, if rows are joined by it.
func joinedKeys(table *listing.Table, column int) []listing.Value {
	for _, outer := range table.Site.Tables {
		for i := range outer.Joins {
			j := &outer.Joins[i]
			holder, target := outer, j.Inner
			if j.Many {
				holder, target = j.Inner, outer
			}
			switch {
			case holder != table || j.By.Number != column:
			case target.KeyColumn().Form == listing.Whole:
				return numberValues(1, 2, 3, 4)
			default:
				return usual(target, target.Key)
			}
		}
	}
	return nil
}

func usualOfProperties(column string) []listing.Value {
	switch column {
	case "city":
		return textValues("FOLSOM", "folsom", "ELK_GROVE", "GALT", "Älmhult & 100% +=?#", " ")
	case "postal_code":
		return textValues("95630", "95624", "95757")
	case "property_type":
		return textValues("Residential", "Condo", "Multi_Family")
	case "status":
		return textValues("for_sale", "pending", "sold")
	case "price":
		return numberValues(0, 1, 499_99, 500_00, 500_01, 500_50, 1000_00, 99_999_999_999_999)
	case "bedrooms":
		return numberValues(0, 1, 2, 3, 4, math.MaxInt16)
	case "bathrooms":
		return numberValues(0, 10, 15, 20, 25, 999)
	case "living_area":
		return numberValues(1, 500, 900, 901, math.MaxInt32)
	case "created_at", "updated_at":
		return numberValues(-2_000_000_000, -1, 0, 1, 1_210_809_600_000_000, 1_210_809_600_000_001)
	}
	return nil
}

// usualOf returns values that a filter can ask for, by the form of a column.
func usualOf(c *listing.Column) []listing.Value {
	switch c.Form {
	case listing.Whole:
		_, greatest := limits(c)
		return numberValues(0, 1, 2, 3, 900, greatest)
	case listing.Decimal:
		_, greatest := limits(c)
		unit := power(c.Scale)
		return within(c, numberValues(0, 1, unit-1, unit, unit+1, 2*unit, greatest))
	case listing.Float:
		return floatValues(0, 1, 1.5, 0.1, -2, 1e15)
	case listing.Truth:
		return numberValues(0, 1)
	case listing.Label:
		var list []listing.Value
		for i, label := range c.Type.Labels {
			if label != "" && !slices.Contains([]rune(label), ',') {
				list = append(list, numberValues(int64(i))...)
			}
		}
		return list
	case listing.Day:
		return numberValues(-730_119, -1, 0, 1, 8_900, 2_921_939) // of the years 1 and 9999, too
	case listing.Moment, listing.Instant:
		return numberValues(-2_000_000_000, -1, 0, 1, 1_210_809_600_000_000, 1_210_809_600_500_000)
	case listing.UUID:
		return textValues("00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174001")
	case listing.Spelled:
		if c.Type.Kind == description.Char {
			return textValues("a", "A", "bc")
		}
		if c.Type.Precision > 0 { // numeric(5,-2)
			return textValues("0", "100", "200", "1000")
		}
		return textValues("0", "1", "1.5", "2", "1000")
	}
	return textValues("red", "Red", "green", "ä b", " ")
}

// odd returns values that nobody expects and a column can hold.
func odd(c *listing.Column) []listing.Value {
	switch c.Form {
	case listing.Whole:
		least, _ := limits(c)
		return numberValues(-1, 0, least, least+1)
	case listing.Decimal:
		least, _ := limits(c)
		return within(c, numberValues(listing.NaN, -1, -5, least))
	case listing.Float:
		return floatValues(
			math.NaN(), math.Inf(+1), math.Inf(-1), math.Copysign(0, -1), math.MaxFloat64, -math.MaxFloat64,
			math.SmallestNonzeroFloat64, 90.00000000000001, -180.00000000000003,
		)
	case listing.Label:
		var all []listing.Value
		for i := range c.Type.Labels {
			all = append(all, numberValues(int64(i))...)
		}
		return all
	case listing.Day:
		return numberValues(listing.Infinity, listing.LongAgo, -2_451_545, 2_145_031_948, 2_921_940, -730_120)
	case listing.Moment, listing.Instant:
		return numberValues(
			listing.Infinity, listing.LongAgo,
			-211_813_488_000_000_000,           // 4714 BC, the first
			9_223_371_331_200_000_000-1,        // 294276, the last
			listing.InstantOf(year(10_000)),    //
			listing.InstantOf(year(10_000))-1,  //
			listing.InstantOf(year(1)),         //
			listing.InstantOf(year(1))-1,       // 1 BC
			listing.InstantOf(year(-1999))+250, //
		)
	case listing.UUID:
		return textValues("ffffffff-ffff-ffff-ffff-ffffffffffff", "80000000-0000-0000-0000-000000000000")
	case listing.Words:
		odd := textValues("", "\n", "a\r\nb\tc", "\x01\x7f", "\u2028\u2029", "e\u0301", "\uffff\U0010fffe", "🏡", `a,"'\<&>`)
		if c.Type.Kind == description.Text { // of any length; those begin alike
			odd = append(odd, textValues("the same beginning", "the same ending", "the same ")...)
		}
		return odd
	case listing.Spelled:
		switch c.Type.Kind {
		case description.Char:
			return textValues(" ", "ä", "a b", "abcd", "\n")
		case description.Real:
			return textValues("NaN", "Infinity", "-Infinity", "-0", "3.4028235e+38", "1e-45", "-1.5")
		default:
			if c.Type.Precision > 0 {
				return textValues("NaN", "-100", "9999900")
			}
			return textValues("NaN", "-1.5", "1.50", "123456789012345678901234567890.5", "0.000000000000000000000000000001")
		}
	}
	return nil
}

// limits returns the least and the greatest number that the type of a column can hold.
func limits(c *listing.Column) (least, greatest int64) {
	switch c.Type.Kind {
	case description.Smallint:
		return math.MinInt16, math.MaxInt16
	case description.Integer:
		return math.MinInt32, math.MaxInt32
	case description.Bigint:
		return math.MinInt64, math.MaxInt64
	}
	greatest = power(c.Type.Precision) - 1
	return -greatest, greatest
}

// within returns those of the values that a column can hold.
func within(c *listing.Column, values []listing.Value) []listing.Value {
	return slices.DeleteFunc(values, func(v listing.Value) bool { return !c.Holds(v) })
}

func power(n int) int64 {
	v := int64(1)
	for range n {
		v *= 10
	}
	return v
}

func year(n int) time.Time { return time.Date(n, time.January, 1, 0, 0, 0, 0, time.UTC) }
