package description

import (
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/token"
)

// The parser guesses what malformed YAML might mean, and other readers guess otherwise:
// in {filter: any-of: x} it drops the first name. strict refuses what they could disagree
// about, before it is parsed.

// strictChecker walks over the words and marks of a file.
type strictChecker struct {
	*reporter
	tokens []*token.Token // without comments
	i      int
	failed bool
}

// strict reports whether braces, brackets, commas and texts without quotes are as YAML has
// them, and notes the first place where they are not.
func (r *reporter) strict(text string, tokens token.Tokens) bool {
	c := strictChecker{reporter: r}
	for _, t := range tokens {
		if t.Type != token.CommentType {
			c.tokens = append(c.tokens, t)
		}
	}
	for c.i < len(c.tokens) && !c.failed {
		c.block()
	}
	c.complete(text, tokens)
	return !c.failed
}

// fail notes a fault, once.
func (c *strictChecker) fail(t *token.Token, message, help string) {
	if !c.failed {
		c.fault(Syntax, spanOf(t), "%s", message).help("%s", help)
	}
	c.failed = true
}

// peek returns the next token, nil behind the last.
func (c *strictChecker) peek() *token.Token {
	if c.failed || c.i >= len(c.tokens) {
		return nil
	}
	return c.tokens[c.i]
}

// block reads one token outside of braces and brackets, or all of a pair of them.
func (c *strictChecker) block() {
	t := c.peek()
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		if c.flow(); !c.failed {
			c.alone(c.tokens[c.i-1], "")
		}
		return
	case token.MappingEndType, token.SequenceEndType, token.CollectEntryType:
		c.fail(t, "here is a "+t.Value+" that belongs to nothing", "remove it, or put a text that begins with it in quotes")
	case token.SingleQuoteType, token.DoubleQuoteType:
		c.i++
		c.alone(t, ":")
		return
	case token.MappingValueType:
		if c.i == 0 || c.tokens[c.i-1].Position.Line != t.Position.Line {
			c.fail(t, "here is a colon without a name before it", "write a name, a colon, a blank and a value: city: {filter: any-of}")
		}
	default:
		c.word(t, "")
	}
	c.i++
}

// alone checks that nothing but the given mark stands behind a token in its last line.
func (c *strictChecker) alone(t *token.Token, mark string) {
	next := c.peek()
	if next == nil || next.Value == mark && next.Type == token.MappingValueType {
		return
	}
	if next.Position.Line == t.Position.Line {
		c.fail(next, "this stands behind the end of a value", "begin a new line, or put the whole text in quotes")
	}
}

// word checks a text without quotes, and refuses what is not read here.
func (c *strictChecker) word(t *token.Token, forbidden string) {
	switch t.Type {
	case token.TagType:
		c.fail(t, "tags such as "+quoteName(t.Value)+" are not read here", "remove it; a text that looks like a number needs quotes")
	case token.DirectiveType:
		c.fail(t, "directives such as %YAML are not read here", "remove the line")
	case token.MappingKeyType:
		c.fail(t, "names behind a question mark are not read here", "write a plain word or a text in quotes, then a colon")
	case token.LiteralType, token.FoldedType:
		c.fail(t, "texts of several lines are not read here", "write the text in one line; one with marks in it needs quotes")
	case token.AnchorType, token.AliasType:
		if !c.named(t) {
			c.fail(t, "behind "+t.Value+" a name is expected", "write letters, digits, _ and -; a text that begins with "+t.Value+" needs quotes")
		}
	case token.StringType:
		if strings.Contains(strings.Trim(t.Origin, " \r\n"), "\n") {
			c.fail(t, "texts of several lines are not read here", "write the text in one line; if it is several members, give each a colon and a value")
		}
		if strings.ContainsAny(t.Value[:min(1, len(t.Value))], "{}[],&*!|>%@`#\"':") || strings.ContainsAny(t.Value, forbidden) ||
			strings.Contains(t.Value, ": ") || strings.HasSuffix(t.Value, ":") || strings.HasPrefix(t.Value, "- ") || strings.HasPrefix(t.Value, "? ") {
			c.fail(t, "a text with marks of YAML in it needs quotes", "put it in quotes: '"+strings.ReplaceAll(t.Value, "'", "''")+"';\nif it is several members, put a comma between them")
		}
	}
}

// named reports whether a name stands right behind & or *.
func (c *strictChecker) named(t *token.Token) bool {
	if c.i+1 >= len(c.tokens) {
		return false
	}
	name := c.tokens[c.i+1]
	return name.Position.Line == t.Position.Line && name.Position.Column == t.Position.Column+1 && wordPattern.MatchString(name.Value)
}

// complete checks that the tokens are all of the text: the lexer drops what it makes
// nothing of.
func (c *strictChecker) complete(text string, tokens token.Tokens) {
	for _, t := range tokens {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		whole, ok := text, false
		switch t.Type {
		case token.SingleQuoteType, token.DoubleQuoteType: // their origin is without escapes
			if text, ok = cutQuotedText(text); strings.Contains(strings.TrimSuffix(whole, text), "\n") {
				c.fail(t, "the quotation mark has no matching one in its line", "add one at the end of the text: a text stands in one line")
			}
		default:
			text, ok = cutOrigin(text, t.Origin)
		}
		if !ok {
			c.fail(t, "this is not YAML", "write names, colons and values; a text with marks in it needs quotes")
			return
		}
	}
	if strings.TrimSpace(text) != "" && len(tokens) > 0 {
		c.fail(tokens[len(tokens)-1], "something behind this is not YAML", "a text with marks in it needs quotes")
	}
}

// cutOrigin removes a token from the beginning of a text. Blanks do not count.
func cutOrigin(text, origin string) (rest string, ok bool) {
	for _, r := range origin {
		if unicode.IsSpace(r) {
			continue
		}
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if text, ok = strings.CutPrefix(text, string(r)); !ok {
			return "", false
		}
	}
	return text, true
}

// cutQuotedText removes a text in quotes from the beginning of a text.
func cutQuotedText(text string) (rest string, ok bool) {
	if text == "" {
		return "", false
	}
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote && quote == '\'' && strings.HasPrefix(text[i+1:], "'"):
			i++
		case text[i] == quote:
			return text[i+1:], quote == '"' || quote == '\''
		}
	}
	return "", false
}

// flow reads a pair of braces or brackets and what is in it. Their depth is bounded
// before.
func (c *strictChecker) flow() {
	start := c.peek()
	c.i++
	end, pairs := token.SequenceEndType, false
	if start.Type == token.MappingStartType {
		end, pairs = token.MappingEndType, true
	}
	for {
		t := c.peek()
		switch {
		case t == nil:
			c.fail(start, "the "+start.Value+" has no end", "add it behind the last member")
			return
		case t.Type == end:
			c.i++
			return
		}
		if pairs {
			c.pair()
		} else {
			c.value()
		}
		switch t := c.peek(); {
		case t == nil:
		case t.Type == token.CollectEntryType:
			c.i++
		case t.Type != end:
			c.unended(start, t)
		}
	}
}

// unended notes what stands where a comma or the end is expected.
func (c *strictChecker) unended(start, t *token.Token) {
	if !c.failed {
		c.fault(Syntax, spanOf(t), "before this, a comma or the end of the %s is missing", start.Value).
			see(c.source, spanOf(start), "it begins here").help("put a comma between members, and the end behind the last;\na text with marks of YAML in it needs quotes")
	}
	c.failed = true
}

// pair reads a name and its value.
func (c *strictChecker) pair() {
	if t := c.peek(); t.Type == token.MappingStartType || t.Type == token.SequenceStartType {
		c.fail(t, "this cannot be a name", "write a plain word or a text in quotes, then a colon")
		return
	}
	c.scalar()
	if t := c.peek(); t == nil || t.Type != token.MappingValueType {
		return
	}
	c.i++
	if t := c.peek(); t == nil || t.Type == token.CollectEntryType || t.Type == token.MappingEndType {
		return
	}
	c.value()
}

// value reads one value, perhaps with a name for aliases before it.
func (c *strictChecker) value() {
	t := c.peek()
	if t.Type == token.AnchorType {
		c.word(t, "")
		c.i += 2
		if t = c.peek(); t == nil {
			return
		}
	}
	if t.Type == token.MappingStartType || t.Type == token.SequenceStartType {
		c.flow()
		return
	}
	c.scalar()
}

// scalar reads one text, number or alias.
func (c *strictChecker) scalar() {
	t := c.peek()
	switch t.Type {
	case token.CollectEntryType, token.MappingValueType, token.MappingEndType, token.SequenceEndType, token.SequenceEntryType,
		token.DocumentHeaderType, token.DocumentEndType, token.LiteralType, token.FoldedType:
		c.fail(t, "here is "+quoted(t.Value)+" where a word is expected", "remove it, or put the text in quotes")
	case token.AliasType:
		c.word(t, "")
		c.i++
	default:
		c.word(t, "{}[],")
	}
	c.i++
}
