package listing

import (
	"net/url"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
)

// Fields are the members that a client wants of each row, in the order of the row's JSON; nil for all.
// They are no part of a query: what is cached under it has all members.
type Fields []string

// Members returns the names of the members of each row of an answer of a kind.
func (t *Table) Members(k Kind) []string {
	q := Query{Table: t, Kind: k}
	columns := t.List
	if k == RowKind {
		columns = t.Item
	}
	names := make([]string, 0, len(columns))
	for _, n := range columns {
		names = append(names, t.Columns[n].Member)
	}
	for _, j := range q.Joins() {
		names = append(names, j.Name)
	}
	return names
}

// ParseFields reads the parameter fields of a request for an answer of a kind: names of members, as
// a list.
func (t *Table) ParseFields(v url.Values, k Kind) (Fields, Faults) {
	p := params{table: t, values: v}
	given := p.given(description.ParamFields)
	if len(given) == 0 {
		return nil, p.faults
	}
	have := t.Members(k)
	wanted := map[string]bool{}
	for _, list := range given {
		for name := range SplitList(list) {
			if name == "" || wanted[name] {
				continue
			}
			if wanted[name] = true; !slices.Contains(have, name) && len(p.faults) < MaxListValues {
				p.noMember(name, have)
			}
		}
	}
	var fields Fields
	for _, name := range have {
		if wanted[name] {
			fields = append(fields, name)
		}
	}
	if len(fields) == len(have) {
		fields = nil
	}
	return fields, p.faults
}

// noMember says that a row has no member of a name.
func (p *params) noMember(name string, have []string) {
	if near := suggest(name, have); near != "" {
		p.fault(description.ParamFields, "has %.100q, which is no member; did you mean %s?", name, near)
		return
	}
	p.fault(description.ParamFields, "has %.100q, which is no member; there are %s", name, strings.Join(have, ", "))
}

// ParseCount reads the parameter count: whether a client wants to know how many rows there are on
// all pages together.
func (t *Table) ParseCount(v url.Values) (bool, Faults) {
	p := params{table: t, values: v}
	switch text, _ := p.scalar(description.ParamCount); strings.ToLower(text) {
	case "true":
		return true, p.faults
	case "", "false":
		return false, p.faults
	}
	p.fault(description.ParamCount, "must be true or false")
	return false, p.faults
}

// Query returns the fields as a parameter of an address, "" for all.
func (f Fields) Query() string {
	if len(f) == 0 {
		return ""
	}
	items := make([]string, len(f))
	for i, name := range f {
		items[i] = url.QueryEscape(EscapeItem(name))
	}
	return description.ParamFields + "=" + strings.Join(items, ",")
}
