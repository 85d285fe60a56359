package render

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

//go:embed openapi
var openAPIFiles embed.FS

// openAPITemplate writes the document: what stands in it for all tables once, and what stands
// there for each table.
var openAPITemplate = template.Must(template.New("document.json").Delims("<<", ">>").Funcs(template.FuncMap{
	"json": func(v any) string { return encoded(v) },
}).ParseFS(openAPIFiles, "openapi/*.json"))

// OpenAPI returns the OpenAPI document of the whole HTTP interface of a site, as JSON. metrics says
// whether the metrics are a part of it, or have an address of their own.
func OpenAPI(s *listing.Site, metrics bool) []byte {
	data := struct {
		Site    string
		Metrics bool
		Tables  []tableAPI
	}{Site: s.Description.Site.Name, Metrics: metrics}
	taken := map[string]bool{}
	var singulars []string
	for _, t := range s.Tables {
		a := newTableAPI(t, taken)
		data.Tables, singulars = append(data.Tables, a), append(singulars, a.Singular)
	}
	for i, t := range s.Tables {
		data.Tables[i].Schemas = data.Tables[i].schemas(t, singulars)
	}
	var text, indented bytes.Buffer
	if err := openAPITemplate.Execute(&text, data); err != nil {
		panic("render: write the OpenAPI document: " + err.Error())
	}
	if err := json.Indent(&indented, text.Bytes(), "", "  "); err != nil {
		panic("render: the OpenAPI document is not JSON: " + err.Error())
	}
	return indented.Bytes()
}

// tableAPI is what the document says of one table. Members that are JSON are written as they
// are.
type tableAPI struct {
	Name             string
	ListPath         string // of the page
	Singular, Plural string // in the names of schemas and operations
	One, AOne, Many  string // in sentences
	CapitalOne       string
	Capital          string
	ListID, RowID    string // of the pages' operations
	KeyName          string
	Key              string // the parameter, JSON
	Filters          string // references to the parameters of the filter, JSON, a comma behind each
	Sort             string // a reference, JSON
	ListFields       string // a reference, JSON
	RowFields        string // a reference, JSON
	Counted          string // what a summary has besides the count
	Parameters       string // members of components.parameters, JSON
	Schemas          string // members of components.schemas, JSON
	PictureFile      string // the last part of the address of pictures; "" if there are none
	PictureID        string // of their operation
}

func newTableAPI(t *listing.Table, taken map[string]bool) tableAPI {
	a := tableAPI{
		Name: t.Name, One: One(t), Many: Many(t), CapitalOne: Article(One(t), "A"), AOne: Article(One(t), "a"), Capital: listing.Capitalized(Many(t)),
		KeyName: t.KeyColumn().Member,
	}
	a.Plural = unusedName(camel(a.Many), taken)
	a.Singular = unusedName(camel(a.One), taken)
	a.ListID, a.RowID = "show"+a.Plural, "show"+a.Singular // not as a schema is called: generators name types by both
	if !plainName.MatchString(a.KeyName) {
		a.KeyName = "key"
	}
	all := listing.Query{Table: t, Limit: listing.DefaultLimit}
	a.ListPath = address(&all)
	a.Key = encoded(object{
		{"name", a.KeyName}, {"in", "path"}, {"required", true},
		{"description", "The key of " + a.AOne + ". One that no " + a.One + " can have is not found."}, {"schema", keySchema(t.KeyColumn())},
	})
	var parameters []string
	add := func(name string, v object) (reference string) {
		parameters = append(parameters, encoded(t.Name+"."+name)+": "+encoded(v))
		return encoded(object{{"$ref", "#/components/parameters/" + t.Name + "." + name}})
	}
	for i := range t.Parameters {
		a.Filters += add(t.Parameters[i].Name, parameterAPI(t, &t.Parameters[i])) + ", "
	}
	a.Sort = add("sort", sortAPI(t))
	a.ListFields = add("listFields", fieldsAPI(t, listing.PageKind))
	a.RowFields = add("rowFields", fieldsAPI(t, listing.RowKind))
	a.Parameters = strings.Join(parameters, ",\n")
	a.Counted = counts(t)
	if c := t.PictureColumn(); c != nil {
		a.PictureFile, a.PictureID = url.PathEscape(c.PictureFile()), listing.Lowered(a.Singular)+"Picture"
	}
	return a
}

// plainName is what can stand for a parameter in a path's template.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// camel joins words with capitals: by uuid is ByUuid.
func camel(words string) string {
	var b strings.Builder
	for _, w := range strings.Fields(words) {
		b.WriteString(listing.Capitalized(w))
	}
	return b.String()
}

// unusedName returns a name, or, if it is taken, one like it.
func unusedName(name string, taken map[string]bool) string {
	unused := name
	for i := 2; taken[unused]; i++ {
		unused = name + strconv.Itoa(i)
	}
	taken[unused] = true
	return unused
}

// Article puts a or an before a noun.
func Article(noun, a string) string {
	if noun != "" && strings.ContainsRune("aeiou", rune(noun[0])) {
		a += "n"
	}
	return a + " " + noun
}

// counts says what a summary has besides the count.
func counts(t *listing.Table) string {
	var parts []string
	for _, n := range t.Stats {
		parts = append(parts, "the least, the greatest and the mean "+listing.Lowered(label(&t.Columns[n])))
	}
	var facets []string
	for _, f := range t.Facets {
		facets = append(facets, listing.Lowered(label(&t.Columns[f.Column])))
	}
	if len(facets) > 0 {
		parts = append(parts, "how often each "+enumerated(facets)+" occurs")
	}
	if len(parts) == 0 {
		return ""
	}
	return ", " + enumerated(parts)
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, encoded(m.name)+":"+encoded(m.value)...)
	}
	return append(b, '}'), nil
}

// encoded writes a value that encoding/json can write.
func encoded(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("render: encode %v: %v", v, err))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// keySchema is the schema of a key in a path.
func keySchema(c *listing.Column) object {
	switch c.Form {
	case listing.UUID:
		return object{{"type", "string"}, {"format", "uuid"}}
	case listing.Words:
		return object{{"type", "string"}, {"minLength", 1}}
	}
	return wholeSchema(c)
}

func wholeSchema(c *listing.Column) object {
	o := object{{"type", "integer"}}
	switch c.Type.Kind {
	case description.Bigint:
		o = append(o, member{"format", "int64"})
	case description.Integer:
		o = append(o, member{"format", "int32"})
	}
	return o
}

// parameterAPI says what a parameter of a filter asks for.
func parameterAPI(t *listing.Table, p *description.Parameter) object {
	o := object{{"name", p.Name}, {"in", "query"}}
	switch p.Kind {
	case description.BBox:
		return append(o, object{
			{"description", "The place is in this box, its edges included: west, south, east, north in degrees; west not above east, south not above north."},
			{"style", "form"}, {"explode", false},
			{"schema", object{
				{"type", "array"}, {"minItems", 4}, {"maxItems", 4},
				{"items", object{{"type", "number"}, double(), {"minimum", -180}, {"maximum", 180}}},
			}},
		}...)
	case description.Words:
		var texts []string
		for _, n := range t.Search {
			texts = append(texts, "the "+listing.Lowered(t.Columns[n].Column.Label))
		}
		in := ""
		if len(texts) > 0 {
			in = " in " + listing.Either(texts)
		}
		return append(o, object{
			{"description", "Words" + in + ", as in a web search (PostgreSQL's websearch_to_tsquery, " + t.Language + "); at most 100 bytes. A search for nothing but words that are too common to be kept, such as the, finds nothing."},
			{"schema", object{{"type", "string"}, {"maxLength", 100}}},
		}...)
	}
	c := columnOf(t, p)
	what := listing.Lowered(label(c))
	switch p.Kind {
	case description.AnyOf, description.Contains:
		text := "The " + what + " is any of these, compared exactly. The name may also be repeated."
		if isText(c) {
			text += ` A comma in a value is written \,, a backslash \\.`
		}
		if p.Kind == description.Contains {
			text = "All of these are among the " + what + ". The name may also be repeated."
			if isText(c) {
				text += ` A comma in a value is written \,, a backslash \\.`
			}
		}
		return append(o, object{
			{"description", text}, {"style", "form"}, {"explode", false},
			{"schema", object{{"type", "array"}, {"maxItems", 20}, {"items", askedSchema(c, true)}}},
		}...)
	}
	bound := "at least"
	if p.Kind == description.Max {
		bound = "at most"
	}
	text := "The " + what + " is " + bound + " this"
	switch {
	case isNumber(c) && countable(label(c)):
		text = "There are " + bound + " so many " + what
	case c.Unit != "":
		text = "The " + what + " is " + bound + " so many " + c.Unit
	}
	if c.Form == listing.Decimal && c.Scale > 0 {
		text += "; " + atMostDecimals(c.Scale)
	}
	return append(o, member{"description", text + "."}, member{"schema", askedSchema(c, false)})
}

// numbers are those that are written out.
var numbers = []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

func decimals(n int) string {
	switch {
	case n == 1:
		return "one decimal"
	case n < len(numbers):
		return numbers[n] + " decimals"
	}
	return strconv.Itoa(n) + " decimals"
}

func atMostDecimals(n int) string { return "at most " + decimals(n) }

// askedSchema is the schema of a value that can be asked for.
func askedSchema(c *listing.Column, listed bool) object {
	switch c.Form {
	case listing.Whole, listing.Decimal:
		o := object{{"type", "integer"}}
		if c.Form == listing.Decimal && c.Scale > 0 {
			o = object{{"type", "number"}, double()}
		}
		least, greatest := c.Bounds()
		return append(o, member{"minimum", json.Number(least)}, member{"maximum", json.Number(greatest)})
	case listing.Truth:
		return object{{"type", "boolean"}}
	case listing.Label:
		return object{{"type", "string"}, {"enum", c.Type.Labels}}
	case listing.Day:
		return object{{"type", "string"}, {"format", "date"}}
	case listing.Moment, listing.Instant:
		return object{{"type", "string"}, {"description", "A date, or a date and a time of day."}}
	case listing.UUID:
		return object{{"type", "string"}, {"format", "uuid"}}
	}
	if isNumber(c) {
		return object{{"type", "number"}, double()}
	}
	o := object{{"type", "string"}, {"maxLength", 100}}
	if listed && len(c.OneOf) > 0 {
		o = append(o, member{"examples", c.OneOf[:1]})
	}
	return o
}

// fieldsAPI is the parameter that says which members each row of an answer has.
func fieldsAPI(t *listing.Table, k listing.Kind) object {
	text := "Which members each " + One(t) + " has; all, if there are none here. The name may also be repeated."
	if k == listing.RowKind {
		text = "Which members the " + One(t) + " has; all, if there are none here. The name may also be repeated. The entity tag is that of these members: If-Match takes the one of the whole " + One(t) + "."
	}
	return object{
		{"name", description.ParamFields}, {"in", "query"},
		{"description", text},
		{"style", "form"}, {"explode", false},
		{"schema", object{{"type", "array"}, {"items", object{{"type", "string"}, {"enum", t.Members(k)}}}}},
	}
}

// sortAPI is the parameter of the order.
func sortAPI(t *listing.Table) object {
	var names, columns []string
	for i, o := range t.Orders {
		names = append(names, o.Name)
		if name := listing.Lowered(label(t.Order(i).Column)); i > 0 && !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	text := "The order: newest first"
	if len(columns) > 0 {
		text += ", by " + listing.Either(columns) + " ascending, or with - descending"
	}
	return object{
		{"name", "sort"}, {"in", "query"},
		{"description", text + ". Ties are broken by " + t.KeyColumn().Member + " in the same direction; what is null comes last."},
		{"schema", object{{"type", "string"}, {"enum", names}, {"default", names[0]}}},
	}
}

// oddities is what a schema cannot say of values that a table's checks usually keep out.
const oddities = " Should a check of the table have been dropped, a text may be any, numbers may be out of their range or the strings" +
	" \"NaN\", \"Infinity\" and \"-Infinity\", and times \"infinity\", \"-infinity\" or of years without four digits, as PostgreSQL writes them in JSON."

// schemas returns the schemas of the table's bodies. singulars are the names of all tables in them.
func (a *tableAPI) schemas(t *listing.Table, singulars []string) string {
	shown := func(text string, columns []int, joins []*listing.Join) (o object) {
		for _, n := range columns {
			o = append(o, member{t.Columns[n].Member, shownSchema(t, &t.Columns[n])})
		}
		for _, j := range joins {
			o = append(o, member{j.Name, innerSchema(j, singulars)})
		}
		return closed(text+" Every member is there, unless fields leaves it out."+oddities, o, nil)
	}
	list := listing.Query{Table: t}
	own := t.RowQuery(listing.Value{})
	created, required := writtenProperties(t, true)
	patched, _ := writtenProperties(t, false)
	schemas := object{
		{a.Singular + "Item", shown(a.CapitalOne+" as lists show it.", t.List, list.Joins())},
		{a.Singular, shown(a.CapitalOne+".", t.Item, own.Joins())},
		{"New" + a.Singular, closed(a.CapitalOne+" to create. No text holds a NUL.", created, required)},
		{a.Singular + "Patch", closed("The members of "+a.AOne+" to change. No text holds a NUL.", patched, nil)},
		{a.Singular + "Page", closed("One page of a list.", object{
			{"items", object{{"type", "array"}, {"maxItems", listing.MaxLimit}, {"items", object{{"$ref", "#/components/schemas/" + a.Singular + "Item"}}}}},
			{"next", object{{"type", []string{"string", "null"}}, {"description", "The address of the page that follows, if one does."}}},
			{"prev", object{{"type", []string{"string", "null"}}, {"description", "The address of the page before, if there is one."}}},
			{"count", object{{"type", "integer"}, {"format", "int64"}, {"minimum", 0}, {"description", "How many there are on all pages; there with count=true."}}},
		}, []string{"items", "next", "prev"})},
		{a.Singular + "Summary", a.summarySchema(t)},
	}
	if len(list.Joins()) > 0 && isInner(t) {
		schemas = append(schemas, member{a.Singular + innerSuffix, shown(a.CapitalOne+" inside another row.", t.List, nil)})
	}
	return strings.TrimSuffix(strings.TrimPrefix(encoded(schemas), "{"), "}")
}

// innerSuffix is the end of the name of the schema of inner rows, where lists show more.
const innerSuffix = "Inside"

// isInner reports whether rows of a table are shown inside others.
func isInner(t *listing.Table) bool {
	for _, other := range t.Site.Tables {
		for i := range other.Joins {
			if other.Joins[i].Inner == t {
				return true
			}
		}
	}
	return false
}

// innerSchema is the schema of the member of a join. singulars are the tables' names in schemas.
func innerSchema(j *listing.Join, singulars []string) object {
	name := singulars[j.Inner.Number] + "Item"
	if all := (listing.Query{Table: j.Inner}); len(all.Joins()) > 0 {
		name = singulars[j.Inner.Number] + innerSuffix
	}
	one := object{{"$ref", "#/components/schemas/" + name}}
	if j.Many {
		text := fmt.Sprintf("The %s, at most %d of them.", Many(j.Inner), listing.MaxInner)
		return object{{"type", "array"}, {"maxItems", listing.MaxInner}, {"items", one}, {"readOnly", true}, {"description", text}}
	}
	return object{
		{"oneOf", []object{one, {{"type", "null"}}}}, {"readOnly", true},
		{"description", "The " + One(j.Inner) + " whose key is " + listing.Lowered(label(j.By)) + "; null if there is none."},
	}
}

// closed is the schema of an object that has no other members.
func closed(text string, properties object, required []string) object {
	if properties == nil {
		properties = object{}
	}
	o := object{{"type", "object"}, {"description", text}, {"properties", properties}}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	return append(o, member{"additionalProperties", false})
}

func (a *tableAPI) summarySchema(t *listing.Table) object {
	names := []string{"count"}
	all := object{{"count", object{{"type", "integer"}, {"format", "int64"}, {"minimum", 0}, {"description", "How many " + a.Many + " there are."}}}}
	for _, n := range t.Stats {
		c := &t.Columns[n]
		mean := c.MeanColumn()
		least := object{{"min", valueSchema(c, true)}, {"max", valueSchema(c, true)}, {"mean", valueSchema(&mean, true)}}
		all = append(all, member{c.Member, closed("Null if no "+a.One+" has a value.", least, []string{"min", "max", "mean"})})
		names = append(names, c.Member)
	}
	for _, f := range t.Facets {
		c := &t.Columns[f.Column]
		facet := closed("A value of the "+listing.Lowered(label(c))+" and how many "+a.Many+" have it.", object{
			{"value", valueSchema(c, true)}, {"count", object{{"type", "integer"}, {"format", "int64"}, {"minimum", 1}}},
		}, []string{"value", "count"})
		all = append(all, member{f.Name, object{{"type", "array"}, {"maxItems", 100}, {"items", facet}}})
		names = append(names, f.Name)
	}
	return closed("What "+a.Many+" amount to. Lists are ordered by count, highest first, then by value, null last.", all, names)
}

// shownSchema is the schema of a member of a row.
func shownSchema(t *listing.Table, c *listing.Column) object {
	if c.Picture() {
		o := object{{"type", types("string", !c.NotNull)}, {"format", "uri-reference"}}
		return described(o, "The address of the picture, an SVG. A write gives the picture itself.")
	}
	o := valueSchema(c, !c.NotNull)
	if c.Write != description.Settable {
		o = append(o, member{"readOnly", true})
	}
	text := unitWords(t, c)
	switch c.Form {
	case listing.Decimal:
		if c.Scale > 0 {
			text += " Written with " + decimals(c.Scale) + "."
		}
	case listing.Instant:
		text += " In UTC, with six decimals of a second if those are not zero."
	case listing.Moment:
		text += " Without a time zone."
	case listing.JSON:
		text += " As PostgreSQL writes " + c.Type.Name + " in JSON."
	}
	return described(o, text)
}

// described adds a description, if there is one.
func described(o object, text string) object {
	if text = strings.TrimSpace(text); text != "" {
		o = append(o, member{"description", text})
	}
	return o
}

func unitWords(t *listing.Table, c *listing.Column) string {
	switch {
	case c.Show == showMoney:
		return "In " + t.Site.Description.Site.Currency + "."
	case c.Unit != "":
		return "In " + c.Unit + "."
	}
	return ""
}

// writtenProperties returns the members of a row to create, and those that must be there, or
// those of a patch.
func writtenProperties(t *listing.Table, whole bool) (all object, required []string) {
	for _, n := range Writable(t, whole) {
		c := &t.Columns[n]
		o := writtenSchema(c, !c.NotNull)
		if c.MustSay() {
			o = append(o, member{"minLength", 1}, member{"pattern", `\S`})
		}
		text := unitWords(t, c)
		if c.Picture() {
			text = "The picture itself, an SVG. Answers have its address."
		}
		if c.Form == listing.Decimal && c.Scale > 0 {
			text += " " + listing.Capitalized(atMostDecimals(c.Scale)) + "."
		}
		all = append(all, member{c.Member, described(o, text)})
		if c.NotNull && !c.Default {
			required = append(required, c.Member)
		}
	}
	return all, required
}

// Writable returns the columns that a client can set, in the order of a row's JSON: of a row to
// create, or of one that is there, whose key never changes.
func Writable(t *listing.Table, whole bool) (columns []int) {
	add := func(n int) {
		c := &t.Columns[n]
		if c.Write == description.Settable && c.Member != "" && (whole || n != t.Key) && !slices.Contains(columns, n) {
			columns = append(columns, n)
		}
	}
	for _, n := range t.Item {
		add(n)
	}
	for n := range t.Columns {
		add(n)
	}
	return columns
}

// valueSchema is the schema of a column's value in an answer.
func valueSchema(c *listing.Column, null bool) object {
	switch c.Form {
	case listing.Float, listing.Spelled:
		if isNumber(c) {
			return numberSchema(c, null, c.Least == "" || c.Greatest == "" || c.Form == listing.Spelled)
		}
	case listing.Decimal:
		return numberSchema(c, null, c.Greatest == "")
	case listing.JSON:
		if c.Element == nil {
			return object{}
		}
		return object{{"type", types("array", null)}}
	}
	return writtenSchema(c, null)
}

// double has generators read numbers as what holds 15 digits: without it they take half as many.
func double() member { return member{"format", "double"} }

// numberSchema is the schema of a number that need not be whole. odd says that it may be NaN
// or infinite, which are strings.
func numberSchema(c *listing.Column, null, odd bool) object {
	kinds := []string{"number"}
	if odd {
		kinds = append(kinds, "string")
	}
	return limited(c, object{{"type", types(kinds[0], null, kinds[1:]...)}, double()})
}

// types is the type of a value that may be null.
func types(kind string, null bool, others ...string) any {
	all := append([]string{kind}, others...)
	if null {
		all = append(all, "null")
	}
	if len(all) == 1 {
		return kind
	}
	return all
}

// limited adds the least and the greatest number, as far as a type of few values or a check
// says so.
func limited(c *listing.Column, o object) object {
	least, greatest := c.Least, c.Greatest
	if c.Form == listing.Decimal || c.Type.Kind == description.Smallint {
		least, greatest = c.Limits()
	}
	if least != "" {
		o = append(o, member{"minimum", json.Number(least)})
	}
	if greatest != "" {
		o = append(o, member{"maximum", json.Number(greatest)})
	}
	return o
}

// writtenSchema is the schema of a column's value in a body that a client sends.
func writtenSchema(c *listing.Column, null bool) object {
	enum := func(values []string) object {
		list := make([]any, 0, len(values)+1)
		for _, v := range values {
			list = append(list, v)
		}
		if null {
			list = append(list, nil)
		}
		return object{{"type", types("string", null)}, {"enum", list}}
	}
	switch c.Form {
	case listing.Whole:
		o := wholeSchema(c)
		o[0].value = types("integer", null)
		return limited(c, o)
	case listing.Decimal, listing.Float:
		return numberSchema(c, null, false)
	case listing.Truth:
		return object{{"type", types("boolean", null)}}
	case listing.Label:
		return enum(c.Type.Labels)
	case listing.Day:
		return object{{"type", types("string", null)}, {"format", "date"}}
	case listing.Instant:
		return object{{"type", types("string", null)}, {"format", "date-time"}}
	case listing.UUID:
		return object{{"type", types("string", null)}, {"format", "uuid"}}
	case listing.JSON:
		if c.Element == nil {
			return object{}
		}
		return object{{"type", types("array", null)}, {"items", writtenSchema(c.Element, true)}}
	case listing.Spelled:
		if isNumber(c) {
			return numberSchema(c, null, false)
		}
	}
	if len(c.OneOf) > 0 {
		return enum(c.OneOf)
	}
	o := object{{"type", types("string", null)}}
	if most := c.MaxLength(); most > 0 {
		o = append(o, member{"maxLength", most})
	}
	return o
}
