package render

import (
	"encoding/json"
	"html/template"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// What machines read in a page: the Open Graph for previews of links, and JSON-LD in the words of
// schema.org for search engines. Both are made of the parts that the description gives columns: what a
// row is called, its text, its pictures, its place, its amount of money. What else a page says of a row
// is a property with a name.

// meta is a property of the Open Graph.
type meta struct{ Property, Content string }

// absolute returns an address in full: one of this site only if it is known where that is.
func absolute(s *listing.Site, address string) string {
	if strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") {
		if s.Description.Site.URL == "" {
			return ""
		}
		return s.Description.Site.URL + address
	}
	return address
}

// fullest returns an address in full if it can be, and else as it is.
func fullest(s *listing.Site, address string) string {
	if full := absolute(s, address); full != "" {
		return full
	}
	return address
}

// publish says where the page is, and what a preview of a link to it shows.
func (d *document) publish(s *listing.Site, path string, picture *image) {
	d.Canonical = fullest(s, path)
	d.Graph = []meta{
		{"og:type", "website"},
		{"og:site_name", d.Site},
		{"og:title", d.Title},
		{"og:description", d.Description},
		{"og:locale", strings.ReplaceAll(s.Description.Site.Locale, "-", "_")},
		{"og:url", absolute(s, path)},
	}
	if picture != nil {
		d.Graph = append(d.Graph, meta{"og:image", absolute(s, picture.Src)}, meta{"og:image:alt", picture.Alt})
	}
	shown := d.Graph[:0]
	for _, m := range d.Graph {
		if m.Content != "" {
			shown = append(shown, m)
		}
	}
	d.Graph = shown
}

// linkedThing is a row in the words of schema.org.
type linkedThing struct {
	Context     string           `json:"@context"`
	Type        any              `json:"@type"`
	Name        string           `json:"name,omitempty"`
	Description string           `json:"description,omitempty"`
	URL         string           `json:"url,omitempty"`
	Image       []string         `json:"image,omitempty"`
	Geo         *linkedPlace     `json:"geo,omitempty"`
	Offers      *linkedOffer     `json:"offers,omitempty"`
	Properties  []linkedProperty `json:"additionalProperty,omitempty"`
}

type linkedPlace struct {
	Type      string          `json:"@type"`
	Latitude  json.RawMessage `json:"latitude"`
	Longitude json.RawMessage `json:"longitude"`
}

type linkedOffer struct {
	Type     string          `json:"@type"`
	Price    json.RawMessage `json:"price"`
	Currency string          `json:"priceCurrency"`
}

type linkedProperty struct {
	Type  string `json:"@type"`
	Name  string `json:"name"`
	Value any    `json:"value"`
	Unit  string `json:"unitText,omitempty"`
}

// linkedList is a page of a list.
type linkedList struct {
	Context string       `json:"@context"`
	Type    string       `json:"@type"`
	Name    string       `json:"name"`
	Items   []linkedItem `json:"itemListElement"`
}

type linkedItem struct {
	Type     string `json:"@type"`
	Position int    `json:"position"`
	Name     string `json:"name"`
	URL      string `json:"url,omitempty"`
}

const schemaOrg = "https://schema.org"

// linkRow says what the page of a row says.
func linkRow(q *listing.Query, r *listing.Row, page *rowPage) template.JS {
	t := q.Table
	thing := linkedThing{Context: schemaOrg, Name: page.Heading, URL: fullest(t.Site, "/"+q.String())}
	if len(page.Texts) > 0 {
		thing.Description = page.Texts[0].Text
	}
	if page.Picture != nil {
		thing.Image = append(thing.Image, fullest(t.Site, page.Picture.Src))
	}
	for _, inside := range page.Insides {
		for _, row := range inside.Rows {
			if inside.Gallery && row.Picture != nil {
				thing.Image = append(thing.Image, fullest(t.Site, row.Picture.Src))
			}
		}
	}
	var types []string
	if n := headline(t); n >= 0 {
		types = append(types, "Product")
		if c := &t.Columns[n]; !r.Null(n) && isNumber(c) && json.Valid(appendValue(nil, c, &r.Values[n])) {
			thing.Offers = &linkedOffer{"Offer", appendValue(nil, c, &r.Values[n]), t.Site.Description.Site.Currency}
		}
	}
	if page.MapHref != "" {
		types = append(types, "Place")
		latitude, _ := degrees(t, r, t.Place.Latitude, 90)
		longitude, _ := degrees(t, r, t.Place.Longitude, 180)
		thing.Geo = &linkedPlace{"GeoCoordinates", appendFloat(nil, latitude), appendFloat(nil, longitude)}
	}
	switch len(types) {
	case 0:
		thing.Type = "Thing"
	case 1:
		thing.Type = types[0]
	default:
		thing.Type = types
	}
	if len(types) > 0 { // a mere Thing has no further properties
		thing.Properties = linkedProperties(t, r)
	}
	return linked(thing)
}

// linkedProperties are the facts that a page says of a row, and its badges.
func linkedProperties(t *listing.Table, r *listing.Row) (all []linkedProperty) {
	for _, n := range t.Item {
		c := &t.Columns[n]
		if r.Null(n) || spoken(t, c) && c.Show != showBadge || isPicture(c) || c.Show == showParagraph {
			continue
		}
		p := linkedProperty{Type: "PropertyValue", Name: label(c), Unit: c.Unit}
		switch {
		case isNumber(c), c.Form == listing.Truth:
			p.Value = json.RawMessage(appendValue(nil, c, &r.Values[n]))
		case isTime(c):
			p.Value = machineTime(c, r.Values[n])
		default:
			p.Value = printed(t, c, r.Values[n])
		}
		if p.Value != "" {
			all = append(all, p)
		}
	}
	return all
}

// linkList says what is on the page of a list.
func linkList(t *listing.Table, page *listPage) template.JS {
	list := linkedList{Context: schemaOrg, Type: "ItemList", Name: page.Heading, Items: []linkedItem{}}
	for i := range page.Items {
		item := linkedItem{Type: "ListItem", Position: i + 1, Name: page.Items[i].Title}
		if href := page.Items[i].Href; href != "" {
			item.URL = fullest(t.Site, href)
		}
		list.Items = append(list.Items, item)
	}
	return linked(list)
}

// linked spells a value as it can stand in a script element: encoding/json leaves no < in it.
func linked(v any) template.JS {
	b, err := json.Marshal(v)
	if err != nil {
		panic("render: " + err.Error())
	}
	return template.JS(b)
}
