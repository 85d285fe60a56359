package render

import (
	"net/url"

	"github.com/freshlist/freshlist/internal/listing"
)

// listingsPage is what the template of the listings page shows.
type listingsPage struct {
	document
	Heading string
	Form    form
	Chips   []link // the conditions, each linked to the same list without it
	Clear   string // address of the list without conditions
	Sorts   []link
	Items   []card
	First   string // address of the first page, on later ones
	Next    string // address of the next page, if there is one
}

// link is a text and where it leads.
type link struct {
	Text, Href string
	Current    bool // it leads to what is shown
}

// card is one item of the list, in words: a page has many, and a template is
// slower at finding them than Go.
type card struct {
	Title, Href    string // no address if the property's id has none
	Price          string
	Status         string
	Facts          []string // rooms and area, as far as they are known
	City, CityHref string   // the same list, of the property's city only; no address if that cannot be asked for
	PostalCode     string
	Day, Instant   string // of its creation
}

func listingsHTML(qs listing.Queryset) []byte {
	q := qs.Query
	page := listingsPage{
		document: document{
			Title:     heading(q.Filter),
			Canonical: address(q),
			JSON:      "/v1/" + q.String(),
		},
		Heading: heading(q.Filter),
		Form:    newForm(parameters(q), nil),
		Chips:   chips(q),
		Clear:   address(listing.Query{Sort: q.Sort, Limit: q.Limit}),
		Sorts:   sorts(q),
	}
	page.Description = describe(q)
	page.Form.Summary = "/v1/" + listing.Query{Kind: listing.SummaryKind, Filter: q.Filter}.String()
	if next, ok := qs.NextQuery(); ok {
		page.Next = address(next)
	}
	if q.After.Valid {
		page.First = address(first(q))
	}
	for i := range qs.Items {
		page.Items = append(page.Items, newCard(q, &qs.Items[i]))
	}
	return execute("listings", page)
}

// faultyFormHTML shows a bad request for the listings page.
func faultyFormHTML(p Problem) []byte {
	return execute("listings", listingsPage{
		document: document{Title: "Check the filters", NoIndex: true},
		Heading:  "Check the filters",
		Form:     newForm(p.Entered, p.Faults),
		Clear:    "/",
	})
}

func newCard(q listing.Query, p *listing.Property) card {
	inCity := first(q)
	inCity.Filter.City = []string{p.City}
	return card{
		Title:      p.Title,
		Href:       propertyAddress(p.ID),
		Price:      dollars(p.Price),
		Status:     p.Status,
		Facts:      facts(p),
		City:       placeName(p.City),
		CityHref:   addressIfAny(inCity),
		PostalCode: p.PostalCode.V,
		Day:        date(p.CreatedAt),
		Instant:    instant(p.CreatedAt),
	}
}

func facts(p *listing.Property) []string {
	var facts []string
	if p.Bedrooms.Valid {
		facts = append(facts, beds(p.Bedrooms.V))
	}
	if p.Bathrooms.Valid {
		facts = append(facts, baths(p.Bathrooms.V))
	}
	if p.LivingArea.Valid {
		facts = append(facts, area(p.LivingArea.V))
	}
	return facts
}

// address is where a query's page is: its own parameters under /.
func address(q listing.Query) string {
	if raw := q.RawQuery(); raw != "" {
		return "/?" + raw
	}
	return "/"
}

// addressIfAny is the address of a query made from a stored text, or nothing if
// no request can ask for that text: one with a comma, say, which parts a list.
func addressIfAny(q listing.Query) string {
	if _, err := listing.Parse(q.String()); err != nil {
		return ""
	}
	return address(q)
}

// propertyAddress is where a property's page is: nowhere if its id is not positive, for
// such a path is no property's.
func propertyAddress(id int64) string {
	if id < 1 {
		return ""
	}
	return "/properties/" + string(appendInt(nil, id))
}

// parameters returns the canonical parameters of a query.
func parameters(q listing.Query) url.Values {
	values, err := url.ParseQuery(q.RawQuery())
	if err != nil {
		panic("render: parse canonical parameters: " + err.Error())
	}
	return values
}

// first returns the query of the first page of the same list.
func first(q listing.Query) listing.Query {
	q.After = listing.Null[listing.Key]{}
	return q
}

// sorts links the same list in each of its orders.
func sorts(q listing.Query) []link {
	orders := []listing.Sort{listing.Newest, listing.PriceAsc, listing.PriceDesc, listing.AreaDesc, listing.AreaAsc}
	links := make([]link, len(orders))
	for i, order := range orders {
		to := first(q)
		to.Sort = order
		links[i] = link{capitalized(orderName(order)), address(to), order == q.Sort}
	}
	return links
}

func orderName(s listing.Sort) string {
	switch s {
	case listing.PriceAsc:
		return "lowest price"
	case listing.PriceDesc:
		return "highest price"
	case listing.AreaAsc:
		return "smallest"
	case listing.AreaDesc:
		return "largest"
	default:
		return "newest"
	}
}
