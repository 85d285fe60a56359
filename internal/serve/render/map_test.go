package render_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// mapped is a pin of a page's map.
type mapped struct{ x, y float64 }

// readMap returns a page's pins by the ids of the cards that they lead to, and the size of the drawing.
// Each card that leads to a pin is one that the pin leads to.
func readMap(t failer, body []byte) (pins map[string]mapped, width, height float64) {
	page, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	pins = map[string]mapped{}
	cards := map[string]string{} // the pins that they lead to
	back := map[string]string{}
	for n := range page.Descendants() {
		class, _ := attribute(n, "class")
		id, _ := attribute(n, "id")
		href, _ := attribute(n, "href")
		switch {
		case n.Data == "svg":
			if box, ok := attribute(n, "viewBox"); ok && n.Parent.Data == "div" {
				if _, err := fmt.Sscanf(box, "0 0 %g %g", &width, &height); err != nil {
					t.Errorf("viewBox %s: %v", box, err)
				}
			}
		case class == "pin":
			p := mapped{x: math.NaN()}
			for inner := range n.Descendants() {
				if inner.Data == "circle" {
					x, _ := attribute(inner, "cx")
					y, _ := attribute(inner, "cy")
					p.x, _ = strconv.ParseFloat(x, 64)
					p.y, _ = strconv.ParseFloat(y, 64)
				}
			}
			pins[href[1:]], back[href[1:]] = p, id
		case class == "card" && id != "":
			for inner := range n.Descendants() {
				if to, _ := attribute(inner, "href"); strings.HasPrefix(to, "#pin-") {
					cards[id] = to[1:]
				}
			}
		}
	}
	if len(cards) != len(pins) {
		t.Errorf("%d cards lead to %d pins", len(cards), len(pins))
	}
	for card, to := range cards {
		if back[card] != to {
			t.Errorf("card %s leads to %s, which leads elsewhere", card, to)
		}
	}
	return pins, width, height
}

// Every row of a page whose place is known has a pin on its map, inside the drawing, north above south,
// west left of east, and as far from the others, in both directions, as it is on earth.
func TestMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Near one another, or all over the world.
		span := rapid.SampledFrom([]float64{0, 0.0001, 0.1, 3, 89}).Draw(t, "span")
		places := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]float64 {
			return [2]float64{rapid.Float64Range(-span, span).Draw(t, "latitude"), 2 * rapid.Float64Range(-span, span).Draw(t, "longitude")}
		}), 0, 6).Draw(t, "places")
		qs := listing.Queryset{Query: listingtest.Query("properties?limit=10"), Items: []listing.Row{listingtest.Property(100)}} // of no place
		for i, p := range places {
			qs.Items = append(qs.Items, listingtest.Property(i+1, "latitude", strconv.FormatFloat(p[0], 'f', -1, 64), "longitude", strconv.FormatFloat(p[1], 'f', -1, 64)))
		}
		_, body := render.Body(render.HTML, qs)
		pins, width, height := readMap(t, body)
		if len(pins) != len(places) {
			t.Fatalf("%d pins of %d places", len(pins), len(places))
		}
		middle := 0.0
		if len(places) > 0 {
			south, north := places[0][0], places[0][0]
			for _, p := range places {
				south, north = min(south, p[0]), max(north, p[0])
			}
			middle = (south + north) / 2
		}
		shrink := math.Cos(middle * math.Pi / 180)
		var scale float64 // units for each degree of latitude
		for i, p := range places {
			pin := pins[fmt.Sprintf("row-%d", i+1)]
			if !(pin.x >= 0 && pin.x <= width && pin.y >= 0 && pin.y <= height) {
				t.Errorf("pin %d is at %v of %v, %v", i, pin, width, height)
			}
			first := pins["row-1"]
			up, across := p[0]-places[0][0], (p[1]-places[0][1])*shrink
			for _, length := range [][2]float64{{first.y - pin.y, up}, {pin.x - first.x, across}} {
				if units, degrees := length[0], length[1]; math.Abs(units) > 40 { // they are rounded
					if degrees*units <= 0 || scale != 0 && math.Abs(units/degrees/scale-1) > 0.02 {
						t.Errorf("pin %d is %v units away for %v degrees, and another %v a degree", i, units, degrees, scale)
					}
					scale = units / degrees
				}
			}
		}
	})
}

// A map leads to the list of what is on it; one of such a list does not.
func TestInsideTheMap(t *testing.T) {
	t.Parallel()
	rows := []listing.Row{listingtest.Property(1, "latitude", "38.5", "longitude", "-121.5"), listingtest.Property(2, "latitude", "38.7", "longitude", "-121.1")}
	render1 := func(text string) string {
		_, body := render.Body(render.HTML, listing.Queryset{Query: listingtest.Query(text), Items: rows})
		return string(body)
	}
	_, rest, found := strings.Cut(render1("properties?city=GALT&sort=price"), `<p class="inside-map"><a href="`)
	href, _, _ := strings.Cut(rest, `"`)
	if !found || !strings.HasPrefix(href, "/?city=GALT&amp;bbox=-121.5") || !strings.HasSuffix(href, "&amp;sort=price") {
		t.Errorf("the map leads to %s", href)
	}
	q, err := listingtest.Site().Parse("properties" + strings.ReplaceAll(strings.TrimPrefix(href, "/"), "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if !q.Filter[1:].Match(q.Table, &rows[i]) {
			t.Errorf("row %d is not inside %s", i+1, href)
		}
	}
	if strings.Contains(render1(q.String()), "inside-map") {
		t.Error("a map of what is inside leads to what is inside")
	}
	if strings.Contains(render1("properties?city=GALT"), "<img") {
		t.Error("the map has pictures")
	}
}
