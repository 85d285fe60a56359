package render

import (
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// chart is a map of a page's rows: a drawing of where they are, with degrees and a scale, and
// nothing from elsewhere. Each row has a pin, which leads to its card, and the card leads to it.
type chart struct {
	Width, Height int // of the drawing, in its own units
	Lines         []chartLine
	Pins          []pin
	Bar           chartBar
	Inside        string // address of the same list within the map; none, if it is that already
}

// chartLine is a line of equal latitude or longitude.
type chartLine struct {
	X1, Y1, X2, Y2 string
	X, Y           string // where its Text stands
	Text           string
	Upright        bool // of equal longitude
}

// chartBar is a length on the map.
type chartBar struct{ X1, X2, Y, Text string }

// pin is a row on the map.
type pin struct {
	ID, Href string
	Number   int // of the row on the page, from 1
	Name     string
	X, Y     string
}

// The size of maps, in their own units.
const (
	chartWidth, chartMargin    = 640, 28
	leastHeight, greatestChart = 240, 420
	leastSpan                  = 0.01 // degrees: about a kilometre
	kilometresOfADegree        = 111.32
	kilometresOfAMile          = 1.609344
	mostLines                  = 4 // of one direction
)

// area is what a map shows, in degrees, and how large a degree is drawn.
type area struct {
	listing.Box
	x, y          float64 // units for each degree
	width, height float64 // of the drawing
}

// newChart returns a map of the rows of a page; nil, if lists do not show where rows are, or if it is
// known of none. It gives the cards of rows on the map their number, and the address of their pin.
func newChart(qs *listing.Queryset, cards []card) *chart {
	q := &qs.Query
	t := q.Table
	if t.Place == nil || !t.ListColumns.Has(t.Place.Latitude) || !t.ListColumns.Has(t.Place.Longitude) {
		return nil
	}
	var at []listing.Box // of no size
	var rows []int
	for i := range qs.Items {
		latitude, ok1 := degrees(t, &qs.Items[i], t.Place.Latitude, 90)
		longitude, ok2 := degrees(t, &qs.Items[i], t.Place.Longitude, 180)
		if ok1 && ok2 {
			at, rows = append(at, listing.Box{West: longitude, South: latitude, East: longitude, North: latitude}), append(rows, i)
		}
	}
	if len(at) == 0 {
		return nil
	}
	box, given := boxOf(q)
	if !given {
		box = around(at)
	}
	a := newArea(box)
	made := &chart{Width: chartWidth, Height: int(a.height), Lines: a.lines(), Bar: a.bar(t.Site.Description.Site.Locale)}
	ids := map[string]bool{} // one of a page names one thing
	for n, i := range rows {
		x, y := a.left(at[n].West), a.top(at[n].North)
		if x < 0 || x > a.width || y < 0 || y > a.height {
			continue
		}
		key := url.PathEscape(t.KeyColumn().Spell(qs.Items[i].Values[t.Key]))
		if ids[key] {
			continue
		}
		ids[key] = true
		c := &cards[i]
		c.ID, c.Pin, c.Number = "row-"+key, "#pin-"+key, i+1
		name := c.Title
		if c.Headline != "" {
			name += ", " + c.Headline
		}
		made.Pins = append(made.Pins, pin{
			ID: "pin-" + key, Href: "#row-" + key, Number: i + 1, Name: name, X: units(x), Y: units(y),
		})
	}
	if !given {
		made.Inside = insideOf(q, a.Box)
	}
	return made
}

// boxOf returns the rectangle that a filter asks for.
func boxOf(q *listing.Query) (listing.Box, bool) {
	for _, c := range q.Filter {
		if q.Table.Parameters[c.Parameter].Kind == description.BBox {
			return c.Box, true
		}
	}
	return listing.Box{}, false
}

// insideOf is the address of the same list with what is in a rectangle only; nothing, if lists cannot
// be asked for one.
func insideOf(q *listing.Query, box listing.Box) string {
	values := parameters(q)
	values.Del("cursor")
	degree := func(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }
	values.Set(description.ParamBBox, strings.Join([]string{degree(box.West), degree(box.South), degree(box.East), degree(box.North)}, ","))
	asked, faults := q.Table.ParsePage(values, listing.Strict)
	if len(faults) > 0 {
		return ""
	}
	return address(&asked)
}

// around returns the least rectangle with some places in it.
func around(at []listing.Box) listing.Box {
	box := at[0]
	for _, p := range at[1:] {
		box.West, box.East = min(box.West, p.West), max(box.East, p.East)
		box.South, box.North = min(box.South, p.South), max(box.North, p.North)
	}
	return box
}

// newArea returns an area with a rectangle in it, with room for the pins on its edges, and as much more as the
// drawing's shape needs. Degrees of longitude are drawn as long as they are in the middle of it.
func newArea(box listing.Box) area {
	middle := (box.South + box.North) / 2
	shrink := max(math.Cos(middle*math.Pi/180), 0.05)
	across, up := max((box.East-box.West)*shrink, leastSpan), max(box.North-box.South, leastSpan)
	a := area{width: chartWidth}
	a.y = (chartWidth - 2*chartMargin) / across
	a.height = up*a.y + 2*chartMargin
	switch {
	case a.height > greatestChart:
		a.height = greatestChart
		a.y = (greatestChart - 2*chartMargin) / up
	case a.height < leastHeight:
		a.height = leastHeight
	}
	a.height = math.Round(a.height)
	a.x = a.y * shrink
	centre := (box.West + box.East) / 2
	a.Box = listing.Box{
		West: centre - a.width/2/a.x, East: centre + a.width/2/a.x, South: middle - a.height/2/a.y, North: middle + a.height/2/a.y,
	}
	return a
}

func (a *area) left(longitude float64) float64 { return (longitude - a.West) * a.x }
func (a *area) top(latitude float64) float64   { return (a.North - latitude) * a.y }

// lines are those of a few round numbers of degrees.
func (a *area) lines() (lines []chartLine) {
	right, bottom := units(a.width), units(a.height)
	step, decimals := roundStep((a.North - a.South) / mostLines)
	for n := math.Ceil(a.South / step); n*step < a.North; n++ {
		if y := a.top(n * step); math.Abs(n*step) <= 90 && y > 14 {
			lines = append(lines, chartLine{X1: "0", Y1: units(y), X2: right, Y2: units(y), X: "4", Y: units(y - 4), Text: compass(n*step, decimals, "N", "S")})
		}
	}
	step, decimals = roundStep((a.East - a.West) / mostLines)
	for n := math.Ceil(a.West / step); n*step < a.East; n++ {
		if x := a.left(n * step); math.Abs(n*step) <= 180 && x < a.width-60 {
			lines = append(lines, chartLine{X1: units(x), Y1: "0", X2: units(x), Y2: bottom, X: units(x + 4), Y: units(a.height - 5), Text: compass(n*step, decimals, "E", "W"), Upright: true})
		}
	}
	return lines
}

// bar is a round length of at most a quarter of the map's width, in what people of a locale measure ways in.
func (a *area) bar(locale string) chartBar {
	unit, size := "km", 1.0
	for _, region := range []string{"-US", "-GB", "-LR", "-MM"} {
		if strings.HasSuffix(locale, region) {
			unit, size = "mi", kilometresOfAMile
		}
	}
	perUnit := kilometresOfADegree / a.y / size
	length, decimals := roundStep(a.width / 4 * perUnit / 2.5) // rounds up to at most 2.5 times as much
	x2, y := a.width-10, 14.0
	return chartBar{X1: units(x2 - length/perUnit), X2: units(x2), Y: units(y), Text: strconv.FormatFloat(length, 'f', decimals, 64) + "\u00a0" + unit}
}

// roundStep returns the least of 1, 2, 5, 10, 20 and so on, and 0.5, 0.2 and so on, that is not below a
// size, and how many decimals it has.
func roundStep(size float64) (step float64, decimals int) {
	power := math.Floor(math.Log10(size))
	step = math.Pow(10, power)
	for _, times := range []float64{2, 2.5, 2} {
		if step >= size*(1-1e-9) {
			break
		}
		step *= times
	}
	return step, max(0, -int(math.Floor(math.Log10(step)+1e-9)))
}

// compass writes a number of degrees: 38.5° N.
func compass(degrees float64, decimals int, plus, minus string) string {
	half := plus
	if degrees < 0 {
		degrees, half = -degrees, minus
	}
	return strconv.FormatFloat(degrees, 'f', decimals, 64) + "°\u00a0" + half
}

// units spells a number of the drawing's units.
func units(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10+0, 'f', -1, 64)
}
