package description

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The limits of a file. They are far from what tables need, and keep the time and the
// memory that reading takes in bounds.
const (
	MaxSize = 256 << 10 // bytes

	maxLine   = 1000   // characters
	maxTokens = 20_000 // words and marks of YAML
	maxDepth  = 24     // things inside things
	maxNodes  = 50_000 // values, one behind an alias each time that it is read
)

// node is one value of a file, or one name of a mapping.
type node struct {
	kind    nodeKind
	at      Span
	text    string // of a scalar
	members []member
	items   []*node
}

// member is one name of a mapping, and its value.
type member struct {
	name  *node
	value *node
}

// nodeKind is what YAML says that a value is.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	textNode
	boolNode
	numberNode
	mappingNode
	sequenceNode
	faultyNode // something is wrong with it, and has been noted
)

// String returns the kind as messages name it.
func (k nodeKind) String() string {
	switch k {
	case textNode:
		return "a text"
	case boolNode:
		return "true or false"
	case numberNode:
		return "a number"
	case mappingNode:
		return "a mapping"
	case sequenceNode:
		return "a list"
	default:
		return "nothing"
	}
}

// readTree reads the one document of a file. Without one it returns nil; what else is
// wrong is noted, and the tree lacks it.
func (r *reporter) readTree(text string) *node {
	if !r.readable(text) {
		return nil
	}
	body, ok := r.parse(strings.TrimPrefix(text, "\ufeff"))
	if !ok {
		return nil
	}
	b := treeBuilder{reporter: r, anchors: map[string]*node{}}
	return b.node(body, Span{Line: 1, Column: 1}, 0)
}

// readable checks what the parser is not to be troubled with.
func (r *reporter) readable(text string) bool {
	top := Span{Line: 1, Column: 1}
	if len(text) > MaxSize {
		r.fault(Syntax, top, "the file has %d bytes, and may have %d", len(text), MaxSize).
			help("describe fewer tables, or leave out columns that nobody looks at")
		return false
	}
	for i, line := range r.source.lines {
		at := Span{Line: i + 1, Column: 1}
		if !utf8.ValidString(line) {
			at.Column = utf8.RuneCountInString(line[:invalidAt(line)]) + 1
			r.fault(Syntax, at, "this is not UTF-8").help("save the file in the encoding UTF-8")
			return false
		}
		if n := utf8.RuneCountInString(line); n > maxLine {
			at.Column = maxLine
			r.fault(Syntax, at, "the line has %d characters, and may have %d", n, maxLine).help("break it behind a comma")
			return false
		}
		for j, c := range strings.TrimPrefix(line, "\ufeff") {
			if !unicode.IsControl(c) {
				continue
			}
			at.Column = utf8.RuneCountInString(line[:j]) + 1
			if c == '\t' { // the parser drops the word before a tab
				r.fault(Syntax, at, "here is a tab").help("use blanks; in a text in double quotes, a tab is written \\t")
			} else {
				r.fault(Syntax, at, "here is a control character, %U", c).help("remove it")
			}
			return false
		}
	}
	return true
}

// invalidAt returns where a text ceases to be UTF-8.
func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}

// parse returns the body of the file's one document.
func (r *reporter) parse(text string) (body ast.Node, ok bool) {
	defer func() {
		if p := recover(); p != nil { // a fault of the library, not of the user's machine
			r.fault(Syntax, Span{Line: 1, Column: 1}, "the file cannot be read as YAML: %v", p)
			body, ok = nil, false
		}
	}()
	tokens := lexer.Tokenize(text)
	if !r.small(tokens) {
		return nil, false
	}
	if invalid := tokens.InvalidToken(); invalid == nil && !r.strict(text, tokens) {
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntaxFault(err)
		return nil, false
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.DirectiveType {
			continue
		}
		if body != nil {
			r.fault(Syntax, startOf(doc.Body), "here a second document begins").
				help("remove the line --- in front of it: a file has one document")
			return nil, false
		}
		body = doc.Body
	}
	return body, true
}

// small checks how much there is to parse, and how deep it goes: the parser calls itself.
func (r *reporter) small(tokens token.Tokens) bool {
	if len(tokens) > maxTokens {
		r.fault(Syntax, spanOf(tokens[maxTokens]), "the file is too long: it may have %d words and marks", maxTokens).
			help("describe fewer tables, or leave out columns that nobody looks at")
		return false
	}
	var block []int // the columns at which open blocks began
	flow := 0       // open braces and brackets
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.AnchorType, token.TagType:
			for len(block) > 0 && block[len(block)-1] >= t.Position.Column {
				block = block[:len(block)-1]
			}
			block = append(block, t.Position.Column)
		}
		if flow+len(block)/2 > maxDepth {
			r.fault(Syntax, spanOf(t), "here are more than %d things inside one another", maxDepth).help("nothing in a description is so deep")
			return false
		}
	}
	return true
}

// syntaxError is what the parser returns.
type syntaxError interface {
	GetMessage() string
	GetToken() *token.Token
}

func (r *reporter) syntaxFault(err error) {
	at, message := Span{Line: 1, Column: 1}, err.Error()
	if e, ok := err.(syntaxError); ok {
		message = e.GetMessage()
		if t := e.GetToken(); t != nil {
			at = spanOf(t)
		}
	}
	for _, known := range yamlRemedies {
		if strings.Contains(message, known.message) {
			r.fault(Syntax, at, "%s", known.meaning).help("%s", known.remedy)
			return
		}
	}
	r.fault(Syntax, at, "this is not YAML: %s", message).help("a text with marks in it needs quotes; members of one thing have the same indentation")
}

// yamlRemedies say what the parser's messages mean, and what to do.
var yamlRemedies = []struct{ message, meaning, remedy string }{
	{"could not find end character of", "the quotation mark has no matching one", "add one at the end of the text"},
	{"mapping value is not allowed in this context", "a colon is not expected here",
		"one name and its value stand in a line of their own, or in braces: {filter: range, sort: true};\na text with a colon in it needs quotes"},
	{"value is not allowed in this context", "this does not belong to anything",
		"give members of one thing the same indentation;\nin braces, put a comma between members"},
	{"block sequence entries are not allowed", "a list is not expected here", "remove the dash; a text that begins with one needs quotes"},
	{"unexpected key name", "here is a value without a name", "write a name, a colon, a blank and a value: city: {filter: any-of}"},
	{"non-map value is specified", "here is a value where a name and a colon are expected", "write a name, a colon, a blank and a value: city: {filter: any-of}"},
	{"unexpected map key", "here is a value without a name", "write a name, a colon, a blank and a value: city: {filter: any-of}"},
	{"implicit line break", "a name and its colon stand in one line", "write them in one line; a text with marks in it needs quotes"},
	{"undefined anchor value", "& names nothing here", "put a value behind the name"},
	{"found an invalid key for this map", "this cannot be a name", "write a plain word or a text in quotes, then a colon"},
	{"is a reserved character", "a text cannot begin with this mark", "put the text in quotes"},
	{"tag character", "tags are not read here", "remove the exclamation mark, or put the text in quotes"},
	{"invalid header option", "texts of several lines are not read here", "write the text in one line; one with marks in it needs quotes"},
	{"unknown escape character", "there is no such character behind \\ in double quotes", "write \\\\ for one \\, or put the text in single quotes"},
	{"document separator", "here a second document begins", "remove this line, or end the text in quotes before it"},
	{"anchor is not allowed", "& stands at a place where it names nothing", "put it between a colon and a value"},
}

// spanOf returns where a token stands.
func spanOf(t *token.Token) Span {
	if t == nil || t.Position == nil {
		return Span{Line: 1, Column: 1}
	}
	length := utf8.RuneCountInString(t.Value)
	if t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType {
		length = utf8.RuneCountInString(strings.TrimSpace(t.Origin))
	}
	return Span{Line: t.Position.Line, Column: t.Position.Column, Length: length}
}

// startOf returns where a value begins. The parser takes the first colon for the beginning
// of a mapping without braces.
func startOf(n ast.Node) Span {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 && n.Values[0].Key != nil {
			return spanOf(n.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		if n.Key != nil {
			return spanOf(n.Key.GetToken())
		}
	}
	return spanOf(n.GetToken())
}

// treeBuilder makes a tree of our own from the parser's: with aliases replaced by what they
// stand for, and without what is not read here.
type treeBuilder struct {
	*reporter
	anchors map[string]*node // nil while what an anchor names is being read
}

// node converts a value. An implicit one stands nowhere: it gets the place of its name.
func (b *treeBuilder) node(n ast.Node, name Span, depth int) *node {
	if n == nil || depth > 2*maxDepth {
		return &node{at: name}
	}
	at := startOf(n)
	switch n := n.(type) {
	case *ast.NullNode:
		if n.Token.Type == token.ImplicitNullType {
			at = name
		}
		return &node{at: at}
	case *ast.BoolNode:
		return &node{kind: boolNode, at: at, text: fmt.Sprint(n.Value)}
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return &node{kind: numberNode, at: at, text: n.GetToken().Value}
	case *ast.StringNode:
		return &node{kind: textNode, at: at, text: n.Value}
	case *ast.SequenceNode:
		list := &node{kind: sequenceNode, at: at}
		for _, v := range n.Values {
			list.items = append(list.items, b.node(v, at, depth+1))
		}
		return list
	case *ast.MappingNode:
		return b.mapping(n.Values, at, depth)
	case *ast.MappingValueNode:
		return b.mapping([]*ast.MappingValueNode{n}, at, depth)
	case *ast.AnchorNode:
		return b.anchor(n, name, depth)
	case *ast.AliasNode:
		return b.alias(n, name)
	}
	b.fault(Syntax, at, "this is not read here").help("write names, colons and values")
	return &node{kind: faultyNode, at: at}
}

func (b *treeBuilder) anchor(n *ast.AnchorNode, name Span, depth int) *node {
	anchor := n.Name.GetToken().Value
	b.anchors[anchor] = nil
	value := b.node(n.Value, name, depth+1)
	b.anchors[anchor] = value
	return value
}

func (b *treeBuilder) alias(n *ast.AliasNode, name Span) *node {
	if n.Value == nil {
		return &node{at: name}
	}
	t := n.Value.GetToken()
	value, known := b.anchors[t.Value]
	switch {
	case !known:
		var names []string
		for anchor := range b.anchors {
			names = append(names, anchor)
		}
		f := b.fault(Syntax, spanOf(t), "nothing above is named &%s", t.Value).help("write the value itself")
		if n := Nearest(t.Value, names); n != "" {
			f.label("did you mean *%s?", n)
		}
	case value == nil:
		b.fault(Syntax, spanOf(t), "*%s stands inside of what it refers to", t.Value).help("write the value itself")
	default:
		return value
	}
	return &node{kind: faultyNode, at: name}
}

func (b *treeBuilder) mapping(values []*ast.MappingValueNode, at Span, depth int) *node {
	m := &node{kind: mappingNode, at: at}
	first := map[string]Span{}
	for _, v := range values {
		name, ok := b.name(v.Key)
		if !ok {
			continue
		}
		if before, doubled := first[name.text]; doubled {
			b.fault(Syntax, name.at, "%s stands here for the second time", quoteName(name.text)).
				see(b.source, before, "the first time").help("remove one of the two")
			continue
		}
		first[name.text] = name.at
		b.colon(v, name)
		m.members = append(m.members, member{name, b.node(v.Value, name.at, depth+1)})
	}
	return m
}

// name converts the name of a member. Names are texts, whatever they look like.
func (b *treeBuilder) name(key ast.MapKeyNode) (*node, bool) {
	if key == nil {
		return nil, false
	}
	at := spanOf(key.GetToken())
	switch key := key.(type) {
	case *ast.StringNode:
		return &node{kind: textNode, at: at, text: key.Value}, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return &node{kind: textNode, at: at, text: key.GetToken().Value}, true
	case *ast.MergeKeyNode:
		b.fault(Syntax, at, "merging by << is not read here").help("write the members themselves, or an alias in place of the whole value")
	default:
		b.fault(Syntax, at, "this cannot be a name").help("write a plain word or a text in quotes, then a colon")
	}
	return nil, false
}

// colon refuses {filter:range}: other readers of YAML take it for one long name.
func (b *treeBuilder) colon(v *ast.MappingValueNode, name *node) {
	key := v.Key.GetToken()
	if key.Next == nil || key.Next.Type != token.MappingValueType || key.Next.Next == nil {
		return
	}
	colon, next := spanOf(key.Next), key.Next.Next.Position
	if next.Line == colon.Line && next.Column == colon.Column+1 {
		b.fault(Syntax, colon, "a colon needs a blank behind it").help("write %s: %s", name.text, key.Next.Next.Value)
	}
}
