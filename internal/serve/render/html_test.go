package render_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/render"
	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

// problems are the error pages, by the name of their golden files.
func problems() map[string]render.Problem {
	return map[string]render.Problem{
		"form": {
			Status: http.StatusBadRequest,
			Detail: "Some parameters are not right.",
			Faults: listing.Faults{
				{Name: "min_price", Detail: "must be a plain number, written in digits, with at most 2 decimals"},
				{Name: "limit", Detail: "must be a whole number from 1 to 100"},
				{Name: "cursor", Detail: "must be the cursor of a next link, unchanged"},
			},
			Entered: url.Values{
				"min_price": {"<b>"}, "limit": {"1000"}, "cursor": {"x"}, "city": {"A", "B"},
				"sort": {"-price"}, "status": {"sold", "let,,pending"}, "bbox": {"1,2,3,4"},
			},
		},
		"request": {
			Status: http.StatusBadRequest,
			Detail: "The Consistency-Token is not one.",
			Faults: listing.Faults{{Name: "Consistency-Token", Detail: "must be a number"}},
		},
		"busy":   {Status: http.StatusServiceUnavailable, Detail: "No database connection was free in time."},
		"broken": {Status: http.StatusInternalServerError},
	}
}

// Every page is sound: see checkPage.
func TestPagesAreSound(t *testing.T) {
	t.Parallel()
	for _, s := range render.Samples() {
		if s.Queryset.Query.Kind != summaryKind {
			_, body := render.Body(render.HTML, s.Queryset)
			checkPage(t, s.Name, body)
		}
	}
	for name, p := range problems() {
		checkPage(t, name, render.Error(render.HTML, p))
	}
}

// So are pages of any text.
func TestAnyPageIsSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		qs := pages().Draw(t, "page")
		_, body := render.Body(render.HTML, qs)
		checkPage(t, "listings", body)
		p := properties().Draw(t, "property")
		_, body = render.Body(render.HTML, listing.Queryset{
			Query: listing.Query{Kind: listing.PropertyKind, ID: p.ID}, Items: []listing.Property{p},
		})
		checkPage(t, "property", body)
	})
}

// checkPage holds a page to what all pages have in common: the landmarks and
// labels that people who do not see it need, nothing that the content security
// policy forbids, and links that spell queries in their one way.
func checkPage(t failer, name string, body []byte) {
	t.Helper()
	page, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c := pageChecker{failer: t, page: name, ids: set{}, labelled: set{}, count: map[string]int{}}
	c.collect(page)
	c.check(page)
	for _, element := range []string{"title", "h1", "main", "header", "footer"} {
		if c.count[element] != 1 {
			t.Errorf("%s: %d elements %s, want one", name, c.count[element], element)
		}
	}
}

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	require
	Errorf(format string, args ...any)
}

type pageChecker struct {
	failer
	page     string
	ids      set            // of all elements
	labelled set            // the ids that a label is for
	count    map[string]int // of elements by name
}

type set map[string]bool

func (c *pageChecker) collect(n *html.Node) {
	if n.Type == html.ElementNode {
		c.count[n.Data]++
		if id, ok := attribute(n, "id"); ok {
			if c.ids[id] {
				c.Errorf("%s: id %s is there twice", c.page, id)
			}
			c.ids[id] = true
		}
		if id, ok := attribute(n, "for"); ok {
			c.labelled[id] = true
		}
	}
	for child := range n.ChildNodes() {
		c.collect(child)
	}
}

func (c *pageChecker) check(n *html.Node) {
	if n.Type == html.ElementNode {
		c.element(n)
	}
	for child := range n.ChildNodes() {
		c.check(child)
	}
}

func (c *pageChecker) element(n *html.Node) {
	for _, a := range n.Attr {
		switch {
		case a.Key == "style" || strings.HasPrefix(a.Key, "on"):
			c.Errorf("%s: inline %s on %s", c.page, a.Key, n.Data)
		case a.Key == "href" || a.Key == "src" || a.Key == "data-summary":
			c.link(n, a.Val)
		case a.Key == "aria-describedby" || a.Key == "aria-labelledby":
			if !c.ids[a.Val] {
				c.Errorf("%s: %s refers to %s, which is not there", c.page, n.Data, a.Val)
			}
		}
	}
	switch n.Data {
	case "script", "style":
		if n.FirstChild != nil {
			c.Errorf("%s: inline %s", c.page, n.Data)
		}
	case "input", "select":
		kind, _ := attribute(n, "type")
		id, _ := attribute(n, "id")
		if kind != "hidden" && !c.labelled[id] && n.Parent.Data != "label" {
			c.Errorf("%s: %s %s has no label", c.page, n.Data, id)
		}
	}
}

// link checks where an address leads.
func (c *pageChecker) link(n *html.Node, address string) {
	u, err := url.Parse(address)
	if err != nil {
		c.Fatalf("%s: link %q: %v", c.page, address, err)
	}
	switch {
	case u.Host != "":
		if rel, _ := attribute(n, "rel"); u.Scheme != "https" || rel != "noreferrer" {
			c.Errorf("%s: link to %s", c.page, address)
		}
	case address[0] == '#':
		if !c.ids[u.Fragment] {
			c.Errorf("%s: link to %s, which is not there", c.page, address)
		}
	case strings.HasPrefix(u.Path, render.StaticPath):
		if status := get(address).Code; status != http.StatusOK {
			c.Errorf("%s: %s answers %d", c.page, address, status)
		}
	case u.Path == "/openapi.json":
	default:
		c.canonical(u)
	}
}

// canonical checks that a page's or the API's address holds a query's one spelling.
func (c *pageChecker) canonical(u *url.URL) {
	text := strings.TrimPrefix(strings.TrimPrefix(u.RequestURI(), "/v1"), "/")
	if u.Path == "/" {
		text = "properties" + text
	}
	if q, err := listing.Parse(text); err != nil || q.String() != text {
		c.Errorf("%s: link to %s: %v", c.page, u, err)
	}
}

func attribute(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

// What a faulty form was filled in with is there again, escaped, beside what is
// wrong with it.
func TestFaultyForm(t *testing.T) {
	t.Parallel()
	body := string(render.Error(render.HTML, problems()["form"]))
	for _, want := range []string{
		`name="min_price" value="&lt;b&gt;" autocomplete="off" aria-invalid="true" aria-describedby="fault-min_price"`,
		`<option value="1000" selected>1000</option>`,
		`name="city" value="A,B"`,
		`name="status" value="sold" checked`,
		`name="status" value="let" checked`,
		`<input type="hidden" name="bbox" value="1,2,3,4">`,
		`<input type="hidden" name="sort" value="-price">`,
		`Cursor must be the cursor of a next link`,
		`<details open>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	if strings.Contains(body, "data-summary") || strings.Contains(body, "<b>") {
		t.Error("the form asks for a summary of a faulty filter, or does not escape")
	}
}

func TestWording(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word     func(string) string
		from, to string
	}{
		{render.PlaceName, "ELK_GROVE", "Elk Grove"},
		{render.PlaceName, "FOLSOM", "Folsom"},
		{render.PlaceName, "San José", "San José"},
		{render.PlaceName, "SAN JOSÉ", "San José"},
		{render.PlaceName, "", ""},
		{render.TypeName, "Multi_Family", "Multi-Family"},
		{render.StatusName, "for_sale", "For sale"},
		{render.ParameterName, "min_price", "Minimum price"},
		{render.ParameterName, "postal_code", "Postal code"},
	} {
		if got := c.word(c.from); got != c.to {
			t.Errorf("%q reads %q, want %q", c.from, got, c.to)
		}
	}
	for cents, want := range map[int64]string{
		0:                  "$0",
		99:                 "$0.99",
		100_00:             "$100",
		999_999_50:         "$999,999.50",
		1_234_567_00:       "$1,234,567",
		999_999_999_999_99: "$999,999,999,999.99",
	} {
		if got := render.Dollars(cents); got != want {
			t.Errorf("%d cents read %s, want %s", cents, got, want)
		}
	}
}
