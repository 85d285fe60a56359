package listing

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
)

// summaryPath is the path of a table's summary, behind the table's name.
const summaryPath = "summary"

// ErrText says that a text is no query's canonical text.
var ErrText = errors.New("not a canonical query")

// String returns the query's canonical text: the one spelling of its meaning, which names it
// in Redis and, behind "/v1/", is the address of its JSON. Parameters stand in a fixed order,
// defaults are dropped, lists are in order and distinct, numbers are in their shortest form.
func (q Query) String() string {
	t := text{b: make([]byte, 0, 128), separator: '?'}
	t.b = append(t.b, q.Table.Name...)
	switch q.Kind {
	case RowKind:
		t.b = append(append(t.b, '/'), q.Table.EscapeKey(q.Key)...)
	case SummaryKind:
		t.b = append(append(t.b, '/'), summaryPath...)
		t.filter(q.Table, q.Filter)
	default:
		t.filter(q.Table, q.Filter)
		t.page(&q)
	}
	return string(t.b)
}

// EscapeKey returns a row's key as it stands in paths. A text that is the name of another
// path is escaped all the same.
func (t *Table) EscapeKey(key Value) string {
	c := t.KeyColumn()
	if c.Form != Words {
		return c.Spell(key)
	}
	switch escaped := url.PathEscape(key.Text); escaped {
	case summaryPath, ".", "..":
		return fmt.Sprintf("%%%02X%s", escaped[0], escaped[1:])
	default:
		return escaped
	}
}

// RawQuery returns the part of the canonical text behind the question mark, "" if there is
// none.
func (q Query) RawQuery() string {
	_, raw, _ := strings.Cut(q.String(), "?")
	return raw
}

// String returns the filter's part of the canonical text, "" for no condition.
func (f Filter) String(t *Table) string {
	s := text{b: make([]byte, 0, 64), separator: '?'}
	s.filter(t, f)
	return strings.TrimPrefix(string(s.b), "?")
}

// Parse is the inverse of Query.String: it accepts the canonical text of a query of the
// site's tables and nothing else.
func (s *Site) Parse(text string) (Query, error) {
	q, err := s.parseText(text)
	if err == nil && q.String() != text {
		err = ErrText
	}
	if err != nil {
		return Query{}, fmt.Errorf("parse query %.200q: %w", text, err)
	}
	return q, nil
}

func (s *Site) parseText(text string) (Query, error) {
	if len(text) > MaxText {
		return Query{}, ErrText
	}
	path, raw, _ := strings.Cut(text, "?")
	name, below, isBelow := strings.Cut(path, "/")
	t := s.Table(name)
	if t == nil {
		return Query{}, ErrText
	}
	if isBelow && below != summaryPath {
		unescaped, err := url.PathUnescape(below)
		key, ok := t.ParseKey(unescaped)
		if err != nil || !ok || raw != "" {
			return Query{}, ErrText
		}
		return t.RowQuery(key), nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Query{}, err
	}
	var q Query
	var faults Faults
	if isBelow {
		q, faults = t.ParseSummary(values, Strict)
	} else {
		q, faults = t.ParsePage(values, Strict)
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

func (t *text) filter(table *Table, f Filter) {
	for i := range f {
		c := &f[i]
		p := &table.Parameters[c.Parameter]
		t.name(p.Name)
		switch p.Kind {
		case description.AnyOf:
			t.list(&table.Columns[p.Column], c.Values)
		case description.Contains:
			t.list(table.Columns[p.Column].Element, c.Values)
		case description.BBox:
			t.box(&c.Box)
		case description.Words:
			t.b = append(t.b, url.QueryEscape(c.Text)...)
		default:
			t.value(&table.Columns[p.Column], c.Bound)
		}
	}
}

func (t *text) page(q *Query) {
	if q.Sort != 0 {
		t.name("sort")
		t.b = append(t.b, q.Table.Orders[q.Sort].Name...)
	}
	if q.Limit != DefaultLimit {
		t.name("limit")
		t.b = strconv.AppendInt(t.b, int64(q.Limit), 10)
	}
	if q.After.Valid {
		t.name("cursor")
		t.b = q.Table.appendCursor(t.b, q.Sort, q.Backward, q.After.V)
	}
}

func (t *text) list(c *Column, values []Value) {
	for i, v := range values {
		if i > 0 {
			t.b = append(t.b, ',')
		}
		t.item(c, v)
	}
}

// item writes a value as SplitList reads it.
func (t *text) item(c *Column, v Value) {
	switch c.Form {
	case Words, Label, Spelled:
		t.b = append(t.b, url.QueryEscape(EscapeItem(c.Spell(v)))...)
	default:
		t.value(c, v)
	}
}

func (t *text) value(c *Column, v Value) {
	switch c.Form {
	case Whole, Decimal, Truth, UUID, Day: // nothing to escape
		t.b = c.AppendSpelled(t.b, v)
	default:
		t.b = append(t.b, url.QueryEscape(c.Spell(v))...)
	}
}

func (t *text) box(b *Box) {
	for i, v := range [...]float64{b.West, b.South, b.East, b.North} {
		if i > 0 {
			t.b = append(t.b, ',')
		}
		t.b = strconv.AppendFloat(t.b, v, 'f', -1, 64)
	}
}

// NextQuery returns the query of the page that follows; false if none does, or none that has
// an address: the last row's value may be a text that leaves no room for a cursor. A page that is
// read backwards from a row is followed by one, unless that row is gone, and all behind it: nothing
// of the answer depends on what is there, so that no edit there makes it stale.
func (qs *Queryset) NextQuery() (Query, bool) {
	q := &qs.Query
	switch {
	case q.Kind != PageKind || !q.Backward && (!qs.Ahead.Valid || len(qs.Items) == 0):
		return Query{}, false
	case len(qs.Items) == 0: // no row comes before the cursor: what follows is the first page
		first := *q
		first.After, first.Backward = Null[Key]{}, false
		return first, true
	}
	return q.from(&qs.Items[len(qs.Items)-1], false)
}

// PrevQuery returns the query of the page that comes before; false if none does, or none that has
// an address, as with NextQuery. Before a page behind a cursor there is one, unless all rows there
// are gone.
func (qs *Queryset) PrevQuery() (Query, bool) {
	q := &qs.Query
	before := q.After.Valid
	if q.Backward {
		before = qs.Ahead.Valid
	}
	if q.Kind != PageKind || !before || len(qs.Items) == 0 {
		return Query{}, false
	}
	return q.from(&qs.Items[0], true)
}

// from returns the page behind a row of the same list, or before it; false if it has no address.
func (q *Query) from(r *Row, backward bool) (Query, bool) {
	page := *q
	page.After, page.Backward = Some(page.Table.KeyOf(page.Sort, r)), backward
	return page, len(page.String()) <= MaxText
}

// Next returns the address of the page that follows, "/v1/properties?...", or "" if none does.
func (qs *Queryset) Next() string { return pageAddress(qs.NextQuery()) }

// Prev returns the address of the page that comes before, or "" if none does.
func (qs *Queryset) Prev() string { return pageAddress(qs.PrevQuery()) }

func pageAddress(q Query, ok bool) string {
	if !ok {
		return ""
	}
	return "/v1/" + q.String()
}
