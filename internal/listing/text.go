package listing

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// The first words of canonical texts.
const (
	pagePath    = "properties"
	summaryPath = "properties/summary"
)

// ErrText says that a text is no query's canonical text.
var ErrText = errors.New("not a canonical query")

// String returns the query's canonical text: the one spelling of its meaning,
// which names it in Redis and, behind "/v1/", is the address of its JSON.
// Parameters stand in a fixed order, defaults are dropped, lists are sorted and
// distinct, numbers are in their shortest form.
func (q Query) String() string {
	t := text{b: make([]byte, 0, 128), separator: '?'}
	switch q.Kind {
	case PropertyKind:
		t.b = append(append(t.b, pagePath...), '/')
		t.b = strconv.AppendInt(t.b, q.ID, 10)
	case SummaryKind:
		t.b = append(t.b, summaryPath...)
		t.filter(&q.Filter)
	default:
		t.b = append(t.b, pagePath...)
		t.filter(&q.Filter)
		t.page(&q)
	}
	return string(t.b)
}

// RawQuery returns the part of the canonical text behind the question mark, ""
// if there is none.
func (q Query) RawQuery() string {
	_, raw, _ := strings.Cut(q.String(), "?")
	return raw
}

// String returns the filter's part of the canonical text, "" for no condition.
func (f Filter) String() string {
	t := text{b: make([]byte, 0, 64), separator: '?'}
	t.filter(&f)
	return strings.TrimPrefix(string(t.b), "?")
}

// Parse is the inverse of String: it accepts a query's canonical text and
// nothing else.
func Parse(s string) (Query, error) {
	q, err := parseText(s)
	if err == nil && q.String() != s {
		err = ErrText
	}
	if err != nil {
		return Query{}, fmt.Errorf("parse query %.200q: %w", s, err)
	}
	return q, nil
}

func parseText(s string) (Query, error) {
	if len(s) > MaxText {
		return Query{}, ErrText
	}
	path, raw, _ := strings.Cut(s, "?")
	if id, ok := strings.CutPrefix(path, pagePath+"/"); ok && path != summaryPath {
		n, ok := ParseID(id)
		if !ok {
			return Query{}, ErrText
		}
		return Query{Kind: PropertyKind, ID: n}, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Query{}, err
	}
	var q Query
	var faults Faults
	switch path {
	case pagePath:
		q, faults = ParsePage(values, Strict)
	case summaryPath:
		q, faults = ParseSummary(values, Strict)
	default:
		return Query{}, ErrText
	}
	if len(faults) > 0 {
		return Query{}, faults
	}
	return q, nil
}

// text builds canonical text.
type text struct {
	b         []byte
	separator byte // '?' before the first parameter, '&' before the others
}

func (t *text) name(name string) {
	t.b = append(t.b, t.separator)
	t.b = append(append(t.b, name...), '=')
	t.separator = '&'
}

func (t *text) filter(f *Filter) {
	t.list("city", f.City)
	t.list("postal_code", f.PostalCode)
	t.list("property_type", f.PropertyType)
	t.list("status", f.Status)
	number(t, "min_price", f.MinPrice, priceScale)
	number(t, "max_price", f.MaxPrice, priceScale)
	number(t, "min_bedrooms", f.MinBedrooms, 0)
	number(t, "max_bedrooms", f.MaxBedrooms, 0)
	number(t, "min_bathrooms", f.MinBathrooms, bathroomsScale)
	number(t, "min_area", f.MinArea, 0)
	number(t, "max_area", f.MaxArea, 0)
	t.box("bbox", f.Box)
	if f.Text != "" {
		t.name("q")
		t.b = append(t.b, url.QueryEscape(f.Text)...)
	}
}

func (t *text) page(q *Query) {
	if q.Sort != Newest {
		t.name("sort")
		t.b = append(t.b, q.Sort.String()...)
	}
	if q.Limit != DefaultLimit {
		t.name("limit")
		t.b = strconv.AppendInt(t.b, int64(q.Limit), 10)
	}
	if q.After.Valid {
		t.name("cursor")
		t.b = appendCursor(t.b, q.Sort, q.After.V)
	}
}

func (t *text) list(name string, values []string) {
	for i, v := range values {
		if i == 0 {
			t.name(name)
		} else {
			t.b = append(t.b, ',')
		}
		t.b = append(t.b, url.QueryEscape(v)...)
	}
}

func number[T int16 | int32 | int64](t *text, name string, v Null[T], scale int) {
	if v.Valid {
		t.name(name)
		t.b = appendShortest(t.b, int64(v.V), scale)
	}
}

func (t *text) box(name string, b Null[Box]) {
	if !b.Valid {
		return
	}
	t.name(name)
	for i, v := range [...]float64{b.V.West, b.V.South, b.V.East, b.V.North} {
		if i > 0 {
			t.b = append(t.b, ',')
		}
		t.b = strconv.AppendFloat(t.b, v, 'f', -1, 64)
	}
}

// NextQuery returns the query of the page that follows; false if none does.
func (qs *Queryset) NextQuery() (Query, bool) {
	w := qs.Window()
	if !w.Bounded {
		return Query{}, false
	}
	next := qs.Query
	next.After = Some(w.Last)
	return next, true
}

// Next returns the address of the page that follows, "/v1/properties?...", or ""
// if none does.
func (qs *Queryset) Next() string {
	if next, ok := qs.NextQuery(); ok {
		return "/v1/" + next.String()
	}
	return ""
}
