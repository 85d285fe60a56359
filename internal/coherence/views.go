package coherence

import (
	"fmt"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// pages are the lists and summaries that are asked for, as canonical text. All
// leave out the noise.
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

// allViews returns everything that is asked for, in each format that it has.
func allViews(site *listing.Site) ([]*topic, []*view, error) {
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
	var topics []*topic
	var views []*view
	for _, q := range queries {
		t := &topic{query: q}
		topics = append(topics, t)
		views = append(views, &view{t, render.JSON, "/v1/" + q.String()})
		if q.Kind == listing.SummaryKind {
			continue
		}
		page := t
		if entered := q.Entered(); entered.String() != q.String() { // a page may ask for more than its address
			page = &topic{query: entered}
			topics = append(topics, page)
		}
		views = append(views, &view{page, render.HTML, htmlPath(q)})
	}
	return topics, views, nil
}

// htmlPath returns where the page of a query is.
func htmlPath(q listing.Query) string {
	text := q.String()
	if q.Kind == listing.RowKind {
		return "/" + text
	}
	return "/" + strings.TrimPrefix(text, "properties")
}
