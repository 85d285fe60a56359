package render

import (
	"net/url"
	"slices"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// listPage is what the template of a list shows.
type listPage struct {
	document
	Heading string
	One     string // what the rows are called
	Many    string
	Form    form
	Totals  *totals // none for a bad request
	Chips   []link  // the conditions, each linked to the same list without it
	Clear   string  // address of the list without conditions
	Words   bool    // words are searched for
	Sorts   []link
	Map     *chart // of the items; none, if it is known of none where it is
	Items   []card
	First   string // address of the first page, on others
	Prev    string // address of the page before, if there is one
	Next    string // address of the next page, if there is one
}

// totals is what the page's script needs to say what the list amounts to.
type totals struct {
	Summary   string // address of the summary of the same filter
	One, Many string // what the rows are called
	Stat      string // a member of the summary: how much the rows are of; none, if there is none
	Currency  string // if it is of money
	Unit      string
}

// link is a text and where it leads, if it leads anywhere.
type link struct {
	Text, Href string
	Current    bool // it leads to what is shown
}

// card is one item of the list, in words: a page has many, and a template is slower at finding
// them than Go.
type card struct {
	Title, Href  string // no address if none can lead to the row
	ID, Pin      string // of the card, and the address of its pin, if it is on the map
	Number       int    // on the map
	Pictured     bool   // cards of the list have pictures; this one's may be missing
	Picture      *image
	Headline     string // an amount of money
	Badges       []badge
	Facts        []string
	Texts        []link
	Names        []factOf // of inner rows
	Day, Instant string   // of the default order, if that is of times
}

// badge is a value that stands out, and a class for its style.
type badge struct{ Text, Class string }

func listHTML(qs *listing.Queryset) []byte {
	q := &qs.Query
	t := q.Table
	page := listPage{
		document: newDocument(t.Site, heading(q)),
		Heading:  heading(q),
		One:      singular(called(t)),
		Many:     called(t),
		Form:     newForm(t, q.Filter, parameters(q), nil),
		Totals:   newTotals(q),
		Chips:    chips(q),
		Clear:    address(&listing.Query{Table: t, Sort: q.Sort, Limit: q.Limit}),
		Sorts:    sorts(q),
	}
	page.Words = slices.ContainsFunc(q.Filter, func(c listing.Condition) bool { return t.Parameters[c.Parameter].Kind == description.Words })
	page.Description, page.JSON = describe(q), "/v1/"+q.String()
	if next, ok := qs.NextQuery(); ok {
		page.Next = address(&next)
	}
	if prev, ok := qs.PrevQuery(); ok {
		page.Prev = address(&prev)
	}
	if q.After.Valid {
		to := first(q)
		page.First = address(&to)
	}
	for i := range qs.Items {
		page.Items = append(page.Items, newCard(q, &qs.Items[i]))
	}
	page.Map = newChart(qs, page.Items)
	var picture *image
	for i := range page.Items {
		if picture = page.Items[i].Picture; picture != nil {
			break
		}
	}
	page.publish(t.Site, address(q), picture)
	page.Linked = linkList(t, &page)
	return execute("list", page)
}

// faultyFormHTML shows a bad request for a list.
func faultyFormHTML(p Problem) []byte {
	page := listPage{
		document: newDocument(p.Table.Site, "Check the filters"),
		Heading:  "Check the filters",
		Form:     newForm(p.Table, nil, p.Entered, p.Faults),
	}
	page.NoIndex = true
	return execute("list", page)
}

func newTotals(q *listing.Query) *totals {
	t := q.Table
	summary := listing.Query{Table: t, Kind: listing.SummaryKind, Filter: q.Filter}
	made := &totals{Summary: "/v1/" + summary.String(), One: singular(called(t)), Many: called(t)}
	if len(t.Stats) > 0 {
		c := &t.Columns[t.Stats[0]]
		made.Stat, made.Unit = c.Member, c.Unit
		if c.Show == showMoney {
			made.Currency = t.Site.Description.Site.Currency
		}
	}
	return made
}

func newCard(q *listing.Query, r *listing.Row) card {
	t := q.Table
	made := card{
		Title: title(t, r), Href: rowAddress(t, r), Badges: badges(t, t.List, r, true),
		Pictured: pictured(q), Picture: cardPicture(q, r), Names: cardNames(q, r),
	}
	if n := headline(t); n >= 0 && !r.Null(n) {
		made.Headline = printed(t, &t.Columns[n], r.Values[n])
	}
	for _, n := range t.List {
		c := &t.Columns[n]
		switch v := r.Values[n]; {
		case r.Null(n), spoken(t, c), isPicture(c):
		case n == t.Newest && isTime(c):
			made.Day, made.Instant = date(t, c, v), machineTime(c, v)
		case isText(c):
			if v.Text != "" || c.Form.InNumber() {
				made.Texts = append(made.Texts, link{Text: printed(t, c, v), Href: sameValue(first(q), n, v)})
			}
		default:
			if words := fact(t, c, v); words != "" {
				made.Facts = append(made.Facts, words)
			}
		}
	}
	return made
}

// pictured reports whether cards of a list have pictures.
func pictured(q *listing.Query) bool {
	if hasPictures(q.Table) {
		return true
	}
	for _, j := range q.Joins() {
		if j.Many && hasPictures(j.Inner) {
			return true
		}
	}
	return false
}

// spoken reports whether a column has its own place on pages, so that it is not among the
// facts: the key, the label, an amount in the headline, badges, and the place.
func spoken(t *listing.Table, c *listing.Column) bool {
	return c.Number == t.Key || c.Number == t.Label || c.Number == headline(t) || c.Show == showBadge ||
		t.Place != nil && (c.Number == t.Place.Latitude || c.Number == t.Place.Longitude)
}

// headline returns the column that is printed largest: the first amount of money; -1 if there
// is none.
func headline(t *listing.Table) int {
	for _, n := range t.List {
		if t.Columns[n].Show == showMoney {
			return n
		}
	}
	return -1
}

// title is what a row is called.
func title(t *listing.Table, r *listing.Row) string {
	if r.Null(t.Label) {
		return ""
	}
	return printed(t, &t.Columns[t.Label], r.Values[t.Label])
}

// badges returns the values that are shown as such. usual leaves out the first of the values
// that a column is known to have, and false: they are what most rows have.
func badges(t *listing.Table, columns []int, r *listing.Row, usual bool) (made []badge) {
	for _, n := range columns {
		c := &t.Columns[n]
		if c.Show != showBadge || r.Null(n) {
			continue
		}
		v := r.Values[n]
		stored := c.Spell(v)
		switch known := knownValues(c); {
		case c.Form == listing.Truth && v.Number == 0, stored == "":
		case c.Form == listing.Truth:
			made = append(made, badge{label(c), ""})
		case usual && len(known) > 0 && known[0] == stored:
		default:
			made = append(made, badge{listing.PlainWords(stored), stored})
		}
	}
	return made
}

// fact says a value in a few words: 3 bedrooms, 1,540 sq ft, Floor 3, Lot size 8,000 sq ft. It is nothing
// for what is too long for a card.
func fact(t *listing.Table, c *listing.Column, v listing.Value) string {
	switch {
	case c.Form == listing.Truth:
		if v.Number != 0 {
			return label(c)
		}
		return ""
	case isNumber(c) && c.Show != showMoney && countable(label(c)):
		return counted(printed(t, c, v), listing.Lowered(label(c)))
	case isNumber(c) && tellingUnit(t, c):
		return printed(t, c, v)
	case isNumber(c), isTime(c):
		return label(c) + " " + printed(t, c, v)
	}
	return ""
}

// tellingUnit reports whether a column's unit says which column a number is of: no other has it.
func tellingUnit(t *listing.Table, c *listing.Column) bool {
	if c.Unit == "" {
		return false
	}
	for i := range t.Columns {
		if other := &t.Columns[i]; other.Unit == c.Unit && other.Number != c.Number {
			return false
		}
	}
	return true
}

// sameValue is the address of a list with one value of a column only; nothing if there is no
// filter for that, or no request can ask for the value: one that is too long, say.
func sameValue(q listing.Query, column int, v listing.Value) string {
	t := q.Table
	for i := range t.Parameters {
		if p := &t.Parameters[i]; p.Kind != description.AnyOf || p.Column != column || p.Name == description.ParamIDs {
			continue
		}
		f := listing.Filter{}
		for _, c := range q.Filter {
			if c.Parameter < i {
				f = append(f, c)
			}
		}
		f = append(f, listing.Condition{Parameter: i, Values: []listing.Value{v}})
		for _, c := range q.Filter {
			if c.Parameter > i {
				f = append(f, c)
			}
		}
		q.Filter = f
		if _, err := t.Site.Parse(q.String()); err != nil {
			return ""
		}
		return address(&q)
	}
	return ""
}

// address is where a query's page is: its own parameters behind its list's path, which is / for
// the home of the site.
func address(q *listing.Query) string {
	path := "/"
	if q.Table != q.Table.Site.Home() {
		path += q.Table.Name
	}
	if raw := q.RawQuery(); raw != "" {
		return path + "?" + raw
	}
	return path
}

// rowAddress is where a row's page is: nowhere if no path has the row's key.
func rowAddress(t *listing.Table, r *listing.Row) string {
	key := r.Values[t.Key]
	if _, ok := t.ParseKey(t.KeyColumn().Spell(key)); !ok {
		return ""
	}
	return "/" + t.RowQuery(key).String()
}

// parameters returns the canonical parameters of a query.
func parameters(q *listing.Query) url.Values {
	values, err := url.ParseQuery(q.RawQuery())
	if err != nil {
		panic("render: parse canonical parameters: " + err.Error())
	}
	return values
}

// first returns the query of the first page of the same list.
func first(q *listing.Query) listing.Query {
	f := *q
	f.After, f.Backward = listing.Null[listing.Key]{}, false
	return f
}

// sorts links the same list in each of its orders.
func sorts(q *listing.Query) []link {
	links := make([]link, len(q.Table.Orders))
	for i := range links {
		to := first(q)
		to.Sort = i
		links[i] = link{listing.Capitalized(orderName(q.Table.Order(i))), address(&to), i == q.Sort}
	}
	return links
}

// orderName says what is first in an order.
func orderName(o listing.Order) string {
	if o.Name == description.DefaultOrder {
		return o.Name
	}
	least, greatest := "first", "last"
	switch {
	case isTime(o.Column):
		least, greatest = "earliest", "latest"
	case isNumber(o.Column):
		least, greatest = "lowest", "highest"
	}
	if o.Descending {
		least = greatest
	}
	return least + " " + listing.Lowered(label(o.Column))
}
