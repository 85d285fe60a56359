package description

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxUsed is how many columns of one table may be used: a set of them is a number of 64 bits.
const maxUsed = 64

// What a site is called, and how it writes, unless the file says it.
const (
	defaultSiteName = "Listings"
	defaultLocale   = "en-US"
	defaultCurrency = "USD"
	defaultLanguage = "english"
)

// Relations returns the names of the relations that a file is about, for the catalog to be
// read. Those that are not spelled as SQL spells them are left out; Resolve finds them.
func (f *File) Relations() []RelationName {
	var names []RelationName
	for i := range f.Tables {
		if name, err := f.Tables[i].relation(); err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (t *FileTable) relation() (RelationName, error) {
	if !t.Relation.Given() {
		return RelationName{defaultSchema, t.Name.Value}, nil
	}
	return ParseRelation(t.Relation.Value)
}

// relationAt is where a file says which relation a table is.
func (t *FileTable) relationAt() Span {
	if t.Relation.Given() {
		return t.Relation.At
	}
	return t.Name.At
}

// Resolve holds a file against the catalog. It returns the file's faults, those that Parse
// has found too, or a Description if there are none.
func Resolve(f *File, c *Catalog) (*Description, Faults) {
	r := newResolver(f, c)
	d := r.resolve()
	if faults := append(slices.Clone(f.faults), r.faults...).sorted(); len(faults) > 0 {
		return nil, faults
	}
	return d, nil
}

// Review returns what is good enough to be used and still worth a second look, such as a
// sort that no index serves.
func Review(f *File, c *Catalog) Faults {
	r := newResolver(f, c)
	r.resolve()
	return r.warnings.faults.sorted()
}

// resolver resolves one file.
type resolver struct {
	reporter
	warnings reporter
	file     *File
	catalog  *Catalog
	tables   []*tableResolver
}

func newResolver(f *File, c *Catalog) *resolver {
	return &resolver{
		reporter: reporter{source: f.source}, warnings: reporter{source: f.source}, file: f, catalog: c,
	}
}

// warn notes something that can be used all the same.
func (r *resolver) warn(at Span, format string, args ...any) *Fault {
	f := r.warnings.fault(Meaning, at, format, args...)
	f.Warning = true
	return f
}

// tableResolver resolves one table.
type tableResolver struct {
	*resolver
	file     *FileTable
	relation *Relation // nil if there is none that can be described
	used     []int16   // numbers of attributes
	key      *Attribute

	// What assemble makes of it, once the names are known to be good.
	parameters []namedParameter
	orders     []namedOrder
	checked    map[string]*facts
}

// resolve goes through the file twice: first it finds the columns that are used, also by
// joins of other tables, then it numbers them. The description is of use only if there are
// no faults.
func (r *resolver) resolve() *Description {
	r.encoding()
	for i := range r.file.Tables {
		t := &tableResolver{resolver: r, file: &r.file.Tables[i]}
		t.find()
		r.tables = append(r.tables, t)
	}
	r.doubled()
	for _, t := range r.tables {
		t.columns()
	}
	for _, t := range r.tables {
		t.joins()
	}
	for _, t := range r.tables {
		t.names()
		t.limits()
		t.creatable()
	}
	d := &Description{Format: Format, Site: r.site()}
	if len(r.faults) > 0 || len(r.file.faults) > 0 {
		return d
	}
	for _, t := range r.tables {
		d.Tables = append(d.Tables, t.assemble())
	}
	for i, t := range r.tables {
		d.Tables[i].With = t.assembleJoins(d)
	}
	d.setUses()
	return d
}

func (r *resolver) encoding() {
	if r.catalog.Encoding != "" && r.catalog.Encoding != "UTF8" {
		r.fault(Meaning, Span{1, 1, 1}, "the encoding of database %s is %s, not UTF8", quoteName(r.catalog.Database), r.catalog.Encoding).
			help("move the tables into a database made by CREATE DATABASE ... ENCODING 'UTF8'")
	}
}

func (r *resolver) site() Site {
	s := r.file.Site
	site := Site{
		Name:     cmp.Or(s.Name.Value, defaultSiteName),
		Locale:   cmp.Or(s.Locale.Value, defaultLocale),
		Currency: cmp.Or(s.Currency.Value, defaultCurrency),
		Home:     s.Home.Value,
		URL:      s.URL.Value,
	}
	if site.Home == "" && len(r.file.Tables) > 0 {
		site.Home = r.file.Tables[0].Name.Value
	}
	if s.Home.Given() && r.table(s.Home.Value) == nil {
		r.fault(Meaning, s.Home.At, "%s is not a table of this file", quoteName(s.Home.Value)).near(s.Home.Value, r.tableNames())
	}
	return site
}

func (r *resolver) table(name string) *tableResolver {
	for _, t := range r.tables {
		if t.file.Name.Value == name {
			return t
		}
	}
	return nil
}

func (r *resolver) tableNames() []string {
	var names []string
	for i := range r.file.Tables {
		names = append(names, r.file.Tables[i].Name.Value)
	}
	return names
}

// doubled refuses a relation that two tables are.
func (r *resolver) doubled() {
	first := map[RelationName]Span{}
	for _, t := range r.tables {
		if t.relation == nil {
			continue
		}
		at := t.file.relationAt()
		if before, doubled := first[t.relation.RelationName]; doubled {
			r.fault(Meaning, at, "%s is described here for the second time", t.relation.RelationName).
				see(r.source, before, "the first time").help("put all of it into one table")
			continue
		}
		first[t.relation.RelationName] = at
	}
}

// find looks the relation up and judges it.
func (t *tableResolver) find() {
	at, name := t.file.relationAt(), t.file.Name.Value
	if slices.Contains(reservedTables(), name) {
		t.fault(Meaning, t.file.Name.At, "a table cannot be called %s: it is an address of the API itself", name).
			help("choose another name, such as %s_list, and say which table it is by relation: %s", name, name)
	}
	wanted, err := t.file.relation()
	if err != nil {
		t.fault(Meaning, at, "%s is not the name of a table: %v", quoted(t.file.Relation.Value), err).
			help(`write it as SQL does: public.homes, or '"Homes"."of 2024"' with what needs quotes in double ones`)
		return
	}
	relation := t.catalog.Relation(wanted)
	if relation == nil && !reservedSchema(wanted.Schema) {
		t.missing(wanted)
		return
	}
	if relation == nil {
		relation = &Relation{RelationName: wanted}
	}
	faults := unfit(relation)
	for _, u := range faults {
		t.fault(Meaning, at, "%s", u.why).help("%s", u.remedy)
	}
	if len(faults) > 0 {
		return
	}
	t.relation = relation
	if t.relation.RowSecurity {
		t.warn(at, "%s has row security: nothing is cached for roles that it applies to", wanted).
			help("give the API a role with BYPASSRLS, or ALTER TABLE %s DISABLE ROW LEVEL SECURITY", wanted.sqlShort())
	}
	if t.relation.Unlogged {
		t.warn(at, "%s is unlogged: it is empty after a crash, and standbys have none of it", wanted).
			help("ALTER TABLE %s SET LOGGED", wanted.sqlShort())
	}
	t.findKey()
}

// sqlShort spells a name in a remedy.
func (n RelationName) sqlShort() string { return n.String() }

// missing says that there is no such relation, and which is near.
func (t *tableResolver) missing(wanted RelationName) {
	at := t.file.relationAt()
	f := t.fault(Meaning, at, "there is no table %s", wanted)
	if t.catalog.Database != "" {
		f.Message += " in database " + quoteName(t.catalog.Database)
	}
	if near := NearestRelation(wanted, t.catalog.Names); near != "" {
		f.label("did you mean %s?", near)
	} else if !t.file.Relation.Given() {
		f.help("say which table it is by relation:")
	} else {
		f.help(`\dt *.* of psql shows which there are`)
	}
}

// NearestRelation returns the name, as SQL spells it, of the relation that is most likely
// meant, "" if none is near. One of the same name in another schema comes first, then one
// of the same schema.
func NearestRelation(wanted RelationName, names []RelationName) string {
	var same, schema, all []RelationName
	for _, n := range names {
		if strings.EqualFold(n.Name, wanted.Name) {
			same = append(same, n)
		}
		if n.Schema == wanted.Schema {
			schema = append(schema, n)
		}
		all = append(all, n)
	}
	if len(same) > 0 {
		return cmp.Or(Nearest(wanted.String(), spelledAll(same)), same[0].String())
	}
	for _, list := range [][]RelationName{schema, all} {
		var candidates []string
		for _, n := range list {
			candidates = append(candidates, n.Name)
		}
		if near := Nearest(wanted.Name, candidates); near != "" {
			return list[slices.Index(candidates, near)].String()
		}
	}
	return ""
}

func spelledAll(names []RelationName) (spelled []string) {
	for _, n := range names {
		spelled = append(spelled, n.String())
	}
	return spelled
}

// reservedSchema reports whether no table of a schema can be described.
func reservedSchema(schema string) bool {
	return slices.Contains([]string{"pg_catalog", "information_schema", "pg_toast", "freshlist"}, schema)
}

// unfit says why a relation cannot be described, each reason with the remedy.
func unfit(r *Relation) (faults []refusal) {
	name := r.String()
	add := func(remedy, format string, args ...any) {
		faults = append(faults, refusal{fmt.Sprintf(format, args...), remedy})
	}
	switch {
	case reservedSchema(r.Schema):
		add("describe a table of your own", "%s belongs to PostgreSQL or to freshlist itself", name)
		return faults
	case r.Kind == View:
		add("describe the tables that it reads, and show one inside the other by with:", "%s is a view: no trigger sees when its rows change", name)
		return faults
	case r.Kind == MaterializedView:
		add("describe the tables that it reads, or have a job write its rows into a table",
			"%s is a materialized view: REFRESH fires no trigger", name)
		return faults
	case r.Kind == PartitionedTable:
		add("describe a table that is not partitioned: CREATE TABLE ... (LIKE "+name+" INCLUDING ALL)",
			"%s is partitioned: an edit of a partition fires no trigger of the whole", name)
		return faults
	case r.Kind == ForeignTable:
		add("run freshlist beside the server that has the table", "%s is a foreign table: no trigger sees what others change on its server", name)
		return faults
	case r.Kind != OrdinaryTable:
		add("name a table", "%s is no table", name)
		return faults
	}
	if r.Temporary {
		add("describe a table that stays", "%s is a temporary table, which only one session has", name)
	}
	if r.Partition {
		add("describe a table that is not partitioned, or ALTER TABLE ... DETACH PARTITION "+name,
			"%s is a partition: an edit of the whole table fires none of its triggers", name)
	} else if r.Parents {
		add("ALTER TABLE "+name+" NO INHERIT ...", "%s inherits from another table: an edit of that one fires none of its triggers", name)
	}
	if r.Children {
		add("describe the other tables, or ALTER TABLE ... NO INHERIT "+name,
			"other tables inherit from %s: an edit of theirs fires none of its triggers", name)
	}
	return faults
}

// findKey finds the column that tells rows apart.
func (t *tableResolver) findKey() {
	if t.file.Key.Given() {
		if a := t.attribute(t.file.Key, "the key"); a != nil {
			t.judgeKey(a, t.file.Key.At)
		}
		return
	}
	at := t.file.relationAt()
	columns := t.relation.primaryKey()
	if len(columns) == 1 {
		t.judgeKey(t.relation.attributeByNumber(columns[0]), at)
		return
	}
	f := t.fault(Meaning, at, "%s has no primary key", t.relation)
	if len(columns) > 1 {
		var names []string
		for _, n := range columns {
			names = append(names, quoteName(t.relation.attributeByNumber(n).Name))
		}
		f.Message = fmt.Sprintf("the primary key of %s has %d columns, %s: one is needed", t.relation, len(columns), strings.Join(names, ", "))
	}
	if keys := t.relation.keyNames(); len(keys) > 0 {
		f.help("write key: %s", yamlName(keys[0]))
	} else if len(columns) > 1 {
		f.help("ALTER TABLE %s ADD row_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE\nand write key: row_id", t.relation)
	} else {
		f.help("ALTER TABLE %s ADD id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", t.relation)
	}
}

// keyNames are the columns that could be the key.
func (r *Relation) keyNames() (names []string) {
	for i := range r.Attributes {
		if a := &r.Attributes[i]; r.badKey(a) == (refusal{}) {
			names = append(names, a.Name)
		}
	}
	return names
}

// badKey says why a column cannot be the key.
func (r *Relation) badKey(a *Attribute) refusal {
	quoted := sqlName(a.Name)
	switch bad := a.Type.keys(); {
	case a.Generated == Virtual:
		return refusal{"it is computed whenever it is read", "have it STORED"}
	case bad.why != "":
		return bad
	case !a.NotNull:
		return refusal{"it may be NULL", fmt.Sprintf("ALTER TABLE %s ALTER %s SET NOT NULL", r, quoted)}
	case !r.unique(a.Number):
		return refusal{"two rows may have the same value", fmt.Sprintf("ALTER TABLE %s ADD UNIQUE (%s)", r, quoted)}
	}
	return refusal{}
}

func (t *tableResolver) judgeKey(a *Attribute, at Span) {
	if bad := t.relation.badKey(a); bad.why != "" {
		t.fault(Meaning, at, "%s of %s, %s, cannot be the key: %s", quoteName(a.Name), t.relation, a.Type.Name, bad.why).help("%s", bad.remedy)
		return
	}
	t.key = a
	t.use(a)
	if !a.Type.whole() && a.Type.Kind != UUID {
		t.warn(at, "the key %s is a text: a row whose key is summary has no address", quoteName(a.Name)).
			help("keep such a value out by a check of the table")
	}
}

// use notes that a column is used.
func (t *tableResolver) use(a *Attribute) {
	if a != nil && !slices.Contains(t.used, a.Number) {
		t.used = append(t.used, a.Number)
	}
}

// attribute returns the column that a file names, nil with a fault if there is none.
func (t *tableResolver) attribute(name Located[string], what string) *Attribute {
	if t.relation == nil || !name.Given() {
		return nil
	}
	a := t.relation.Attribute(name.Value)
	switch {
	case a == nil && slices.Contains([]string{"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}, name.Value):
		t.fault(Meaning, name.At, "%s is a column of PostgreSQL's own, which changes by itself", name.Value).help("name a column of the table's")
	case a == nil:
		t.fault(Meaning, name.At, "%s has no column %s", t.relation, quoteName(name.Value)).near(name.Value, t.relation.attributeNames())
	case a.Generated == Virtual:
		t.fault(Meaning, name.At, "%s of %s cannot be used: it is computed whenever it is read, so no trigger sees it change", quoteName(a.Name), t.relation).
			help("have it STORED, or leave it out")
		return nil
	}
	return a
}
