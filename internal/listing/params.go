package listing

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/description"
)

// The limits of one request.
const (
	DefaultLimit  = 20
	MaxLimit      = 100
	MaxInner      = 100  // rows of another table inside one row; further ones are not shown
	MaxText       = 1024 // bytes of a query's canonical text
	MaxListValues = 20   // distinct values of one list
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

// ParsePage reads the parameters of a page of the table's rows. If there are faults, all of
// them are returned and the query is of no use.
func (t *Table) ParsePage(v url.Values, mode Mode) (Query, Faults) {
	p := params{table: t, values: v}
	q := Query{Table: t, Kind: PageKind, Filter: p.filter(), Limit: DefaultLimit}
	sorted := p.sort(&q.Sort)
	p.limit(&q.Limit)
	p.cursor(&q, sorted)
	return p.finish(q, t.pageNames, mode)
}

// ParseSummary reads the parameters of a summary: a page's without sort, limit and cursor.
func (t *Table) ParseSummary(v url.Values, mode Mode) (Query, Faults) {
	p := params{table: t, values: v}
	q := Query{Table: t, Kind: SummaryKind, Filter: p.filter()}
	return p.finish(q, t.filterNames, mode)
}

// ParseKey reads a row's key from a path: a positive whole number in its shortest spelling, so
// that a row has one address; a UUID in lower case; or any text that is not empty, as long as
// an address has room for. Rows with other keys have no address.
func (t *Table) ParseKey(s string) (key Value, ok bool) {
	c := t.KeyColumn()
	switch c.Form {
	case Whole:
		if s == "" || s[0] < '1' || s[0] > '9' {
			return Value{}, false
		}
		n, err := strconv.ParseInt(s, 10, 64)
		return Value{Number: n}, err == nil && n <= c.greatest
	case UUID:
		v, must := parseUUID(s)
		return v, must == "" && v.Text == s
	default:
		key = Value{Text: s}
		ok = s != "" && len(s) <= MaxText && storable(s) && len(t.Name)+len("/")+len(t.EscapeKey(key)) <= MaxText
		return key, ok
	}
}

// storable reports whether PostgreSQL can store a text.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// params reads parameters and gathers what is wrong with them.
type params struct {
	table  *Table
	values url.Values
	faults Faults
}

func (p *params) fault(name, format string, args ...any) {
	p.faults = append(p.faults, Fault{Name: name, Detail: fmt.Sprintf(format, args...)})
}

func (p *params) filter() (f Filter) {
	for i := range p.table.Parameters {
		c := Condition{Parameter: i}
		if p.condition(&c, &p.table.Parameters[i]) {
			f = append(f, c)
			p.ordered(f)
		}
	}
	return f
}

// condition reads one parameter, and reports whether it asks for anything.
func (p *params) condition(c *Condition, parameter *description.Parameter) bool {
	switch parameter.Kind {
	case description.BBox:
		return p.box(parameter.Name, &c.Box)
	case description.Words:
		c.Text = p.text(parameter.Name)
		return c.Text != ""
	}
	column := &p.table.Columns[parameter.Column]
	switch parameter.Kind {
	case description.Min, description.Max:
		text, ok := p.scalar(parameter.Name)
		if ok {
			c.Bound, ok = p.value(parameter.Name, column, text)
		}
		return ok
	case description.Contains:
		column = column.Element
	}
	c.Values = p.list(parameter.Name, column)
	return len(c.Values) > 0
}

// value reads one value of a column.
func (p *params) value(name string, c *Column, text string) (Value, bool) {
	v, must := c.ParseValue(text)
	if must != "" {
		p.fault(name, "must be %s", must)
	}
	return v, must == ""
}

// ordered refuses a least value above the greatest, once the last condition is the greatest.
func (p *params) ordered(f Filter) {
	last := &f[len(f)-1]
	high := &p.table.Parameters[last.Parameter]
	if high.Kind != description.Max || high.Wide {
		return
	}
	for i := range f {
		low := &p.table.Parameters[f[i].Parameter]
		if low.Kind == description.Min && low.Column == high.Column && p.table.Columns[low.Column].compare(f[i].Bound, last.Bound) > 0 {
			p.fault(low.Name, "must not be above %s", high.Name)
		}
	}
}

// given returns the values of a parameter that are not empty and can be stored in PostgreSQL;
// a form sends its empty fields too, so empty means absent.
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

// list returns the distinct values of a list, as SplitList reads it or with the name repeated, in
// the order of their spellings.
func (p *params) list(name string, c *Column) []Value {
	var list []Value
	for _, v := range p.given(name) {
		for item := range SplitList(v) {
			if item == "" {
				continue
			}
			if len(item) > maxValue {
				p.fault(name, "must be values of at most %d bytes each", maxValue)
				return nil
			}
			value, ok := p.value(name, c, item)
			if !ok {
				return nil
			}
			if c.spelledLength(value) > maxValue {
				p.fault(name, "must be values of at most %d bytes each, written out", maxValue)
				return nil
			}
			if slices.Contains(list, value) {
				continue
			}
			if list = append(list, value); len(list) > MaxListValues {
				p.fault(name, "must be at most %d values", MaxListValues)
				return nil
			}
		}
	}
	slices.SortFunc(list, func(a, b Value) int { return strings.Compare(c.Spell(a), c.Spell(b)) })
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

func (p *params) box(name string, b *Box) bool {
	text, ok := p.scalar(name)
	if !ok {
		return false
	}
	parts := strings.Split(text, ",")
	if len(parts) != 4 {
		p.fault(name, "must be four numbers: west,south,east,north")
		return false
	}
	var edge [4]float64
	for i, side := range []string{"west", "south", "east", "north"} {
		most := 180.0
		if i%2 == 1 {
			most = 90
		}
		if edge[i], ok = parseDegrees(parts[i], most); !ok {
			p.fault(name, "%s must be a number from -%g to %g", side, most, most)
			return false
		}
	}
	*b = Box{West: edge[0], South: edge[1], East: edge[2], North: edge[3]}
	if b.West > b.East || b.South > b.North {
		p.fault(name, "west must not be above east, nor south above north")
		return false
	}
	return true
}

// parseDegrees reads a decimal of at most so many degrees either way.
func parseDegrees(s string, most float64) (float64, bool) {
	v, ok := readFloat(s)
	return v, ok && v >= -most && v <= most
}

// sort reports whether the order is known, so that a cursor can be held to it.
func (p *params) sort(sort *int) (known bool) {
	before := len(p.faults)
	if text, given := p.scalar("sort"); given {
		var ok bool
		if *sort, ok = p.table.Sort(text); !ok {
			p.fault("sort", "must be %s", Either(p.table.orderNames()))
		}
	}
	return len(p.faults) == before
}

func (t *Table) orderNames() []string {
	names := make([]string, len(t.Orders))
	for i := range t.Orders {
		names[i] = t.Orders[i].Name
	}
	return names
}

func (p *params) limit(limit *int) {
	text, ok := p.scalar("limit")
	if !ok {
		return
	}
	v, _, ok := parseFixed(text, 0)
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
	sort, backward, k, err := p.table.parseCursor(text)
	switch {
	case err != nil:
		p.fault("cursor", "must be the cursor of a next or prev link, unchanged")
	case sorted && sort != q.Sort:
		p.fault("cursor", "belongs to sort=%s, not to sort=%s", p.table.Orders[sort].Name, p.table.Orders[q.Sort].Name)
	default:
		q.After, q.Backward = Some(k), backward
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
		if near := suggest(name, known); near != "" {
			p.fault(shown, "unknown parameter; did you mean %s?", near)
		} else {
			p.fault(shown, "unknown parameter")
		}
	}
}

// suggest returns the parameter that an unknown name most likely stands for, or "" if none is
// near: one that is spelled much like it, or else the first that it is a part of.
func suggest(name string, known []string) string {
	if len(name) < 2 {
		return ""
	}
	if near := description.Nearest(name, known); near != "" {
		return near
	}
	name = strings.ToLower(name)
	for _, k := range known {
		if len(name) > 2 && strings.Contains(k, name) {
			return k
		}
	}
	return ""
}

// length refuses a query whose canonical text is too long for a name in Redis, and a page
// whose text leaves no room there for a cursor: its next link would be refused. It blames the
// longest parameter.
func (p *params) length(q Query) {
	most, text := MaxText, q.String()
	if q.Kind == PageKind && len(text) <= MaxText {
		q.After, q.Backward, most = Null[Key]{}, false, MaxText-len("&cursor=")-p.table.cursorRoom(q.Sort)
		text = q.String()
	}
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
