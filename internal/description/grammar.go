package description

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The grammar of a file stands once, as values: each says how to read a node and what
// JSON Schema to write for it. So the two cannot differ.

// shape is the form of a value.
type shape interface {
	// read takes the value of a node over, or notes what is wrong with it.
	read(r *reader, n *node)
	// schema returns the JSON Schema of the form.
	schema() map[string]any
}

// Located is a value and where it stands. One that is not in the file has no place.
type Located[T any] struct {
	Value T
	At    Span
}

// Given reports whether the value stands in the file.
func (l Located[T]) Given() bool { return l.At.given() }

// reader reads a tree by the grammar.
type reader struct {
	*reporter
	nodes int // read so far
}

// read reads one value by its shape.
func (r *reader) read(s shape, n *node) {
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.fault(Syntax, n.at, "the file is too long: with its aliases it has more than %d values", maxNodes).help("use fewer aliases")
		}
		return
	}
	if n.kind != faultyNode {
		s.read(r, n)
	}
}

// mismatch notes that a value has the wrong form.
func (r *reader) mismatch(n *node, wanted string) *Fault {
	if n.kind == nullNode {
		return r.fault(Shape, n.at, "here the value is missing").label("%s is expected", wanted)
	}
	return r.fault(Shape, n.at, "here is %s, not %s", n.kind, wanted)
}

// textShape is a text.
type textShape struct {
	into    *Located[string]
	most    int            // characters
	pattern *regexp.Regexp // or nil
	what    string         // what it is
	example string
}

// plainText rules out characters that steer terminals. The two languages of patterns,
// Go's and JSON Schema's, read it alike.
var plainText = regexp.MustCompile(`^[^\x00-\x1F\x7F]*$`)

func (s textShape) regexp() *regexp.Regexp {
	if s.pattern == nil {
		return plainText
	}
	return s.pattern
}

func (s textShape) read(r *reader, n *node) {
	switch {
	case n.kind == numberNode || n.kind == boolNode:
		r.mismatch(n, s.what).help("put it in quotes: '%s'", n.text)
	case n.kind != textNode:
		r.mismatch(n, s.what).help("for example %s", s.example)
	case n.text == "":
		r.fault(Shape, n.at, "here is an empty text, not %s", s.what).help("for example %s, or remove the line", s.example)
	case utf8.RuneCountInString(n.text) > s.most:
		r.fault(Shape, n.at, "the text has %d characters, and may have %d", utf8.RuneCountInString(n.text), s.most)
	case !s.regexp().MatchString(n.text):
		r.fault(Shape, n.at, "%s is not %s", quoted(n.text), s.what).help("for example %s", s.example)
	default:
		*s.into = Located[string]{n.text, n.at}
	}
}

func (s textShape) schema() map[string]any {
	return map[string]any{"type": "string", "minLength": 1, "maxLength": s.most, "pattern": s.regexp().String()}
}

// choiceShape is one of a few words.
type choiceShape struct {
	into  *Located[string]
	words []string
	what  string // what it is
}

func (s choiceShape) read(r *reader, n *node) {
	switch {
	case n.kind == nullNode || n.kind == mappingNode || n.kind == sequenceNode:
		r.mismatch(n, s.what).help("it is one of %s", strings.Join(s.shown(), ", "))
	case n.kind == textNode && slices.Contains(s.words, n.text):
		*s.into = Located[string]{n.text, n.at}
	default:
		f := r.fault(Shape, n.at, "%s is not %s", quoteName(n.text), s.what)
		if near := Nearest(n.text, s.words); near != "" {
			f.label("did you mean %s?", near)
		} else if len(s.words) == 1 {
			f.help("write %s", s.what)
		} else {
			f.help("it is one of %s", strings.Join(s.shown(), ", "))
		}
	}
}

// shown are the words, if there are not too many.
func (s choiceShape) shown() []string {
	const most = 20
	if len(s.words) > most {
		return append(slices.Clone(s.words[:most]), "...")
	}
	return s.words
}

func (s choiceShape) schema() map[string]any { return map[string]any{"enum": s.words} }

// flagShape is true or false.
type flagShape struct{ into *Located[bool] }

func (s flagShape) read(r *reader, n *node) {
	if n.kind != boolNode {
		r.notFlag(n, "true or false")
		return
	}
	*s.into = Located[bool]{n.text == "true", n.at}
}

// notFlag notes a value that is no flag. YAML used to have more words for true.
func (r *reader) notFlag(n *node, wanted string) {
	f := r.mismatch(n, wanted)
	switch strings.ToLower(n.text) {
	case "yes", "on", "y", "true", "1":
		f.label("did you mean true?")
	case "no", "off", "n", "false", "0":
		f.label("did you mean false?")
	default:
		f.label("")
		f.help("write true, false, or nothing at all")
	}
}

func (s flagShape) schema() map[string]any { return map[string]any{"type": "boolean"} }

// flagOrShape is true, false or a text.
type flagOrShape struct {
	flag      *Located[bool]
	text      shape
	what      string
	otherwise string // what the text is
}

func (s flagOrShape) read(r *reader, n *node) {
	switch n.kind {
	case boolNode:
		*s.flag = Located[bool]{n.text == "true", n.at}
	case textNode:
		s.text.read(r, n)
	default:
		r.mismatch(n, s.what).help("write true or false, or %s", s.otherwise)
	}
}

func (s flagOrShape) schema() map[string]any {
	return map[string]any{"anyOf": []any{map[string]any{"type": "boolean"}, s.text.schema()}}
}

// field is one member of an object.
type field struct {
	name     string
	doc      string // one sentence, for editors
	required bool
	shape    shape
}

// objectShape is a mapping of given names.
type objectShape struct {
	what    string
	example string
	empty   bool // nothing does for a mapping without members
	fields  []field
}

func (s objectShape) read(r *reader, n *node) {
	if n.kind == nullNode && s.empty {
		return
	}
	if n.kind != mappingNode {
		r.mismatch(n, s.what).help("for example %s", s.example)
		return
	}
	known := make([]string, len(s.fields))
	for i, f := range s.fields {
		known[i] = f.name
	}
	var here []string
	for _, m := range n.members {
		i := slices.Index(known, m.name.text)
		if i < 0 {
			// An unknown name that is near a known one is that one, so that it is not missed too.
			here = append(here, Nearest(m.name.text, known))
			r.fault(Shape, m.name.at, "%s has no member %s", s.what, quoteName(m.name.text)).near(m.name.text, known)
			continue
		}
		here = append(here, m.name.text)
		r.read(s.fields[i].shape, m.value)
	}
	for _, f := range s.fields {
		if f.required && !slices.Contains(here, f.name) {
			r.fault(Shape, n.at, "%s lacks %s", s.what, f.name).help("%s; for example %s", f.doc, s.example)
		}
	}
}

func (s objectShape) schema() map[string]any {
	properties := map[string]any{}
	var required []string
	for _, f := range s.fields {
		sub := f.shape.schema()
		sub["description"] = f.doc
		properties[f.name] = sub
		if f.required {
			required = append(required, f.name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if s.empty {
		schema["type"] = []string{"object", "null"}
	}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// namesShape is a mapping of names that the user chooses.
type namesShape struct {
	what, example string
	names         textShape // of the names; into is not used
	most          int       // members
	entry         func(name Located[string]) shape
}

func (s namesShape) read(r *reader, n *node) {
	if n.kind != mappingNode {
		r.mismatch(n, s.what).help("for example %s", s.example)
		return
	}
	if len(n.members) == 0 {
		r.fault(Shape, n.at, "%s is empty", s.what).help("for example %s", s.example)
	}
	if len(n.members) > s.most {
		r.fault(Shape, n.members[s.most].name.at, "%s has %d members, and may have %d", s.what, len(n.members), s.most)
		return
	}
	for _, m := range n.members {
		var name Located[string]
		names := s.names
		names.into = &name
		names.read(r, m.name)
		if name.Given() {
			r.read(s.entry(name), m.value)
		}
	}
}

func (s namesShape) schema() map[string]any {
	names := s.names.schema()
	delete(names, "type")
	return map[string]any{
		"type": "object", "minProperties": 1, "maxProperties": s.most,
		"propertyNames": names, "additionalProperties": s.entry(Located[string]{}).schema(),
	}
}

// columnName is a column's name, exactly as the database has it.
func columnName(into *Located[string]) textShape {
	return textShape{into: into, most: 63, what: "the name of a column", example: "created_at"}
}

// word is a name that stands in addresses and in JSON.
func word(into *Located[string], what, example string) textShape {
	return textShape{into: into, most: 40, pattern: wordPattern, what: what, example: fmt.Sprintf("%s (letters, digits, _ and -)", example)}
}

var wordPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
