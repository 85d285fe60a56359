package coherence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// pages are what is asked for besides some rows of properties, as canonical text by the variant that uses
// most. All leave out the noise.
var pages = []string{
	"properties?city=ALPHA,BETA,GAMMA",
	"properties?city=ALPHA,BETA,GAMMA&sort=price&limit=5",
	"properties?city=ALPHA&sort=price&limit=3",
	"properties?city=ALPHA&sort=-price&limit=3",
	"properties?city=BETA&sort=area&limit=4",
	"properties?city=BETA&sort=-area&limit=4",
	"properties?city=GAMMA&limit=2",
	"properties?city=ALPHA,GAMMA&property_type=Condo&min_price=120000&max_price=150000&sort=price&limit=10",
	"properties?city=BETA&postal_code=951,952,953&sort=price&limit=5",
	"properties?city=ALPHA,BETA&status=pending&limit=10",
	"properties?city=ALPHA,BETA,GAMMA&min_bedrooms=2&max_bedrooms=3&sort=price&limit=6",
	"properties?city=BETA,GAMMA&bbox=-121.5,38.2,-121.2,38.5&sort=price&limit=6",
	"properties?city=ALPHA,BETA,GAMMA&q=zebrano&sort=price&limit=5",
	"properties?city=GAMMA&min_area=1000&max_area=1200&sort=area&limit=5",
	"properties?city=ATLANTIS",
	"properties/summary?city=ALPHA",
	"properties/summary?city=BETA,GAMMA",
	"properties/summary?city=ALPHA,BETA,GAMMA&property_type=Condo",
	"properties/summary?city=GAMMA&min_price=130000",
	"properties?agent_id=2&sort=price&limit=4",
	"properties?agent_id=1,9&city=ALPHA,BETA&limit=3",
	"agents",
	"agents?agency=North",
	"agents/summary",
	"agents/1", "agents/2", "agents/9",
	"photos?property_id=13,3&limit=5",
	"photos/3", "photos/13",
	"visits",
	"visits/1",
}

// cursors are places in an order from which pages go on, in both directions; the row may be gone.
var cursors = []struct {
	text  string
	after listing.Key
}{
	{"properties?city=ALPHA,BETA,GAMMA&sort=price&limit=5", listing.Key{Value: cents(120000), Key: id(40)}},
	{"properties?city=ALPHA,BETA,GAMMA&sort=price&limit=5", listing.Key{Value: cents(150000), Key: id(50)}},
	{"properties?city=BETA&sort=area&limit=4", listing.Key{Value: listing.Some(listing.Value{Number: 1250}), Key: id(31)}},
	{"properties?city=BETA&sort=area&limit=4", listing.Key{Key: id(28)}},
}

// allViews returns everything that is asked for, in each format that it has, and by each of the
// sites: those of the variants.
func allViews(sites []*listing.Site) ([]*topic, []*view, error) {
	site := sites[more]
	var queries []listing.Query
	for _, text := range pages {
		q, err := site.Parse(text)
		if err != nil {
			return nil, nil, fmt.Errorf("parse %s: %w", text, err)
		}
		queries = append(queries, q)
	}
	for _, c := range cursors {
		q, err := site.Parse(c.text)
		if err != nil {
			return nil, nil, fmt.Errorf("parse %s: %w", c.text, err)
		}
		q.After = listing.Some(c.after)
		queries = append(queries, q)
		q.Backward = true
		queries = append(queries, q)
	}
	for n := range int64(12) {
		queries = append(queries, site.Table("properties").RowQuery(id(10*n+3)))
	}
	topics := topics{sites: sites}
	var views []*view
	for _, q := range queries {
		path := "/v1/" + q.String()
		views = append(views, &view{topics.of(path), render.JSON, path})
		if q.Kind != listing.SummaryKind {
			path = htmlPath(q)
			views = append(views, &view{topics.of(path), render.HTML, path})
		}
	}
	return topics.all, views, nil
}

// topics are those of some addresses.
type topics struct {
	sites []*listing.Site
	all   []*topic
}

// of returns what is asked for at an address, by each of the sites.
func (ts *topics) of(path string) []*topic {
	var found []*topic
	for variant, site := range ts.sites {
		t := &topic{variant: variant}
		var err error
		if t.query, _, err = site.ParseAddress(path); err != nil {
			t.refused = true
			found = append(found, t)
			ts.all = append(ts.all, t)
			continue
		}
		at := slices.IndexFunc(ts.all, func(other *topic) bool {
			return other.variant == variant && !other.refused && other.query.String() == t.query.String()
		})
		if at < 0 {
			at = len(ts.all)
			ts.all = append(ts.all, t)
		}
		found = append(found, ts.all[at])
	}
	return found
}

// htmlPath returns where the page of a query is.
func htmlPath(q listing.Query) string {
	text := "/" + q.String()
	if q.Kind == listing.PageKind && q.Table == q.Table.Site.Home() {
		return "/" + strings.TrimPrefix(text, "/"+q.Table.Name)
	}
	return text
}
