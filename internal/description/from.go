package description

import (
	"slices"
	"strings"
	"unicode"
)

// Source is another name of a column, by which files to be imported may call it.
type Source struct {
	Name   string    `json:"name"`
	Values []Mapping `json:"values,omitempty"` // what some of the file's values mean; others are taken as they are
}

// Mapping says what a value of a file means.
type Mapping struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// FileSource is one name of the member from.
type FileSource struct {
	Name   Located[string]
	Values []FileMapping
}

// FileMapping is one value below a name of the member from.
type FileMapping struct{ From, To Located[string] }

// The most that a column's member from may have.
const (
	maxSources  = 20
	maxMappings = 200 // of one name
)

// FoldName returns a name without what those of a file may differ in: case, blanks and
// underscores. "Living area" and living_area are livingarea.
func FoldName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// fromShape is a name, a list of names, or a mapping of names to what their values mean.
type fromShape struct{ into *[]FileSource }

const fromExample = "from: {StandardStatus: {Active: for_sale, Closed: sold}}"

func headerName(into *Located[string]) textShape {
	return textShape{into: into, most: 100, what: "the name of a column in files", example: "ListPrice"}
}

func (s fromShape) list() listShape {
	return listShape{what: "a list of names of a column in files", example: "from: [ListPrice, Price]", most: maxSources, entry: s.name}
}

// name makes room for one more name.
func (s fromShape) name() shape {
	*s.into = append(*s.into, FileSource{})
	return headerName(&(*s.into)[len(*s.into)-1].Name)
}

func (s fromShape) names() namesShape {
	return namesShape{
		what: "the member from", example: fromExample, most: maxSources, names: headerName(nil),
		entry: func(name Located[string]) shape {
			*s.into = append(*s.into, FileSource{Name: name})
			return valuesShape{&(*s.into)[len(*s.into)-1].Values}
		},
	}
}

func (s fromShape) read(r *reader, n *node) {
	switch n.kind {
	case sequenceNode:
		s.list().read(r, n)
	case mappingNode:
		s.names().read(r, n)
	case textNode:
		s.name().read(r, n)
	default:
		r.mismatch(n, "the name of a column in files").help("for example from: ListPrice, or %s", fromExample)
	}
}

func (s fromShape) schema() map[string]any {
	scratch := fromShape{new([]FileSource)}
	return map[string]any{"anyOf": []any{scratch.name().schema(), scratch.list().schema(), scratch.names().schema()}}
}

// valuesShape is a mapping of values, or nothing.
type valuesShape struct{ into *[]FileMapping }

func (s valuesShape) names() namesShape {
	value := func(into *Located[string]) textShape {
		return textShape{into: into, most: 200, what: "a value", example: "sold"}
	}
	return namesShape{
		what: "a mapping of values", example: fromExample, most: maxMappings, names: value(nil),
		entry: func(from Located[string]) shape {
			*s.into = append(*s.into, FileMapping{From: from})
			return value(&(*s.into)[len(*s.into)-1].To)
		},
	}
}

func (s valuesShape) read(r *reader, n *node) {
	if n.kind != nullNode {
		s.names().read(r, n)
	}
}

func (s valuesShape) schema() map[string]any {
	scratch := valuesShape{new([]FileMapping)}
	schema := scratch.names().schema()
	schema["type"] = []string{"object", "null"}
	return schema
}

// listShape is a list of values of one shape.
type listShape struct {
	what, example string
	most          int
	entry         func() shape
}

func (s listShape) read(r *reader, n *node) {
	if len(n.items) == 0 {
		r.fault(Shape, n.at, "%s is empty", s.what).help("for example %s", s.example)
	}
	if len(n.items) > s.most {
		r.fault(Shape, n.items[s.most].at, "%s has %d members, and may have %d", s.what, len(n.items), s.most)
		return
	}
	for _, item := range n.items {
		r.read(s.entry(), item)
	}
}

func (s listShape) schema() map[string]any {
	return map[string]any{"type": "array", "minItems": 1, "maxItems": s.most, "items": s.entry().schema()}
}

// sources judges the other names of a column.
func (t *tableResolver) sources(c *FileColumn, a *Attribute) {
	for i := range c.From {
		s := &c.From[i]
		if !s.Name.Given() {
			continue
		}
		if a.Generated != NotGenerated {
			t.fault(Meaning, s.Name.At, "%s, %s, cannot be imported: PostgreSQL computes it", quoteName(a.Name), a.Type.Name).help("remove from")
			return
		}
		if FoldName(s.Name.Value) == "" {
			t.fault(Meaning, s.Name.At, "%s is no name: blanks and underscores do not count", quoted(s.Name.Value)).help("remove it")
		}
		t.mappings(s, c, a)
	}
}

// mappings judges what the values of a file are said to mean.
func (t *tableResolver) mappings(s *FileSource, c *FileColumn, a *Attribute) {
	first := map[string]Span{}
	may := t.possible(a)
	for _, m := range s.Values {
		if !m.To.Given() {
			continue
		}
		folded := FoldName(m.From.Value)
		if before, doubled := first[folded]; doubled {
			t.fault(Meaning, m.From.At, "%s is here for the second time: case, blanks and underscores do not count", quoted(m.From.Value)).
				see(t.source, before, "the first time").help("remove one of the two")
			continue
		}
		first[folded] = m.From.At
		if len(may) > 0 && !slices.Contains(may, m.To.Value) {
			t.fault(Meaning, m.To.At, "%s of %s cannot be %s", quoteName(c.Name.Value), t.relation, quoted(m.To.Value)).near(m.To.Value, may)
		}
	}
}

// possible returns all values that a column can have, as far as its type and checks of simple
// form tell; nil if they do not.
func (t *tableResolver) possible(a *Attribute) []string {
	switch {
	case a.Type.Kind == Enum:
		return a.Type.Labels
	case a.Type.Kind == Boolean:
		return []string{"true", "false"}
	}
	var c Column
	c.limit(checkedColumns(t.relation.Checks)[a.Name], checkedColumns(a.Checks)[""])
	if !a.Type.text() {
		return nil
	}
	return c.OneOf
}

// sourceNames refuses a name that files may have for two columns.
func (t *tableResolver) sourceNames() {
	own := map[string]*FileColumn{}
	for i := range t.file.Columns {
		c := &t.file.Columns[i]
		own[FoldName(c.Name.Value)], own[FoldName(c.outside())] = c, c
	}
	named := map[string]Span{}
	for i := range t.file.Columns {
		c := &t.file.Columns[i]
		for _, s := range c.From {
			folded := FoldName(s.Name.Value)
			if !s.Name.Given() || folded == "" {
				continue
			}
			if other := own[folded]; other != nil && other != c {
				t.fault(Meaning, s.Name.At, "%s is the name of another column", quoted(s.Name.Value)).
					see(t.source, other.outsideAt(), "this one").help("remove it: case, blanks and underscores of a name do not count")
			} else if before, doubled := named[folded]; doubled {
				t.fault(Meaning, s.Name.At, "files would have %s for two columns, or twice for one", quoted(s.Name.Value)).
					see(t.source, before, "the other one").help("remove one of the two: case, blanks and underscores of a name do not count")
			}
			named[folded] = s.Name.At
		}
	}
}

// assembleSources makes the other names of a column.
func (c *FileColumn) assembleSources() (sources []Source) {
	for _, f := range c.From {
		s := Source{Name: f.Name.Value}
		for _, m := range f.Values {
			s.Values = append(s.Values, Mapping{m.From.Value, m.To.Value})
		}
		sources = append(sources, s)
	}
	return sources
}

// validSources reports whether no two names, or values, of the column are the same.
func (c *Column) validSources() bool {
	names := map[string]bool{}
	for _, s := range c.From {
		if folded := FoldName(s.Name); folded == "" || names[folded] {
			return false
		}
		names[FoldName(s.Name)] = true
		values := map[string]bool{}
		for _, m := range s.Values {
			if values[FoldName(m.From)] {
				return false
			}
			values[FoldName(m.From)] = true
		}
	}
	return true
}
