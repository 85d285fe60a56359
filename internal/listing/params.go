package listing

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of one request.
const (
	DefaultLimit  = 20
	MaxLimit      = 100
	MaxText       = 1024 // bytes of a query's canonical text
	maxListValues = 20   // distinct values of one list
	maxValue      = 100  // bytes of one text value
)

// Mode tells what becomes of a parameter that nobody knows.
type Mode uint8

// The modes.
const (
	Strict  Mode = iota // a fault, with the nearest name that exists
	Lenient             // ignored: links to pages carry utm_source and the like
)

// Fault is what is wrong with one parameter of a request.
type Fault struct {
	Name   string // of the parameter, as the client spelled it
	Detail string // what is wrong and what would be right
}

// Faults are all that is wrong with a request. None means that it is good.
type Faults []Fault

// Error lists the faults in one line.
func (fs Faults) Error() string {
	parts := make([]string, len(fs))
	for i, f := range fs {
		parts[i] = f.Name + ": " + f.Detail
	}
	return strings.Join(parts, "; ")
}

// The names of the parameters, in canonical order.
func filterNames() []string {
	return []string{"city", "postal_code", "property_type", "status", "min_price", "max_price",
		"min_bedrooms", "max_bedrooms", "min_bathrooms", "min_area", "max_area", "bbox", "q"}
}

func pageNames() []string { return append(filterNames(), "sort", "limit", "cursor") }

// ParsePage reads the parameters of a page of listings. If there are faults, all
// of them are returned and the query is of no use.
func ParsePage(v url.Values, mode Mode) (Query, Faults) {
	p := params{values: v}
	q := Query{Kind: PageKind, Filter: p.filter(), Limit: DefaultLimit}
	sorted := p.sort(&q.Sort)
	p.limit(&q.Limit)
	p.cursor(&q, sorted)
	return p.finish(q, pageNames(), mode)
}

// ParseSummary reads the parameters of a summary: a page's without sort, limit
// and cursor.
func ParseSummary(v url.Values, mode Mode) (Query, Faults) {
	p := params{values: v}
	q := Query{Kind: SummaryKind, Filter: p.filter()}
	return p.finish(q, filterNames(), mode)
}

// ParseID reads a property's id from a path: a positive bigint in its shortest
// spelling, so that a property has one address.
func ParseID(s string) (int64, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil
}

// params reads parameters and gathers what is wrong with them.
type params struct {
	values url.Values
	faults Faults
}

func (p *params) fault(name, format string, args ...any) {
	p.faults = append(p.faults, Fault{Name: name, Detail: fmt.Sprintf(format, args...)})
}

func (p *params) filter() (f Filter) {
	f.City = p.list("city")
	f.PostalCode = p.list("postal_code")
	f.PropertyType = p.list("property_type")
	f.Status = p.list("status")
	f.MinPrice = p.number("min_price", priceScale, MaxPrice)
	f.MaxPrice = p.number("max_price", priceScale, MaxPrice)
	ordered(p, "price", f.MinPrice, f.MaxPrice)
	f.MinBedrooms = narrow[int16](p.number("min_bedrooms", 0, 1<<15-1))
	f.MaxBedrooms = narrow[int16](p.number("max_bedrooms", 0, 1<<15-1))
	ordered(p, "bedrooms", f.MinBedrooms, f.MaxBedrooms)
	f.MinBathrooms = narrow[int16](p.number("min_bathrooms", bathroomsScale, MaxBathrooms))
	f.MinArea = narrow[int32](p.number("min_area", 0, 1<<31-1))
	f.MaxArea = narrow[int32](p.number("max_area", 0, 1<<31-1))
	ordered(p, "area", f.MinArea, f.MaxArea)
	f.Box = p.box("bbox")
	f.Text = p.text("q")
	return f
}

// given returns the values of a parameter that are not empty and can be stored
// in PostgreSQL; a form sends its empty fields too, so empty means absent.
func (p *params) given(name string) []string {
	var given []string
	for _, v := range p.values[name] {
		switch {
		case v == "":
		case !utf8.ValidString(v):
			p.fault(name, "must be valid UTF-8")
			return nil
		case strings.IndexByte(v, 0) >= 0:
			p.fault(name, "must not contain a NUL")
			return nil
		default:
			given = append(given, v)
		}
	}
	return given
}

// scalar returns the value of a parameter that may be given once.
func (p *params) scalar(name string) (value string, ok bool) {
	given := p.given(name)
	switch len(given) {
	case 0:
		return "", false
	case 1:
		return given[0], true
	default:
		p.fault(name, "must be given once, not %d times", len(given))
		return "", false
	}
}

// list returns the sorted, distinct values of a list: "a,b" or the name repeated.
func (p *params) list(name string) []string {
	var list []string
	for _, v := range p.given(name) {
		for item := range strings.SplitSeq(v, ",") {
			if item == "" || slices.Contains(list, item) {
				continue
			}
			if len(item) > maxValue {
				p.fault(name, "must be values of at most %d bytes each", maxValue)
				return nil
			}
			if list = append(list, item); len(list) > maxListValues {
				p.fault(name, "must be at most %d values", maxListValues)
				return nil
			}
		}
	}
	slices.Sort(list)
	return list
}

func (p *params) text(name string) string {
	v, _ := p.scalar(name)
	if len(v) > maxValue {
		p.fault(name, "must be at most %d bytes", maxValue)
		return ""
	}
	return v
}

// number reads a decimal of at most the scale's decimals, 0 to most, as an
// integer of that scale.
func (p *params) number(name string, scale int, most int64) Null[int64] {
	text, ok := p.scalar(name)
	if !ok {
		return Null[int64]{}
	}
	v, ok := parseFixed(text, scale)
	switch {
	case !ok && scale == 0:
		p.fault(name, "must be a whole number, written in digits")
	case !ok:
		p.fault(name, "must be a plain number, written in digits, with at most %s", decimals(scale))
	case v > most:
		p.fault(name, "must be at most %s", appendShortest(nil, most, scale))
	default:
		return Some(v)
	}
	return Null[int64]{}
}

func decimals(scale int) string {
	if scale == 1 {
		return "1 decimal"
	}
	return strconv.Itoa(scale) + " decimals"
}

// narrow converts a number that its limit has kept within T.
func narrow[T int16 | int32](v Null[int64]) Null[T] { return Null[T]{V: T(v.V), Valid: v.Valid} }

func ordered[T int16 | int32 | int64](p *params, column string, low, high Null[T]) {
	if low.Valid && high.Valid && low.V > high.V {
		p.fault("min_"+column, "must not be above max_%s", column)
	}
}

func (p *params) box(name string) Null[Box] {
	text, ok := p.scalar(name)
	if !ok {
		return Null[Box]{}
	}
	parts := strings.Split(text, ",")
	if len(parts) != 4 {
		p.fault(name, "must be four numbers: west,south,east,north")
		return Null[Box]{}
	}
	var edge [4]float64
	for i, side := range []string{"west", "south", "east", "north"} {
		most := 180.0
		if i%2 == 1 {
			most = 90
		}
		if edge[i], ok = parseDegrees(parts[i], most); !ok {
			p.fault(name, "%s must be a plain number from -%g to %g", side, most, most)
			return Null[Box]{}
		}
	}
	b := Box{West: edge[0], South: edge[1], East: edge[2], North: edge[3]}
	if b.West > b.East || b.South > b.North {
		p.fault(name, "west must not be above east, nor south above north")
		return Null[Box]{}
	}
	return Some(b)
}

// parseDegrees reads digits, perhaps with a sign, a point and digits behind it:
// no exponent, infinity or hexadecimal.
func parseDegrees(s string, most float64) (float64, bool) {
	if _, ok := plainDecimal(strings.TrimPrefix(s, "-")); !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if v == 0 {
		v = 0 // one zero: -0 is spelled 0
	}
	return v, err == nil && v >= -most && v <= most
}

// sort reports whether the order is known, so that a cursor can be held to it.
func (p *params) sort(s *Sort) (known bool) {
	before := len(p.faults)
	if text, given := p.scalar("sort"); given {
		var ok bool
		if *s, ok = parseSort(text); !ok {
			p.fault("sort", "must be %s", sortNames)
		}
	}
	return len(p.faults) == before
}

func (p *params) limit(limit *int) {
	text, ok := p.scalar("limit")
	if !ok {
		return
	}
	v, ok := parseFixed(text, 0)
	if !ok || v < 1 || v > MaxLimit {
		p.fault("limit", "must be a whole number from 1 to %d", MaxLimit)
		return
	}
	*limit = int(v)
}

func (p *params) cursor(q *Query, sorted bool) {
	text, ok := p.scalar("cursor")
	if !ok {
		return
	}
	s, k, err := parseCursor(text)
	switch {
	case err != nil:
		p.fault("cursor", "must be the cursor of a next link, unchanged")
	case sorted && s != q.Sort:
		p.fault("cursor", "belongs to sort=%s, not to sort=%s", s, q.Sort)
	default:
		q.After = Some(k)
	}
}

// finish adds the faults that concern the request as a whole.
func (p *params) finish(q Query, known []string, mode Mode) (Query, Faults) {
	if mode == Strict {
		p.unknown(known)
	}
	if len(p.faults) == 0 {
		p.length(q)
	}
	if len(p.faults) > 0 {
		return Query{}, p.faults
	}
	return q, nil
}

func (p *params) unknown(known []string) {
	var names []string
	for name := range p.values {
		if !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		shown := strings.ToValidUTF8(name, "\uFFFD")
		if near := nearest(name, known); near != "" {
			p.fault(shown, "unknown parameter; did you mean %s?", near)
		} else {
			p.fault(shown, "unknown parameter")
		}
	}
}

// length refuses a query whose canonical text is too long for a name in Redis,
// and a page whose text leaves no room there for a cursor: its next link would
// be refused. It blames the longest parameter.
func (p *params) length(q Query) {
	most := MaxText
	if q.Kind == PageKind {
		q.After, most = Null[Key]{}, MaxText-len("&cursor=")-maxCursor
	}
	text := q.String()
	if len(text) <= most {
		return
	}
	_, raw, _ := strings.Cut(text, "?")
	longest := ""
	for pair := range strings.SplitSeq(raw, "&") {
		if len(pair) > len(longest) {
			longest = pair
		}
	}
	name, _, _ := strings.Cut(longest, "=")
	p.fault(name, "is too long: all parameters take %d bytes of at most %d", len(text), most)
}
