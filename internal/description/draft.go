package description

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Draft writes a first description of relations that exist: what each column is likely to
// be for, by its type, its name and what ANALYZE has found. What it guesses bears a comment
// that begins with a question mark. Parse and Resolve find no fault in it.
//
// A relation that cannot be described is a fault, and then there is no draft.
func Draft(c *Catalog, relations []RelationName) (string, Faults) {
	d := drafter{catalog: c}
	d.reporter.source.name = "database " + quoteName(c.Database)
	if len(relations) > maxTables {
		d.reporter.fault(Meaning, Span{}, "%d tables are too many for one description", len(relations)).help("name at most %d", maxTables)
		return "", d.reporter.faults
	}
	for _, name := range relations {
		d.table(name)
	}
	if len(d.reporter.faults) > 0 {
		return "", d.reporter.faults
	}
	d.joins()
	for _, t := range d.tables {
		t.columns()
	}
	text := d.text()
	if _, faults := Parse("draft", text); len(faults) > 0 {
		d.reporter.fault(Meaning, Span{}, "a description of these %d tables is too long to be read: %s", len(d.tables), faults[0].Message).help("name fewer tables")
		return "", d.reporter.faults
	}
	return text, nil
}

// drafter drafts one description.
type drafter struct {
	reporter reporter
	catalog  *Catalog
	tables   []*draftTable
}

// draftTable is one table of a draft.
type draftTable struct {
	*drafter
	*Relation
	name   string     // in the file
	key    *Attribute //
	keyed  bool       // the file says which column the key is
	label  *Attribute
	newest *Attribute
	vector *Attribute
	place  [2]*Attribute // latitude and longitude
	unsure map[string]string

	must     []int16           // columns that something names
	outside  map[string]string // what JSON and addresses call a column, by its name
	taken    map[string]bool   // names of parameters
	orders   map[string]bool
	members  map[string]bool // of a row's JSON
	summary  map[string]bool
	lines    []draftLine // of columns
	searched bool
	with     []draftLine
	left     []draftLine // what is left out, and why
}

// draftLine is one member: its name, its value, and a comment.
type draftLine struct{ name, value, comment string }

// table begins the draft of a relation, or says why there is none.
func (d *drafter) table(name RelationName) {
	if slices.ContainsFunc(d.tables, func(t *draftTable) bool { return t.RelationName == name }) {
		return
	}
	r := d.catalog.Relation(name)
	if r == nil && !reservedSchema(name.Schema) {
		f := d.reporter.fault(Meaning, Span{}, "there is no table %s", name)
		if near := NearestRelation(name, d.catalog.Names); near != "" {
			f.help("did you mean %s?", near)
		}
		return
	}
	if r == nil {
		r = &Relation{RelationName: name}
	}
	faults := unfit(r)
	for _, u := range faults {
		d.reporter.fault(Meaning, Span{}, "%s", u.why).help("%s", u.remedy)
	}
	if !plainText.MatchString(r.String()) {
		faults = append(faults, refusal{})
		d.reporter.fault(Meaning, Span{}, "the name of %s has control characters", quoted(r.String())).help("ALTER TABLE ... RENAME TO ...")
	}
	if len(faults) > 0 {
		return
	}
	t := &draftTable{
		drafter: d, Relation: r, unsure: map[string]string{}, outside: map[string]string{}, taken: map[string]bool{},
		orders: map[string]bool{DefaultOrder: true}, members: map[string]bool{}, summary: map[string]bool{"count": true},
	}
	if !t.findKey() {
		return
	}
	for _, p := range reservedParameters() {
		t.taken[p] = true
	}
	t.name = d.tableName(r.Name)
	t.guess()
	d.tables = append(d.tables, t)
}

// tableName makes a name for addresses of a relation's.
func (d *drafter) tableName(relation string) string {
	base := strings.ToLower(wordOf(relation))
	if slices.Contains(reservedTables(), base) {
		base += "_list"
	}
	name := base
	for n := 2; slices.ContainsFunc(d.tables, func(t *draftTable) bool { return t.name == name }); n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	return name
}

// findKey finds the column that tells rows apart.
func (t *draftTable) findKey() bool {
	primary := t.primaryKey()
	if len(primary) == 1 {
		if a := t.attributeByNumber(primary[0]); t.badKey(a).why == "" && plainText.MatchString(a.Name) {
			t.key = a
			return true
		}
	}
	for i := range t.Attributes {
		a := &t.Attributes[i]
		if t.badKey(a).why != "" || !plainText.MatchString(a.Name) {
			continue
		}
		if t.key == nil || !simpleKey(t.key) && simpleKey(a) {
			t.key, t.keyed = a, true
		}
	}
	if t.key != nil {
		return true
	}
	f := t.reporter.fault(Meaning, Span{}, "%s has no column that tells its rows apart: one that is unique and NOT NULL, and smallint, integer, bigint, uuid, text or varchar", t.RelationName)
	if len(primary) == 1 {
		if a := t.attributeByNumber(primary[0]); t.badKey(a).why != "" {
			f.Message = fmt.Sprintf("%s of %s, %s, cannot be the key: %s", quoteName(a.Name), t.RelationName, a.Type.Name, t.badKey(a).why)
		}
	}
	if len(primary) == 0 {
		f.help("ALTER TABLE %s ADD id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", t.RelationName)
	} else {
		f.help("ALTER TABLE %s ADD row_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE", t.RelationName)
	}
	return false
}

func simpleKey(a *Attribute) bool { return a.Type.whole() || a.Type.Kind == UUID }

// usable reports whether a column can be used at all.
func usable(a *Attribute) bool { return a.Generated != Virtual && plainText.MatchString(a.Name) }

// guess finds the columns that say what a row is called, when it was made, and where it is.
func (t *draftTable) guess() {
	t.need(t.key.Number)
	t.label = t.named(labelNames, func(a *Attribute) bool { return a.Type.text() && !secret(a.Name) })
	if t.label == nil {
		for i := range t.Attributes {
			a := &t.Attributes[i]
			if usable(a) && a.NotNull && a.Type.text() && a != t.key && !secret(a.Name) && !long(a) && t.foreignKey(a) == nil {
				t.label = a
				t.unsure["label"] = "the first text that every row has"
				break
			}
		}
	}
	t.newest = t.named(newestNames, func(a *Attribute) bool { return a.Type.time() })
	if t.newest == nil {
		for i := range t.Attributes {
			if a := &t.Attributes[i]; usable(a) && a.Type.time() && a.Default != "" && !changes(a.Name) {
				t.newest = a
				t.unsure["newest"] = "the first instant that has a default"
				break
			}
		}
	}
	t.guessPlace()
	if t.newest != nil && !t.indexed(t.newest.Number) {
		why := fmt.Sprintf("needs an index: CREATE INDEX ON %s (%s DESC, %s DESC)", t.RelationName, sqlName(t.newest.Name), sqlName(t.key.Name))
		t.unsure["newest"] = strings.TrimPrefix(t.unsure["newest"]+"; "+why, "; ")
	}
	t.guessVector()
	for _, a := range []*Attribute{t.label, t.newest, t.vector, t.place[0], t.place[1]} {
		if a != nil {
			t.need(a.Number)
		}
	}
}

// named returns the first column that has one of the names.
func (t *draftTable) named(names []string, fits func(*Attribute) bool) *Attribute {
	for _, name := range names {
		for i := range t.Attributes {
			if a := &t.Attributes[i]; usable(a) && plainName(a.Name) == name && fits(a) {
				return a
			}
		}
	}
	return nil
}

// plainName is a name without what spellings differ in: createdAt and created_at are createdat.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// guessPlace finds two columns that differ by latitude and longitude.
func (t *draftTable) guessPlace() {
	degrees := func(a *Attribute) bool {
		return usable(a) && (a.Type.Kind == Double || a.Type.Kind == Real || a.Type.Kind == Numeric)
	}
	for i := range t.Attributes {
		a := &t.Attributes[i]
		name := plainName(a.Name)
		for _, pair := range [][2]string{{"latitude", "longitude"}, {"lat", "longitude"}, {"lat", "lng"}, {"lat", "lon"}, {"lat", "long"}} {
			stem, ok := strings.CutSuffix(name, pair[0])
			if !ok || !degrees(a) {
				continue
			}
			for j := range t.Attributes {
				if b := &t.Attributes[j]; degrees(b) && plainName(b.Name) == stem+pair[1] {
					t.place = [2]*Attribute{a, b}
					return
				}
			}
		}
	}
}

// guessVector finds the column that is searched: one of type tsvector, if possible one that an
// index finds words in.
func (t *draftTable) guessVector() {
	for i := range t.Attributes {
		a := &t.Attributes[i]
		if !usable(a) || !a.Type.vector() {
			continue
		}
		indexed := slices.ContainsFunc(t.Indexes, func(x IndexInfo) bool { return x.finds(a.Number, "") })
		if t.vector == nil || indexed && t.unsure["search"] != "" {
			t.vector = a
			delete(t.unsure, "search")
			if !indexed {
				t.unsure["search"] = fmt.Sprintf("needs an index: CREATE INDEX ON %s USING gin (%s)", t.RelationName, sqlName(a.Name))
			}
		}
	}
}

// joins drafts what foreign keys say: the row that a column refers to, and the rows that
// refer to a row.
func (d *drafter) joins() {
	for _, t := range d.tables {
		for i := range t.Attributes {
			t.members[t.Attributes[i].Name] = true
		}
	}
	seen := map[ForeignKey]bool{}
	for _, fk := range d.catalog.ForeignKeys {
		from, to := d.of(fk.From), d.of(fk.To)
		if seen[fk] || from == nil || to == nil || fk.ToColumn != to.key.Number {
			continue
		}
		seen[fk] = true
		by := from.attributeByNumber(fk.FromColumn)
		if by == nil || !usable(by) || !by.Type.joins(to.key.Type) {
			continue
		}
		if !from.need(by.Number) {
			continue
		}
		from.addJoin(oneName(by.Name), fmt.Sprintf("{table: %s, by: %s}", yamlName(to.name), yamlName(by.Name)), "")
		to.addMany(from, by)
	}
}

func (d *drafter) of(name RelationName) *draftTable {
	for _, t := range d.tables {
		if t.RelationName == name {
			return t
		}
	}
	return nil
}

// oneName names the row that a column refers to: agent_id refers to an agent.
func oneName(column string) string {
	for _, suffix := range []string{"_id", "_uuid", "_key", "Id", "ID", "id"} {
		if stem, ok := strings.CutSuffix(column, suffix); ok && wordPattern.MatchString(stem) && len(stem) > 1 {
			return stem[:min(len(stem), 36)]
		}
	}
	return wordOf(column) + "_row"
}

// need notes that something names a column; false if no more columns can be used.
func (t *draftTable) need(number int16) bool {
	switch {
	case slices.Contains(t.must, number):
	case len(t.must) == maxUsed:
		return false
	default:
		t.must = append(t.must, number)
	}
	return true
}

// addJoin adds a member of with, under a name that is not taken.
func (t *draftTable) addJoin(name, value, comment string) {
	if len(t.with) == maxJoins {
		t.leave(fmt.Sprintf("with %s: %s", name, value), fmt.Sprintf("at most %d things can be inside a row", maxJoins))
		return
	}
	name = t.free(name, func(name string) bool { return t.members[name] })
	t.members[name] = true
	t.with = append(t.with, draftLine{name, value, comment})
}

// tooMany is how many rows nobody wants to see inside another.
const tooMany = 50

// addMany drafts the rows of another table that refer to a row.
func (t *draftTable) addMany(from *draftTable, by *Attribute) {
	order := "true"
	if a := from.named(positionNames, func(a *Attribute) bool { return a.Type.whole() || a.Type.Kind == Numeric }); a != nil && from.need(a.Number) {
		order = yamlName(a.Name)
	}
	value := fmt.Sprintf("{table: %s, by: %s, many: %s}", yamlName(from.name), yamlName(by.Name), order)
	if t.Rows > 0 && from.Rows/t.Rows > tooMany {
		t.leave(fmt.Sprintf("with %s: %s", from.name, value), fmt.Sprintf("each row would show some %.0f rows", from.Rows/t.Rows))
		return
	}
	comment := ""
	if !from.indexed(by.Number) {
		comment = fmt.Sprintf("? needs an index: CREATE INDEX ON %s (%s)", from.RelationName, sqlName(by.Name))
	} else if t.Rows <= 0 || from.Rows < 0 {
		comment = "? if these are few rows"
	}
	name := from.name
	if t.members[name] {
		name = wordOf(from.name + "_by_" + oneName(by.Name))
	}
	t.addJoin(name, value, comment)
}

// columns drafts the columns.
func (t *draftTable) columns() {
	t.members = map[string]bool{}
	for _, w := range t.with {
		t.members[w.name] = true
	}
	room := maxUsed - len(t.must)
	t.column(t.key)
	for i := range t.Attributes {
		a := &t.Attributes[i]
		if a == t.key {
			continue
		}
		if reason := t.leaveOut(a); reason != "" {
			t.leave(yamlName(a.Name), reason)
			continue
		}
		if !slices.Contains(t.must, a.Number) {
			if room == 0 {
				t.leave(yamlName(a.Name), fmt.Sprintf("at most %d columns can be used", maxUsed))
				continue
			}
			room--
		}
		t.column(a)
	}
}

// leave notes what is left out. Columns that are left out for the same reason share lines.
func (t *draftTable) leave(name, reason string) {
	const widest = 60
	if n := len(t.left) - 1; n >= 0 && t.left[n].comment == reason && len(t.left[n].name)+len(name) < widest {
		t.left[n].name += ", " + name
		return
	}
	t.left = append(t.left, draftLine{name: name, comment: reason})
}

// leaveOut says why a column is not in the draft, "" if it is.
func (t *draftTable) leaveOut(a *Attribute) string {
	base := cmp.Or(a.Type.Base, a.Type.Name)
	_, plain, _ := strings.Cut("."+base, ".")
	switch {
	case !plainText.MatchString(a.Name):
		return "its name has control characters"
	case a.Generated == Virtual:
		return "it is computed whenever it is read, so no trigger sees it change: have it STORED"
	case secret(a.Name) && a != t.label:
		return "its name sounds like a secret"
	case base == "bytea":
		return "bytes are not for JSON"
	case a.Type.vector() && a == t.vector:
		return "search: looks into it"
	case a.Type.vector():
		return "search: looks into another one"
	case strings.HasPrefix(plain, "geometry") || strings.HasPrefix(plain, "geography") ||
		slices.Contains([]string{"point", "box", "polygon", "path", "circle", "line", "lseg"}, base):
		return "of a place, freshlist takes latitude and longitude, which can be generated columns, STORED"
	}
	return ""
}

// draftColumn is what a column is likely to be for.
type draftColumn struct {
	filter, search, show, unit, on, write string
	facet, sort, stats                    bool
	comment                               string
}

// note adds to the comment.
func (c *draftColumn) note(text string) {
	if c.comment != "" {
		text = c.comment + "; " + strings.TrimPrefix(text, "? ")
	}
	c.comment = text
}

// column drafts one column.
func (t *draftTable) column(a *Attribute) {
	c := t.purpose(a)
	if c.sort && !t.indexed(a.Number) {
		c.note(fmt.Sprintf("? the order needs an index: CREATE INDEX ON %s (%s, %s)", t.RelationName, sqlName(a.Name), sqlName(t.key.Name)))
	}
	outside := a.Name
	var members []string
	add := func(name, value string) {
		if value != "" {
			members = append(members, name+": "+value)
		}
	}
	if !wordPattern.MatchString(outside) || len(outside) > 40 || t.members[outside] {
		outside = t.free(wordOf(outside), func(name string) bool {
			return t.members[name] || t.Attribute(name) != nil
		})
		add("as", yamlName(outside))
	}
	t.members[outside] = true
	if c.filter != "" {
		add("filter", c.filter)
		param := t.free(outside, func(name string) bool {
			return slices.ContainsFunc(parameterNames(c.filter, name), func(p string) bool { return t.taken[p] })
		})
		if param != outside {
			add("param", yamlName(param))
		}
		for _, p := range parameterNames(c.filter, param) {
			t.taken[p] = true
		}
	}
	if c.sort {
		name := t.free(outside, func(name string) bool { return t.orders[name] })
		t.orders[name] = true
		if name == outside {
			add("sort", "true")
		} else {
			add("sort", yamlName(name))
		}
	}
	if t.vector == nil {
		add("search", c.search)
	}
	if c.facet && !t.summary[FacetPrefix+outside] {
		t.summary[FacetPrefix+outside] = true
		add("facet", "true")
	}
	if c.stats && !t.summary[outside] {
		t.summary[outside] = true
		add("stats", "true")
	}
	add("on", c.on)
	add("show", c.show)
	if c.unit != "" {
		add("unit", yamlName(c.unit))
	}
	add("write", c.write)
	t.searched = t.searched || c.search != "" || t.vector != nil
	t.lines = append(t.lines, draftLine{a.Name, "{" + strings.Join(members, ", ") + "}", c.comment})
}

// free returns a name that is not taken, the given one if possible.
func (t *draftTable) free(base string, taken func(string) bool) string {
	name := base
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s_%d", base[:min(len(base), 36)], n)
	}
	return name
}

// parameterNames are the parameters of a filter.
func parameterNames(filter, base string) []string {
	switch filter {
	case "range":
		return []string{"min_" + base, "max_" + base}
	case "min", "max":
		return []string{filter + "_" + base}
	}
	return []string{base}
}

// text writes the draft.
func (d *drafter) text() string {
	var b strings.Builder
	b.WriteString("# A first draft, made from the catalog of " + comment(d.reporter.source.name) + ".\n" +
		"# Read it before you use it: what is guessed bears a question mark.\n\n")
	name := "Listings"
	if len(d.tables) > 0 {
		name = words(d.tables[0].name)
	}
	fmt.Fprintf(&b, "site: {name: %s, locale: %s, currency: %s}   # ?\n\ntables:\n", yamlName(name), defaultLocale, defaultCurrency)
	for i, t := range d.tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		t.write(&b)
	}
	return b.String()
}

// write writes one table.
func (t *draftTable) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s:\n    relation: %s\n", yamlName(t.name), yamlText(t.RelationName.String()))
	if t.keyed {
		fmt.Fprintf(b, "    key: %s\n", yamlName(t.key.Name))
	}
	if t.label != nil && t.label != t.key {
		t.property(b, "label", yamlName(t.label.Name))
	}
	if !slices.ContainsFunc(t.Attributes, func(a Attribute) bool { return a.Stats.Known }) {
		b.WriteString("    # ? nobody has counted the values of this table: run ANALYZE, and draft it again\n")
	}
	b.WriteString("    columns:\n")
	writeLines(b, t.lines)
	for _, l := range t.left {
		fmt.Fprintf(b, "      # left out: %s: %s\n", comment(l.name), comment(l.comment))
	}
	if t.newest != nil {
		t.property(b, "newest", yamlName(t.newest.Name))
	} else {
		b.WriteString("    # newest: ?   no column says when a row was made; the greatest key comes first\n")
	}
	if t.place[0] != nil {
		fmt.Fprintf(b, "    place: {latitude: %s, longitude: %s}\n", yamlName(t.place[0].Name), yamlName(t.place[1].Name))
	}
	if t.vector != nil {
		t.property(b, "search", yamlName(t.vector.Name))
	}
	if language, sure := t.language(); t.searched && language != defaultLanguage {
		if !sure {
			language += "   # ?"
		}
		fmt.Fprintf(b, "    language: %s\n", language)
	}
	if len(t.with) > 0 {
		b.WriteString("    with:\n")
		writeLines(b, t.with)
	}
}

// configuration matches the text search configuration in what makes a vector.
var configuration = regexp.MustCompile(`to_tsvector\('([a-z_0-9]+)'::regconfig`)

// language guesses the text search configuration: the one that the vector is made with, as far
// as PostgreSQL computes it.
func (t *draftTable) language() (name string, sure bool) {
	known := t.catalog.Configurations
	if t.vector != nil {
		if m := configuration.FindStringSubmatch(t.vector.Expression); m != nil && (len(known) == 0 || slices.Contains(known, m[1])) {
			return yamlName(m[1]), true
		}
	}
	if len(known) > 0 && !slices.Contains(known, defaultLanguage) {
		return yamlName(known[0]), false
	}
	return defaultLanguage, true
}

func (t *draftTable) property(b *strings.Builder, name, value string) {
	fmt.Fprintf(b, "    %s: %s", name, value)
	if why := t.unsure[name]; why != "" {
		b.WriteString("   # ? " + comment(why))
	}
	b.WriteByte('\n')
}

// writeLines writes members below one another, their values aligned.
func writeLines(b *strings.Builder, lines []draftLine) {
	const widestName = 30
	most := 0
	for _, l := range lines {
		if w := width([]rune(yamlName(l.name))); w <= widestName {
			most = max(most, w)
		}
	}
	for _, l := range lines {
		name := yamlName(l.name)
		gap := strings.Repeat(" ", max(0, most-width([]rune(name)))+1)
		fmt.Fprintf(b, "      %s:%s%s", name, gap, l.value)
		if l.comment != "" {
			b.WriteString("   # " + comment(l.comment))
		}
		b.WriteByte('\n')
	}
}

// comment returns a text as a comment may have it: in one line, whatever the database
// holds.
func comment(text string) string {
	const most = 200
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > most {
			b.WriteString("...")
			break
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
