package render_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve/render"
	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

// problems are the error pages, by the name of their golden files.
func problems() map[string]render.Problem {
	return map[string]render.Problem{
		"form": {
			Site: listingtest.Site(), Table: listingtest.Properties(),
			Status: http.StatusBadRequest,
			Detail: "Some parameters are not right.",
			Faults: listing.Faults{
				{Name: "min_price", Detail: "must be a number with at most 2 decimals"},
				{Name: "limit", Detail: "must be a whole number from 1 to 100"},
				{Name: "cursor", Detail: "must be the cursor of a next link, unchanged"},
			},
			Entered: url.Values{
				"min_price": {"<b>"}, "limit": {"1000"}, "cursor": {"x"}, "city": {"A", "B"},
				"sort": {"-price"}, "status": {"sold", "let,,pending"}, "bbox": {"1,2,3,4"},
			},
		},
		"request": {
			Site:   listingtest.Site(),
			Status: http.StatusBadRequest,
			Detail: "The Consistency-Token is not one.",
			Faults: listing.Faults{{Name: "Consistency-Token", Detail: "must be a number"}},
		},
		"busy":   {Site: listingtest.Site(), Status: http.StatusServiceUnavailable, Detail: "No database connection was free in time."},
		"broken": {Site: listingtest.Site(), Status: http.StatusInternalServerError},
	}
}

// Every page is sound: see checkPage.
func TestPagesAreSound(t *testing.T) {
	t.Parallel()
	for _, s := range render.Samples(render.SampleSite()) {
		if s.Queryset.Query.Kind != summaryKind {
			_, body := render.Body(render.HTML, s.Queryset)
			checkPage(t, s.Queryset.Query.Table.Site, s.Name, body)
		}
	}
	for name, qs := range properties() {
		if qs.Query.Kind != summaryKind {
			_, body := render.Body(render.HTML, qs)
			checkPage(t, listingtest.Site(), name, body)
		}
	}
	for name, p := range problems() {
		checkPage(t, p.Site, name, render.Error(render.HTML, p))
	}
}

// So are pages of any rows.
func TestAnyPageIsSound(t *testing.T) {
	t.Parallel()
	for _, site := range []*listing.Site{listingtest.Site(), listingtest.EverySite()} {
		for _, table := range site.Tables {
			rapid.Check(t, func(t *rapid.T) {
				qs := querysets(table).Draw(t, "queryset")
				if qs.Query.Kind != summaryKind {
					_, body := render.Body(render.HTML, qs)
					checkPage(t, site, table.Name, body)
				}
			})
		}
	}
}

// querysets generates answers to queries of a table.
func querysets(table *listing.Table) *rapid.Generator[listing.Queryset] {
	return rapid.Custom(func(t *rapid.T) listing.Queryset {
		q := listingtest.Queries(table, listingtest.RowKeys(table)).Draw(t, "query")
		return listingtest.Querysets(q).Draw(t, "answer")
	})
}

// checkPage holds a page to what all pages have in common: the landmarks and
// labels that people who do not see it need, nothing that the content security
// policy forbids, and links that spell queries in their one way.
func checkPage(t failer, site *listing.Site, name string, body []byte) {
	t.Helper()
	page, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c := pageChecker{failer: t, site: site, page: name, ids: set{}, labelled: set{}, count: map[string]int{}}
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
	site     *listing.Site
	page     string
	ids      set            // of all elements
	labelled set            // the ids that a label is for
	count    map[string]int // of elements by name
}

type set map[string]bool

func (c *pageChecker) collect(n *html.Node) {
	if n.Type == html.ElementNode {
		if n.Namespace == "" {
			c.count[n.Data]++
		}
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
		case a.Key == "href" || a.Key == "src" || a.Key == "data-totals":
			c.link(n, a.Val)
		case a.Key == "aria-describedby" || a.Key == "aria-labelledby":
			if !c.ids[a.Val] {
				c.Errorf("%s: %s refers to %s, which is not there", c.page, n.Data, a.Val)
			}
		}
	}
	switch n.Data {
	case "script", "style":
		if kind, _ := attribute(n, "type"); n.FirstChild != nil && kind == "application/ld+json" { // data, which no policy holds for
			c.linked(n.FirstChild.Data)
		} else if n.FirstChild != nil {
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

// linked checks that a text is a row or a list in the words of schema.org.
func (c *pageChecker) linked(text string) {
	var thing map[string]any
	if err := json.Unmarshal([]byte(text), &thing); err != nil || thing["@context"] != "https://schema.org" || thing["@type"] == nil {
		c.Errorf("%s: JSON-LD %s: %v", c.page, text, err)
	}
}

// link checks where an address leads.
func (c *pageChecker) link(n *html.Node, address string) {
	u, err := url.Parse(address)
	if err != nil {
		c.Fatalf("%s: link %q: %v", c.page, address, err)
	}
	switch {
	case n.Data == "img":
		policy, _ := attribute(n, "referrerpolicy")
		if u.Host == "" && !strings.HasSuffix(u.Path, ".svg") || policy != "no-referrer" {
			c.Errorf("%s: picture %s, %s", c.page, address, policy)
		}
		if _, described := attribute(n, "alt"); !described {
			c.Errorf("%s: picture %s has no text", c.page, address)
		}
	case u.Host != "":
		if rel, _ := attribute(n, "rel"); u.Scheme != "https" && u.Scheme != "http" || rel != "noreferrer" {
			c.Errorf("%s: link to %s", c.page, address)
		}
	case address[0] == '#':
		if !c.ids[address[1:]] {
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
		text = c.site.Home().Name + text
	}
	if q, err := c.site.Parse(text); err != nil || q.String() != text {
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
	if strings.Contains(body, "data-totals") || strings.Contains(body, "<b>") {
		t.Error("the form asks for a summary of a faulty filter, or does not escape")
	}
}

func TestWording(t *testing.T) {
	t.Parallel()
	parameter := func(name string) string { return render.ParameterWords(listingtest.Properties(), name) }
	dollars := func(digits string) string { return render.Money("USD", digits) }
	for _, c := range []struct {
		word     func(string) string
		from, to string
	}{
		{render.Name, "ELK_GROVE", "Elk Grove"},
		{render.Name, "FOLSOM", "Folsom"},
		{render.Name, "San José", "San José"},
		{render.Name, "SAN JOSÉ", "San José"},
		{render.Name, "", ""},
		{render.Name, "Multi_Family", "Multi-Family"},
		{render.Words, "for_sale", "For sale"},
		{parameter, "min_price", "Minimum price"},
		{parameter, "max_area", "Maximum living area"},
		{parameter, "postal_code", "Postal code"},
		{parameter, "bbox", "Map area"},
		{parameter, "limit", "Per page"},
		{parameter, "cursor", "Cursor"},
		{render.Singular, "properties", "property"},
		{render.Singular, "homes", "home"},
		{render.Singular, "boxes", "box"},
		{render.Singular, "glass", "glass"},
		{render.Singular, "sheep", "sheep"},
		{dollars, "0.00", "$0"},
		{dollars, "0.99", "$0.99"},
		{dollars, "100.00", "$100"},
		{dollars, "999999.50", "$999,999.50"},
		{dollars, "1234567.00", "$1,234,567"},
		{dollars, "999999999999.99", "$999,999,999,999.99"},
		{dollars, "-5.00", "-$5"},
		{dollars, "NaN", "NaN"},
		{render.Grouped, "-1500", "-1,500"},
		{render.Grouped, "1e+30", "1e+30"},
	} {
		if got := c.word(c.from); got != c.to {
			t.Errorf("%q reads %q, want %q", c.from, got, c.to)
		}
	}
	if got := render.Money("CHF", "1500"); got != "CHF\u00a01,500" {
		t.Errorf("Swiss francs read %q", got)
	}
}

// A unit that two columns have does not say which one a number is of: the label does.
func TestSharedUnit(t *testing.T) {
	t.Parallel()
	table := *listingtest.Properties()
	area := slices.IndexFunc(table.Columns, func(c listing.Column) bool { return c.Member == "living_area" })
	v := listing.Value{Number: 1540}
	say := func(want ...string) {
		t.Helper()
		c := &table.Columns[area]
		if got := []string{render.Fact(&table, c, v), render.BoundWords(&table, c, description.Min, v)}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	say("1,540 sq ft", "from 1,540 sq ft")
	another := *table.Columns[0].Column
	another.Unit = "sq ft"
	table.Columns = slices.Clone(table.Columns)
	table.Columns[0].Column = &another
	say("Living area 1,540 sq ft", "living area from 1,540 sq ft")
}
