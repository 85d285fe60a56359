package description

import (
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// A check of simple form says which values a column can have: price BETWEEN 0 AND 9, x > 0,
// status IN ('new', 'sold'), and conjunctions of these. It is read from the text that PostgreSQL
// makes of it. What is of any other form says nothing.

// domainValue is what a domain's check calls the value.
const domainValue = "VALUE"

// maxOneOf is how many values a check may list. A longer list is of no use in a form.
const maxOneOf = 100

// bound is one comparison of a column with a number.
type bound struct {
	greatest  bool // it says what the greatest value is, else the least
	exclusive bool
	rounded   bool // what is compared is the nearest whole number
	number    *big.Rat
}

// facts are what checks say of one column.
type facts struct {
	bounds []bound
	oneOf  []string
	listed bool // there is a list in oneOf
}

// checkedColumns reads checks. What they say of a domain's value stands under "".
func checkedColumns(checks []string) map[string]*facts {
	all := map[string]*facts{}
	for _, check := range checks {
		p := checkParser{rest: check}
		if e := p.expression(); p.rest == "" {
			note(all, e)
		}
	}
	return all
}

// note notes what an expression says, if it is not false.
func note(all map[string]*facts, e expression) {
	of := func(column string) *facts {
		if all[column] == nil {
			all[column] = new(facts)
		}
		return all[column]
	}
	switch e := e.(type) {
	case allOf:
		for _, part := range e {
			note(all, part)
		}
	case anyOf:
		parts := e.unlessNull()
		if len(parts) == 1 {
			note(all, parts[0])
		} else if column, values, ok := oneOf(parts); ok {
			of(column).list(values)
		}
	case comparison:
		if number, isNumber := e.right.(number); isNumber && e.operator != "=" {
			b := bound{greatest: e.operator[0] == '<', exclusive: len(e.operator) == 1, rounded: e.left.rounded, number: number.Rat}
			f := of(e.left.name)
			f.bounds = append(f.bounds, b)
		} else if column, values, ok := oneOf([]expression{e}); ok {
			of(column).list(values)
		}
	}
}

// unlessNull returns the parts without IS NULL, if all are about one column: what is NULL meets
// every check, so that it adds nothing.
func (e anyOf) unlessNull() (parts []expression) {
	about := map[string]bool{}
	for _, part := range e {
		if n, is := part.(isNull); is {
			about[n.name] = true
			continue
		}
		mention(about, part)
		parts = append(parts, part)
	}
	if len(about) != 1 {
		return nil
	}
	return parts
}

// mention notes which columns an expression is about; of another form more
// than one.
func mention(about map[string]bool, e expression) {
	switch e := e.(type) {
	case comparison:
		about[e.left.name] = true
	case allOf:
		for _, part := range e {
			mention(about, part)
		}
	default:
		about["?"], about["another"] = true, true
	}
}

// oneOf reports whether expressions say that one column is one of some texts.
func oneOf(parts []expression) (column string, values []string, ok bool) {
	for i, part := range parts {
		c, is := part.(comparison)
		if !is || c.operator != "=" || i > 0 && c.left.name != column {
			return "", nil, false
		}
		column = c.left.name
		switch right := c.right.(type) {
		case literal:
			values = append(values, string(right))
		case array:
			values = append(values, right...)
		default:
			return "", nil, false
		}
	}
	return column, values, len(parts) > 0
}

// list notes that the column is one of some texts.
func (f *facts) list(values []string) {
	var distinct []string
	for _, v := range values {
		if !slices.Contains(distinct, v) && (!f.listed || slices.Contains(f.oneOf, v)) {
			distinct = append(distinct, v)
		}
	}
	f.oneOf, f.listed = distinct, true
}

// limit fills in what checks say of a column.
func (c *Column) limit(said ...*facts) {
	for _, f := range said {
		if f == nil {
			continue
		}
		if c.Type.number() {
			for _, b := range f.bounds {
				if !b.rounded || c.Type.whole() {
					c.bound(b)
				}
			}
		}
		if c.Type.text() && f.listed && len(f.oneOf) > 0 && len(f.oneOf) <= maxOneOf && c.OneOf == nil {
			c.OneOf = f.oneOf
		}
	}
}

// bound takes over a bound if it is narrower than what is known.
func (c *Column) bound(b bound) {
	n := b.number
	if unit := c.Type.unit(); unit != nil {
		n = roundTo(n, unit, b)
	}
	text, ok := plainNumber(n)
	if !ok {
		return
	}
	known, side := &c.Least, +1
	if b.greatest {
		known, side = &c.Greatest, -1
	}
	if before, ok := new(big.Rat).SetString(*known); *known == "" || ok && n.Cmp(before) == side {
		*known = text
	}
}

// unit returns how far the numbers of a type are apart; nil if that is not known.
func (t Type) unit() *big.Rat {
	switch {
	case t.whole():
		return big.NewRat(1, 1)
	case t.Kind == Numeric && t.Precision > 0:
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(t.Scale, -t.Scale))), nil)
		unit := new(big.Rat).SetInt(ten)
		if t.Scale > 0 {
			unit.Inv(unit)
		}
		return unit
	}
	return nil
}

// roundTo returns the first number of a type that a bound lets in.
func roundTo(n, unit *big.Rat, b bound) *big.Rat {
	count := new(big.Rat).Quo(n, unit)
	whole := new(big.Int).Div(count.Num(), count.Denom()) // not above count
	exact := count.IsInt()
	switch {
	case b.greatest && exact && b.exclusive:
		whole.Sub(whole, big.NewInt(1))
	case !b.greatest && (!exact || b.exclusive):
		whole.Add(whole, big.NewInt(1))
	}
	return new(big.Rat).Mul(new(big.Rat).SetInt(whole), unit)
}

// plainPattern is how Least and Greatest are spelled: digits, as few as can be.
var plainPattern = regexp.MustCompile(`^(0|-?(0\.\d*[1-9]|[1-9]\d*(\.\d*[1-9])?))$`)

// maxPlain is how long such a number may be.
const maxPlain = 64

// plainNumber spells a number in digits; false if it needs too many.
func plainNumber(n *big.Rat) (string, bool) {
	text := n.FloatString(maxPlain)
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	if text == "-0" || text == "" {
		text = "0"
	}
	back, ok := new(big.Rat).SetString(text)
	return text, ok && back.Cmp(n) == 0 && len(text) <= maxPlain
}

// expression is a part of a check: one of the types that follow. A nil expression is of
// another form.
type expression any

type (
	allOf      []expression // AND
	anyOf      []expression // OR
	comparison struct {     // =, <, <=, >, >=
		left     column
		operator string
		right    expression // a number, a literal or an array
	}
	isNull struct{ column }
	column struct {
		name    string // "" is the value of a domain
		rounded bool   // it is cast to a whole number
	}
	number  struct{ *big.Rat }
	literal string   // a text
	array   []string // of texts
)

// checkParser reads what pg_get_expr makes of a check: every operation stands in brackets.
type checkParser struct{ rest string }

// checkToken matches the next token: a name, a quoted name, a text, a number, :: or an operator, a
// bracket or a comma.
var checkToken = regexp.MustCompile(`^\s*([A-Za-z_\x80-\x{10FFFF}][\w$\x80-\x{10FFFF}.]*|"(?:[^"]|"")*"|'(?:[^']|'')*'|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+|::|[-+*/<>=~!@#%^&|?` + "`" + `]+|[][(),.:;{}$])`)

// peek returns the next token, "" at the end.
func (p *checkParser) peek() string {
	if m := checkToken.FindStringSubmatch(p.rest); m != nil {
		return m[1]
	}
	return ""
}

// next takes the next token.
func (p *checkParser) next() string {
	m := checkToken.FindStringSubmatch(p.rest)
	if m == nil {
		return ""
	}
	p.rest = strings.TrimLeft(p.rest[len(m[0]):], " \t\r\n")
	return m[1]
}

// take takes the next token if it is the given one.
func (p *checkParser) take(wanted string) bool {
	if p.peek() != wanted {
		return false
	}
	p.next()
	return true
}

// expression reads as much as belongs together. What it does not know it leaves unread.
func (p *checkParser) expression() expression {
	first := p.operand()
	switch word := p.peek(); word {
	case "AND", "OR":
		parts := []expression{first}
		for p.take(word) {
			parts = append(parts, p.operand())
		}
		if word == "AND" {
			return allOf(parts)
		}
		return anyOf(parts)
	case "IS":
		p.next()
		if c, ok := first.(column); ok && p.take("NULL") {
			return isNull{c}
		}
		return nil
	case "=", "<", "<=", ">", ">=":
		p.next()
		return compared(first, word, p.right(word))
	}
	return first
}

// right reads what a column is compared with.
func (p *checkParser) right(operator string) expression {
	if operator == "=" && p.take("ANY") {
		if list, ok := p.operand().(array); ok {
			return list
		}
		return nil
	}
	e := p.operand()
	if _, is := e.(array); is {
		return nil
	}
	return e
}

// compared returns a comparison, the column on its left.
func compared(left expression, operator string, right expression) expression {
	if c, ok := left.(column); ok {
		switch right.(type) {
		case number, literal, array:
			return comparison{c, operator, right}
		}
		return nil
	}
	turned := map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
	if c, ok := right.(column); ok {
		if n, is := left.(number); is {
			return comparison{c, turned[operator], n}
		}
		if s, is := left.(literal); is {
			return comparison{c, turned[operator], s}
		}
	}
	return nil
}

// operand reads a column, a constant, a list or what stands in brackets, and its casts.
func (p *checkParser) operand() expression {
	e := p.primary()
	for p.take("::") {
		e = cast(e, p.typeName())
	}
	return e
}

func (p *checkParser) primary() expression {
	switch t := p.next(); {
	case t == "(":
		e := p.expression()
		if !p.take(")") {
			p.skip()
			return nil
		}
		return e
	case t == "ARRAY" && p.take("["):
		return p.list()
	case t == domainValue:
		return column{}
	case t == "":
		return nil
	case t[0] == '"':
		return column{name: strings.ReplaceAll(t[1:len(t)-1], `""`, `"`)}
	case t[0] == '\'':
		return literal(strings.ReplaceAll(t[1:len(t)-1], "''", "'"))
	case t[0] >= '0' && t[0] <= '9':
		return numberOf(t)
	case strings.ToLower(t) == t && (t[0] == '_' || t[0] >= 'a'):
		if p.peek() != "(" { // a function
			return column{name: t}
		}
	}
	return nil
}

// skip passes over what is left up to the end of the brackets that are open.
func (p *checkParser) skip() {
	for depth := 1; depth > 0; {
		switch p.next() {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		case "":
			return
		}
	}
}

// list reads the values of ARRAY[...].
func (p *checkParser) list() expression {
	values, good := array{}, true
	for {
		if v, ok := p.operand().(literal); ok {
			values = append(values, string(v))
		} else {
			good = false
		}
		switch {
		case p.take(","):
		case p.take("]"):
			if good {
				return values
			}
			return nil
		default:
			p.skip()
			return nil
		}
	}
}

// typeName reads the name of a type; "" of one with a modifier, which changes values.
func (p *checkParser) typeName() string {
	var words []string
	for {
		switch t := p.peek(); {
		case t == "AND", t == "OR", t == "IS", t == "":
			return strings.Join(words, " ")
		case t == "(":
			p.next()
			p.skip()
			words = append(words, "modified")
		case t == "[":
			p.next()
			p.take("]")
			words = append(words, "array")
		case t[0] == '"' || t[0] == '_' || t[0] >= 'a' && t[0] <= 'z':
			words = append(words, p.next())
		default:
			return strings.Join(words, " ")
		}
	}
}

// cast returns an expression as another type has it; nil if that may be another value.
func cast(e expression, to string) expression {
	whole := to == "smallint" || to == "integer" || to == "bigint"
	text := to == "text" || to == "character varying" || to == "bpchar"
	switch v := e.(type) {
	case literal:
		switch {
		case text:
			return v
		case whole, to == "numeric", to == "double precision":
			return cast(numberOf(string(v)), to)
		}
	case number:
		if whole && v.IsInt() || to == "numeric" || to == "double precision" {
			return v
		}
	case column:
		v.rounded = v.rounded || whole
		if whole || text || to == "numeric" {
			return v
		}
	case array:
		if to == "text array" || to == "character varying array" || to == "bpchar array" {
			return v
		}
	}
	return nil
}

// numberOf returns the number that digits spell; nil if there are too many.
func numberOf(text string) expression {
	if strings.ContainsAny(text, "/xXpP_ ") || len(text) > maxPlain {
		return nil
	}
	if mantissa, exponent, given := strings.Cut(strings.ToLower(text), "e"); given && (len(exponent) > 3 || mantissa == "") {
		return nil
	}
	if n, ok := new(big.Rat).SetString(text); ok {
		return number{n}
	}
	return nil
}
