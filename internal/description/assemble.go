package description

import (
	"cmp"
	"slices"
	"strings"
)

// namedParameter is a parameter and the place in the file that it comes from.
type namedParameter struct {
	Parameter
	column string // in the database
	at     Span
}

// namedOrder is an order and the place in the file that it comes from.
type namedOrder struct {
	Order
	column string
	at     Span
}

// names computes all names that the outside sees, and refuses those that collide.
func (t *tableResolver) names() {
	if t.relation == nil {
		return
	}
	t.parameterNames()
	t.orderNames()
	t.memberNames()
	t.summaryNames()
	t.sourceNames()
}

// outside is what JSON and addresses call a column.
func (c *FileColumn) outside() string { return cmp.Or(c.As.Value, c.Name.Value) }

// outsideAt is where the file says it.
func (c *FileColumn) outsideAt() Span {
	if c.As.Given() {
		return c.As.At
	}
	return c.Name.At
}

// attributeOf returns a column's attribute without a fault.
func (t *tableResolver) attributeOf(c *FileColumn) *Attribute {
	return t.relation.Attribute(c.Name.Value)
}

// parameterNames computes the parameters of the filter in the order of the canonical text:
// lists by their name, then what is compared in the order of the file, then bbox and q.
func (t *tableResolver) parameterNames() {
	var lists, ranges []namedParameter
	for i := range t.file.Columns {
		c := &t.file.Columns[i]
		a := t.attributeOf(c)
		if !c.Filter.Given() || a == nil {
			continue
		}
		base, at := cmp.Or(c.Param.Value, c.outside()), c.outsideAt()
		if c.Param.Given() {
			at = c.Param.At
		}
		if !wordPattern.MatchString(base) {
			t.fault(Meaning, c.Filter.At, "%s has a filter and a name that is none for a parameter", quoteName(base)).
				help("give it one: param: %s", wordOf(base))
			continue
		}
		add := func(list *[]namedParameter, name string, kind ParameterKind) {
			wide := filterExactness(a.Type, c.Filter.Value) == Wide
			*list = append(*list, namedParameter{Parameter{Name: name, Kind: kind, Wide: wide}, c.Name.Value, at})
		}
		switch c.Filter.Value {
		case "any-of":
			add(&lists, base, AnyOf)
		case "contains":
			add(&lists, base, Contains)
		case "min":
			add(&ranges, "min_"+base, Min)
		case "max":
			add(&ranges, "max_"+base, Max)
		default:
			add(&ranges, "min_"+base, Min)
			add(&ranges, "max_"+base, Max)
		}
	}
	slices.SortStableFunc(lists, func(a, b namedParameter) int { return strings.Compare(a.Name, b.Name) })
	t.parameters = append(lists, ranges...)
	var used collisions
	for _, p := range t.parameters {
		if slices.Contains(reservedParameters(), p.Name) {
			t.fault(Meaning, p.at, "a parameter cannot be called %s: every list has one of that name, or will", p.Name).
				help("give this one another name by param:")
			continue
		}
		used.add(t, "parameters", p.Name, p.at, "give one of them another name by param:")
	}
	if p := t.file.Place; p.Latitude.Given() {
		latitude, longitude := t.relation.Attribute(p.Latitude.Value), t.relation.Attribute(p.Longitude.Value)
		wide := latitude != nil && latitude.Type.Within() == Wide || longitude != nil && longitude.Type.Within() == Wide
		t.parameters = append(t.parameters, namedParameter{Parameter{Name: ParamBBox, Kind: BBox, Wide: wide}, p.Latitude.Value, p.Latitude.At})
	}
	words := namedParameter{Parameter: Parameter{Name: ParamWords, Kind: Words, Wide: true}}
	if v := t.file.Search; v.Given() {
		words.column, words.at = v.Value, v.At
	} else if columns := t.file.searchColumns(); len(columns) > 0 {
		words.column, words.at = columns[0].Name.Value, columns[0].Search.At
	}
	if words.column != "" {
		t.parameters = append(t.parameters, words)
	}
}

// orderNames computes the orders of lists, the default first.
func (t *tableResolver) orderNames() {
	newest := t.file.Newest
	if !newest.Given() && t.key != nil {
		newest.Value = t.key.Name
	}
	t.orders = []namedOrder{{Order{Name: DefaultOrder, Descending: true}, newest.Value, newest.At}}
	var used collisions
	for i := range t.file.Columns {
		c := &t.file.Columns[i]
		if !c.sorts() {
			continue
		}
		name, at := cmp.Or(c.SortName.Value, c.outside()), c.sortAt()
		switch {
		case !wordPattern.MatchString(name):
			t.fault(Meaning, at, "%s has a name that is none for an order", quoteName(name)).help("give it one: sort: %s", wordOf(name))
			continue
		case name == DefaultOrder:
			t.fault(Meaning, at, "an order cannot be called %s: that is the default order", name).help("give it another name: sort: by_%s", name)
			continue
		}
		used.add(t, "orders", name, at, "give one of them another name by sort:")
		t.orders = append(t.orders,
			namedOrder{Order{Name: name}, c.Name.Value, at},
			namedOrder{Order{Name: "-" + name, Descending: true}, c.Name.Value, at})
	}
	for i := range t.orders {
		if a := t.relation.Attribute(t.orders[i].column); a != nil {
			t.orders[i].Wide = a.Type.Order() == Wide
		}
	}
}

// memberNames refuses two members of a row's JSON with one name.
func (t *tableResolver) memberNames() {
	var used collisions
	if t.key != nil && t.fileColumn(t.key.Name) == nil {
		used.add(t, "members of a row", t.key.Name, t.file.Name.At, "")
	}
	for i := range t.file.Columns {
		if c := &t.file.Columns[i]; c.On.Value != "none" {
			used.add(t, "members of a row", c.outside(), c.outsideAt(), "give one of them another name by as:")
		}
	}
	for i := range t.file.With {
		used.add(t, "members of a row", t.file.With[i].Name.Value, t.file.With[i].Name.At, "give the member of with another name")
	}
}

// summaryNames refuses two members of a summary's JSON with one name.
func (t *tableResolver) summaryNames() {
	var used collisions
	used.add(t, "members of the summary", "count", Span{}, "")
	for i := range t.file.Columns {
		c := &t.file.Columns[i]
		if c.Stats.Value {
			used.add(t, "members of the summary", c.outside(), c.outsideAt(), "give the column another name by as:")
		}
		if c.Facet.Value {
			used.add(t, "members of the summary", FacetPrefix+c.outside(), c.outsideAt(), "give the column another name by as:")
		}
	}
}

// collisions finds names that are there twice.
type collisions map[string]Span

func (c *collisions) add(t *tableResolver, what, name string, at Span, remedy string) {
	if *c == nil {
		*c = collisions{}
	}
	before, there := (*c)[name]
	if !there {
		(*c)[name] = at
		return
	}
	if !at.given() {
		at = before
	}
	t.fault(Meaning, at, "two %s would be called %s", what, quoteName(name)).see(t.source, before, "the other one").help("%s", remedy)
}

// assemble makes the table, once nothing is wrong with the file.
func (t *tableResolver) assemble() Table {
	table := Table{
		Name: t.file.Name.Value, Relation: t.relation.RelationName,
		List: []int{}, Item: []int{}, Parameters: []Parameter{}, Orders: []Order{},
	}
	slices.Sort(t.used)
	t.checked = checkedColumns(t.relation.Checks)
	for _, n := range t.used {
		table.Columns = append(table.Columns, t.assembleColumn(t.relation.attributeByNumber(n)))
	}
	table.Key = table.Column(t.key.Name)
	table.Label = table.Key
	if t.file.Label.Given() {
		table.Label = table.Column(t.file.Label.Value)
	}
	table.Newest = table.Key
	if t.file.Newest.Given() {
		table.Newest = table.Column(t.file.Newest.Value)
	}
	t.assembleShown(&table)
	for _, p := range t.parameters {
		p.Column = table.Column(p.column)
		table.Parameters = append(table.Parameters, p.Parameter)
		if p.Kind == BBox {
			table.Place = &Place{Latitude: p.Column, Longitude: table.Column(t.file.Place.Longitude.Value), Wide: p.Wide}
		}
	}
	for _, o := range t.orders {
		o.Column = table.Column(o.column)
		table.Orders = append(table.Orders, o.Order)
	}
	t.assembleSummary(&table)
	return table
}

func (t *tableResolver) assembleColumn(a *Attribute) Column {
	column := Column{
		Attribute: a.Number, Name: a.Name, Type: a.Type, NotNull: a.NotNull,
		Default: a.Default != "" || a.Identity, Generated: a.Generated != NotGenerated,
	}
	c := t.fileColumn(a.Name)
	shown := a == t.key || c != nil && c.On.Value != "none"
	if a == t.key {
		column.Member, column.Label = a.Name, words(a.Name)
	}
	if c != nil {
		column.Member, column.Label = c.outside(), cmp.Or(c.Label.Value, words(c.outside()))
		column.Show, column.Unit, column.Weight = c.Show.Value, c.Unit.Value, c.Search.Value
		column.From = c.assembleSources()
	}
	if shown {
		column.Show = cmp.Or(column.Show, defaultShow(a.Type))
	}
	column.Write = t.write(a, c, shown)
	column.limit(t.checked[a.Name], checkedColumns(a.Checks)[""])
	return column
}

// write says what a write does to a column: it sets what is shown, unless PostgreSQL or
// the file says otherwise. A key is set when its row is made, if PostgreSQL has none.
func (t *tableResolver) write(a *Attribute, c *FileColumn, shown bool) string {
	switch {
	case a.Generated != NotGenerated || a.Identity:
		return ""
	case a == t.key:
		if a.Default == "" {
			return Settable
		}
		return ""
	case c == nil:
		return ""
	case c.WriteWord.Given():
		return SetNow
	case c.Write.Given() && !c.Write.Value, !shown && !c.Write.Value:
		return ""
	}
	return Settable
}

// assembleShown lists the columns that answers show: the key first, unless the file has it
// elsewhere.
func (t *tableResolver) assembleShown(table *Table) {
	if t.fileColumn(t.key.Name) == nil {
		table.List = append(table.List, table.Key)
	}
	var own []int
	for i := range t.file.Columns {
		c := &t.file.Columns[i]
		n := table.Column(c.Name.Value)
		switch c.On.Value {
		case "none":
		case "item":
			own = append(own, n)
		default:
			table.List = append(table.List, n)
		}
	}
	table.Item = append(slices.Clone(table.List), own...)
}

// assembleSummary lists what is searched, counted and averaged. Facets stand in the order
// of the parameters.
func (t *tableResolver) assembleSummary(table *Table) {
	rank := func(f Facet) int {
		n := slices.IndexFunc(table.Parameters, func(p Parameter) bool {
			return p.Column == f.Column && p.Kind != BBox && p.Kind != Words
		})
		if n < 0 {
			return len(table.Parameters)
		}
		return n
	}
	for i := range t.file.Columns {
		c := &t.file.Columns[i]
		n := table.Column(c.Name.Value)
		if c.Search.Given() {
			table.Search = append(table.Search, n)
		}
		if c.Facet.Value {
			table.Facets = append(table.Facets, Facet{FacetPrefix + c.outside(), n})
		}
		if c.Stats.Value {
			table.Stats = append(table.Stats, n)
		}
	}
	if v := t.file.Search; v.Given() {
		n := table.Column(v.Value)
		table.Vector = &n
	}
	if t.file.searched() {
		table.Language = cmp.Or(t.file.Language.Value, defaultLanguage)
	}
	slices.SortStableFunc(table.Facets, func(a, b Facet) int { return cmp.Compare(rank(a), rank(b)) })
}

// defaultShow is how pages print a type unless the file says it.
func defaultShow(t Type) string {
	switch {
	case t.number():
		return "number"
	case t.Kind == Date:
		return "date"
	case t.time():
		return "time"
	}
	return "text"
}
