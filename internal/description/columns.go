package description

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// columns judges what the file says of the table's columns.
func (t *tableResolver) columns() {
	if t.relation == nil {
		return
	}
	for i := range t.file.Columns {
		t.column(&t.file.Columns[i])
	}
	t.label()
	t.newest()
	t.place()
	t.vector()
	t.language()
	t.unindexedSearch()
}

// column judges one column.
func (t *tableResolver) column(c *FileColumn) {
	a := t.attribute(c.Name, "a column")
	if a == nil {
		return
	}
	t.use(a)
	name := fmt.Sprintf("%s, %s,", quoteName(a.Name), a.Type.Name)
	refuse := func(at Span, what string, r refusal) {
		if at.given() && r.why != "" {
			t.fault(Meaning, at, "%s %s: %s", name, what, r.why).help("%s", r.remedy)
		}
	}
	refuse(c.Filter.At, "cannot have the filter "+c.Filter.Value, a.Type.filters(c.Filter.Value))
	if c.sorts() {
		refuse(c.sortAt(), "cannot be sorted by", a.Type.sorts())
	}
	if c.Facet.Value {
		refuse(c.Facet.At, "cannot be a facet", a.Type.facets())
	}
	if c.Stats.Value {
		refuse(c.Stats.At, "cannot have stats", a.Type.stats())
	}
	if c.Search.Given() && !a.Type.text() {
		refuse(c.Search.At, "cannot be searched for words", refusal{"it is no text", "remove it"})
	}
	refuse(c.Show.At, "cannot be shown as "+c.Show.Value, a.Type.shows(c.Show.Value))
	t.picture(c, a, refuse)
	if c.Unit.Given() && !a.Type.number() {
		refuse(c.Unit.At, "cannot have a unit", refusal{"it is no number", "remove it"})
	}
	t.writes(c, a, refuse)
	t.sources(c, a)
	t.idle(c, a)
	t.slow(c, a)
}

// picture judges a column of pictures. An answer has its address, and never itself.
func (t *tableResolver) picture(c *FileColumn, a *Attribute, refuse func(Span, string, refusal)) {
	if c.Show.Value != ShowSVG {
		return
	}
	nobody := func(at Span) refusal {
		if !at.given() {
			return refusal{}
		}
		return refusal{"it is a picture", "remove it, or show: svg"}
	}
	refuse(c.Filter.At, "cannot have a filter", nobody(c.Filter.At))
	refuse(c.Facet.At, "cannot be a facet", nobody(c.Facet.At))
	refuse(c.Search.At, "cannot be searched for words", nobody(c.Search.At))
	if c.sorts() {
		refuse(c.sortAt(), "cannot be sorted by", nobody(c.sortAt()))
	}
	switch a.Name {
	case t.file.Label.Value:
		refuse(t.file.Label.At, "cannot say what a row is called", nobody(t.file.Label.At))
	case t.file.Newest.Value:
		refuse(t.file.Newest.At, "cannot order rows", nobody(t.file.Newest.At))
	}
	if a == t.key {
		refuse(c.Show.At, "cannot be shown as svg", refusal{"it is the key", "remove it"})
	}
	for i := range t.file.Columns {
		other := &t.file.Columns[i]
		if other == c {
			break
		}
		if other.Show.Value == ShowSVG {
			t.fault(Meaning, c.Show.At, "%s has two columns of pictures", t.relation).see(t.source, other.Show.At, "the first one").
				help("show one of them otherwise, or put pictures into a table of their own, shown by with:")
		}
	}
}

// sorts reports whether lists can be sorted by the column.
func (c *FileColumn) sorts() bool { return c.Sort.Value || c.SortName.Given() }

func (c *FileColumn) sortAt() Span {
	if c.SortName.Given() {
		return c.SortName.At
	}
	return c.Sort.At
}

// writes judges whether the API can set the column.
func (t *tableResolver) writes(c *FileColumn, a *Attribute, refuse func(Span, string, refusal)) {
	wanted := c.Write.Value || c.WriteWord.Given()
	at := c.Write.At
	if c.WriteWord.Given() {
		at = c.WriteWord.At
	}
	if wanted && a.Generated != NotGenerated {
		refuse(at, "cannot be written", refusal{"PostgreSQL computes it", "write write: false, or nothing"})
	}
	if c.WriteWord.Given() && !a.Type.time() {
		refuse(at, "cannot be set to the present time", refusal{"it is no instant", "write write: true or false"})
	}
	if wanted && t.key == a {
		refuse(at, "cannot be written", refusal{"it is the key, which never changes", "remove it"})
	}
}

// idle refuses what has no effect.
func (t *tableResolver) idle(c *FileColumn, a *Attribute) {
	filter := c.Filter.Given()
	if c.Param.Given() && !filter {
		t.fault(Meaning, c.Param.At, "%s has a param and no filter", quoteName(a.Name)).help("add a filter, or remove param")
	}
	if c.On.Value != "none" {
		return
	}
	if a == t.key {
		t.fault(Meaning, c.On.At, "%s is the key, which is always shown", quoteName(a.Name)).help("remove on: none")
		return
	}
	if c.Show.Given() || c.Unit.Given() {
		t.fault(Meaning, c.On.At, "%s is shown nowhere, and show or unit say how", quoteName(a.Name)).help("remove on: none, or show and unit")
	}
	if !filter && !c.sorts() && !c.Facet.Value && !c.Stats.Value && !c.Search.Given() && !t.named(a.Name) {
		t.fault(Meaning, c.On.At, "%s is used for nothing", quoteName(a.Name)).help("remove the column, or let it be shown, filter or sort")
	}
}

// named reports whether the table uses a column by something else than its member of columns.
func (t *tableResolver) named(column string) bool {
	f := t.file
	if slices.Contains([]string{f.Label.Value, f.Newest.Value, f.Search.Value, f.Place.Latitude.Value, f.Place.Longitude.Value}, column) {
		return true
	}
	for i := range t.resolver.file.Tables {
		other := &t.resolver.file.Tables[i]
		for _, j := range other.With {
			switch {
			case !j.many() && other == f && j.By.Value == column,
				j.many() && j.Table.Value == f.Name.Value && (j.By.Value == column || j.Order.Value == column):
				return true
			}
		}
	}
	return false
}

// slow warns of what needs an index, or purges much.
func (t *tableResolver) slow(c *FileColumn, a *Attribute) {
	if c.sorts() && a.Type.sorts().why == "" {
		if !t.relation.indexed(a.Number) {
			t.warn(c.sortAt(), "no index of %s begins with %s: each page of this order sorts the whole table", t.relation, quoteName(a.Name)).
				help("CREATE INDEX ON %s (%s, %s)", t.relation, sqlName(a.Name), t.keyName())
		}
		if a.Type.Order() == Wide {
			t.warn(c.sortAt(), "only PostgreSQL can tell the order of %s, %s: every change of a row that the filter finds purges such a list", quoteName(a.Name), a.Type.Name).
				help("%s", wideRemedy(a.Type))
		}
	}
	if c.Filter.Given() && a.Type.filters(c.Filter.Value).why == "" && filterExactness(a.Type, c.Filter.Value) == Wide {
		t.warn(c.Filter.At, "only PostgreSQL can tell whether %s, %s, meets a filter: changes of other rows purge such a list, too", quoteName(a.Name), a.Type.Name).
			help("%s", wideRemedy(a.Type))
	}
}

func (t *tableResolver) keyName() string {
	if t.key == nil {
		return "id"
	}
	return sqlName(t.key.Name)
}

// filterExactness says how exactly programs tell whether a row meets a filter.
func filterExactness(t Type, filter string) Exactness {
	if filter == "any-of" || filter == "contains" {
		return t.Equality()
	}
	return t.Order()
}

func wideRemedy(t Type) string {
	switch t.Kind {
	case Numeric:
		return "a numeric of at most 18 digits, such as numeric(14,2), is compared exactly"
	case Real:
		return "double precision is compared exactly"
	}
	return `a text is ordered exactly if its column has COLLATE "C", and compared exactly under any deterministic collation`
}

// label judges the column that says what a row is called.
func (t *tableResolver) label() {
	a := t.attribute(t.file.Label, "the label")
	if a == nil {
		return
	}
	t.use(a)
	c := t.fileColumn(a.Name)
	switch {
	case a.Type.Kind == Array || a.Type.Kind == Other:
		t.fault(Meaning, t.file.Label.At, "%s, %s, cannot say what a row is called", quoteName(a.Name), a.Type.Name).help("name a column of texts or numbers")
	case a == t.key:
	case c == nil:
		t.fault(Meaning, t.file.Label.At, "%s says what a row is called and is not among columns", quoteName(a.Name)).
			help("add it to columns: %s: {}", yamlName(a.Name))
	case c.On.Given() && c.On.Value != "list":
		t.fault(Meaning, t.file.Label.At, "%s says what a row is called and is not shown in lists", quoteName(a.Name)).
			see(t.source, c.On.At, "because of this").help("remove on: %s", c.On.Value)
	}
}

// fileColumn returns the member of columns for a column, nil if there is none.
func (t *tableResolver) fileColumn(name string) *FileColumn {
	for i := range t.file.Columns {
		if t.file.Columns[i].Name.Value == name {
			return &t.file.Columns[i]
		}
	}
	return nil
}

// newest judges the column of the default order.
func (t *tableResolver) newest() {
	a := t.attribute(t.file.Newest, "the default order")
	if a == nil {
		return
	}
	t.use(a)
	if bad := a.Type.sorts(); bad.why != "" {
		t.fault(Meaning, t.file.Newest.At, "%s, %s, cannot be the default order: %s", quoteName(a.Name), a.Type.Name, bad.why).help("name an instant, a date or a number")
		return
	}
	if a.Type.Order() == Wide {
		t.warn(t.file.Newest.At, "only PostgreSQL can tell the order of %s, %s: every change of a row that the filter finds purges a list", quoteName(a.Name), a.Type.Name).
			help("%s", wideRemedy(a.Type))
	}
	if !t.relation.indexed(a.Number) {
		t.warn(t.file.Newest.At, "no index of %s begins with %s: each page sorts the whole table", t.relation, quoteName(a.Name)).
			help("CREATE INDEX ON %s (%s DESC, %s DESC)", t.relation, sqlName(a.Name), t.keyName())
	}
}

// place judges the columns of the map.
func (t *tableResolver) place() {
	p := t.file.Place
	latitude, longitude := t.attribute(p.Latitude, "the latitude"), t.attribute(p.Longitude, "the longitude")
	for _, c := range []struct {
		a  *Attribute
		at Span
	}{{latitude, p.Latitude.At}, {longitude, p.Longitude.At}} {
		if c.a == nil {
			continue
		}
		t.use(c.a)
		if c.a.Type.Kind != Double && c.a.Type.Kind != Real && c.a.Type.Kind != Numeric {
			t.fault(Meaning, c.at, "%s, %s, cannot be degrees", quoteName(c.a.Name), c.a.Type.Name).
				help("name a column of type double precision, numeric or real;\nthose of a point can be had by ALTER TABLE %s ADD latitude double precision GENERATED ALWAYS AS (...) STORED", t.relation)
		} else if c.a.Type.Within() == Wide {
			t.warn(c.at, "only PostgreSQL can tell whether %s, %s, is within a box", quoteName(c.a.Name), c.a.Type.Name).
				help("double precision, and a numeric of at most %d digits such as numeric(9,6), are compared exactly", degreesDigits)
		}
	}
	if latitude != nil && latitude == longitude {
		t.fault(Meaning, p.Longitude.At, "latitude and longitude are the same column").see(t.source, p.Latitude.At, "the latitude").help("name two columns")
	}
}

// language judges the configuration of text search.
func (t *tableResolver) language() {
	searched := t.file.searched()
	l := t.file.Language
	if l.Given() && !searched {
		t.fault(Meaning, l.At, "language says how to search, and no column is searched").help("add search: A to a column of texts, or remove language")
	}
	name := cmp.Or(l.Value, defaultLanguage)
	if known := t.catalog.Configurations; searched && len(known) > 0 && !slices.Contains(known, name) {
		at := l.At
		if !l.Given() {
			at = t.file.Name.At
		}
		t.fault(Meaning, at, "there is no text search configuration %s", quoteName(name)).near(name, known)
	}
}

// searched reports whether there is the filter q.
func (t *FileTable) searched() bool { return t.Search.Given() || len(t.searchColumns()) > 0 }

// searchColumns returns the columns whose words q finds.
func (t *FileTable) searchColumns() (columns []*FileColumn) {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Search.Given() {
			columns = append(columns, c)
		}
	}
	return columns
}

// vector judges the column that is searched.
func (t *tableResolver) vector() {
	a := t.attribute(t.file.Search, "the column that is searched")
	if a == nil {
		return
	}
	t.use(a)
	if !a.Type.vector() {
		t.fault(Meaning, t.file.Search.At, "%s of %s, %s, is no tsvector", quoteName(a.Name), t.relation, a.Type.Name).
			help("name a column of type tsvector, or remove this, and add search: A to the columns to be searched")
	}
}

// unindexedSearch warns if no index helps to find words.
func (t *tableResolver) unindexedSearch() {
	if v := t.file.Search; v.Given() {
		a := t.relation.Attribute(v.Value)
		if a != nil && a.Type.vector() && !slices.ContainsFunc(t.relation.Indexes, func(x IndexInfo) bool { return x.finds(a.Number, "") }) {
			t.warn(v.At, "no GIN index of %s is on %s: each search reads the whole table", t.relation, quoteName(a.Name)).
				help("CREATE INDEX ON %s USING gin (%s)", t.relation, sqlName(a.Name))
		}
		return
	}
	columns := t.file.searchColumns()
	expression := t.searchExpression(columns)
	if expression == "" || slices.ContainsFunc(t.relation.Indexes, func(x IndexInfo) bool { return x.finds(0, expression) }) {
		return
	}
	const name = "search_words"
	t.warn(columns[0].Search.At, "no GIN index of %s serves a search: each one reads the whole table, and takes the words out of every text anew", t.relation).
		help("ALTER TABLE %s ADD %s tsvector GENERATED ALWAYS AS (%s) STORED;", t.relation, name, expression).
		help("CREATE INDEX ON %s USING gin (%s); and write search: %s", t.relation, name, name)
}

// searchExpression is what a search looks at where no vector is stored; "" if something is
// wrong with the columns.
func (t *tableResolver) searchExpression(columns []*FileColumn) string {
	var texts []string
	for _, c := range columns {
		a := t.attributeOf(c)
		if a == nil || !a.Type.text() {
			return ""
		}
		text := sqlName(a.Name)
		if !a.NotNull {
			text = "coalesce(" + text + ", '')"
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return ""
	}
	return "to_tsvector('" + strings.ReplaceAll(cmp.Or(t.file.Language.Value, defaultLanguage), "'", "''") + "', " + strings.Join(texts, " || ' ' || ") + ")"
}

// creatable warns if the API cannot make a row, since it sets no value that has to be there.
func (t *tableResolver) creatable() {
	if t.relation == nil {
		return
	}
	for i := range t.relation.Attributes {
		a := &t.relation.Attributes[i]
		c := t.fileColumn(a.Name)
		shown := a == t.key || c != nil && c.On.Value != "none"
		if a.NotNull && a.Default == "" && !a.Identity && a.Generated == NotGenerated && t.write(a, c, shown) == "" {
			t.warn(t.file.Name.At, "no row of %s can be made through the API: %s needs a value", t.relation, quoteName(a.Name)).
				help("let writes set it, ALTER TABLE %s ALTER %s SET DEFAULT ..., or leave writing to others", t.relation, sqlName(a.Name))
		}
	}
}

// limits refuses more columns than a set of them can hold.
func (t *tableResolver) limits() {
	if len(t.used) > maxUsed {
		t.fault(Meaning, t.file.Name.At, "%d columns of %s are used, and at most %d may be", len(t.used), t.relation, maxUsed).
			help("leave out columns that nobody looks at")
	}
}
