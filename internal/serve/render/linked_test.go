package render_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// siteAt returns listingtest's site as it is at an address, "" for one that is not known.
func siteAt(t *testing.T, address string) *listing.Site {
	t.Helper()
	d, err := description.Decode(listingtest.Site().Description.Encode())
	if err != nil {
		t.Fatal(err)
	}
	d.Site.URL = address
	return listing.NewSite(d)
}

// head is what machines read in a page.
type head struct {
	canonical string
	graph     map[string]string
	linked    map[string]any
}

func readHead(t *testing.T, body []byte) (h head) {
	t.Helper()
	page, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	h.graph = map[string]string{}
	for n := range page.Descendants() {
		href, _ := attribute(n, "href")
		property, _ := attribute(n, "property")
		content, _ := attribute(n, "content")
		switch rel, _ := attribute(n, "rel"); {
		case n.Data == "link" && rel == "canonical":
			h.canonical = href
		case n.Data == "meta" && property != "":
			h.graph[property] = content
		case n.Data == "script" && n.FirstChild != nil:
			if err := json.Unmarshal([]byte(n.FirstChild.Data), &h.linked); err != nil {
				t.Fatalf("%v in %s", err, n.FirstChild.Data)
			}
		}
	}
	return h
}

// Where a site says where it is, its pages give their addresses in full; else they leave out what needs
// that.
func TestAddressesInFull(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "https://homes.example"} {
		site := siteAt(t, address)
		table := site.Table("properties")
		q := table.RowQuery(listing.Value{Number: 17})
		r := listingtest.Property(17, "title", "A </script> house", "price", "12.50", "latitude", "38.5", "longitude", "-121.25", "bedrooms", 3)
		_, body := render.Body(render.HTML, listing.Queryset{Query: q, Items: []listing.Row{r}})
		h := readHead(t, body)
		if h.canonical != address+"/properties/17" || h.graph["og:title"] != "A </script> house, $12.50" || h.graph["og:locale"] != "en_US" || h.graph["og:site_name"] != "Freshlist" {
			t.Errorf("at %q: canonical %s, graph %v", address, h.canonical, h.graph)
		}
		if url, ok := h.graph["og:url"]; ok != (address != "") || ok && url != h.canonical {
			t.Errorf("at %q: og:url %s", address, url)
		}
		geo, _ := h.linked["geo"].(map[string]any)
		offer, _ := h.linked["offers"].(map[string]any)
		if h.linked["name"] != "A </script> house" || h.linked["url"] != h.canonical || geo["latitude"] != 38.5 || geo["longitude"] != -121.25 ||
			offer["price"] != 12.5 || offer["priceCurrency"] != "USD" {
			t.Errorf("at %q: JSON-LD %v", address, h.linked)
		}
		properties, _ := h.linked["additionalProperty"].([]any)
		if !slices.ContainsFunc(properties, func(p any) bool {
			m, _ := p.(map[string]any)
			return m["name"] == "Bedrooms" && m["value"] == 3.0
		}) {
			t.Errorf("at %q: the properties are %v", address, properties)
		}

		list, err := site.Parse("properties?city=GALT&limit=5")
		if err != nil {
			t.Fatal(err)
		}
		_, body = render.Body(render.HTML, listing.Queryset{Query: list, Items: []listing.Row{r}})
		h = readHead(t, body)
		items, _ := h.linked["itemListElement"].([]any)
		if h.canonical != address+"/?city=GALT&limit=5" || h.linked["@type"] != "ItemList" || len(items) != 1 {
			t.Fatalf("at %q: canonical %s, JSON-LD %v", address, h.canonical, h.linked)
		}
		if item, _ := items[0].(map[string]any); item["url"] != address+"/properties/17" || item["position"] != 1.0 {
			t.Errorf("at %q: the item is %v", address, item)
		}
	}
}

// Pictures are named where the site is known, for whoever shows them elsewhere.
func TestPicturesInPreviews(t *testing.T) {
	t.Parallel()
	for _, s := range render.Samples(render.SampleSite()) {
		if s.Queryset.Query.Kind != listing.RowKind || len(s.Queryset.Items) == 0 {
			continue
		}
		_, body := render.Body(render.HTML, s.Queryset)
		h := readHead(t, body)
		if src, ok := h.graph["og:image"]; ok && !strings.HasPrefix(src, "http") {
			t.Errorf("%s: a preview would show %s", s.Name, src)
		}
	}
}
