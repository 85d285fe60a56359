package listing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/description"
)

// ReadJSON reads a JSON value, which is not null, as one that a write gives to the column. If it
// cannot, it says what the value must be. What it knows of are the type and the table's simple
// checks; PostgreSQL has the last word.
func (c *Column) ReadJSON(raw json.RawMessage) (v Value, must string) {
	switch c.Form {
	case Whole, Decimal:
		return writtenDecimal(c, string(raw))
	case Float:
		return writtenFloat(c, string(raw))
	case Truth:
		switch string(raw) {
		case "true":
			return Value{Number: 1}, ""
		case "false":
			return Value{}, ""
		}
		return Value{}, "true or false"
	case JSON:
		return readJSON(c, raw)
	case Spelled:
		if c.Type.Kind != description.Char {
			return readNumber(c, raw)
		}
	}
	return readText(c, raw)
}

// readText reads what is written as a string.
func readText(c *Column, raw json.RawMessage) (Value, string) {
	text, ok := unquoted(raw)
	switch {
	case c.Form == Words || c.Form == Spelled:
		return readWords(c, text, ok)
	case !ok:
		text = "" // which is none of the others' values
	}
	return c.ParseValue(text)
}

// unquoted reads a JSON string.
func unquoted(raw json.RawMessage) (text string, ok bool) {
	return text, json.Unmarshal(raw, &text) == nil
}

func readWords(c *Column, text string, ok bool) (Value, string) {
	most := c.MaxLength()
	if c.Type.Kind == description.Char {
		text = strings.TrimRight(text, " ") // which PostgreSQL fills it up with
	}
	switch {
	case len(c.OneOf) > 0 && (!ok || !slices.Contains(c.OneOf, text)):
		return Value{}, Either(c.OneOf)
	case !ok || strings.IndexByte(text, 0) >= 0:
		return Value{}, "a text without a NUL"
	case most > 0 && utf8.RuneCountInString(text) > most:
		return Value{}, fmt.Sprintf("a text of at most %d characters", most)
	}
	return Value{Text: text}, ""
}

// writtenDecimal reads a number exactly as one of the column's scale.
func writtenDecimal(c *Column, text string) (v Value, _ string) {
	if n, fits, ok := parseFixed(text, c.Scale); ok && fits && n >= c.writable.least && n <= c.writable.greatest {
		return Value{Number: n}, ""
	}
	least, greatest := c.Limits()
	must := "a number from " + least + " to " + greatest
	if c.Scale == 0 {
		return v, "a whole" + strings.TrimPrefix(must, "a")
	}
	return v, must + " with at most " + Decimals(c.Scale)
}

func power(scale int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
}

// maxExponent bounds the size of numbers in bodies, so that a short one is not long to work
// with. No column has use for more digits.
const maxExponent = 400

// exact reads a JSON number without rounding it.
func exact(raw json.RawMessage) (*big.Rat, bool) {
	text := strings.ToLower(string(raw))
	if !isNumber(raw) {
		return nil, false
	}
	if mantissa, exponent, given := strings.Cut(text, "e"); given {
		if strings.Trim(mantissa, "-0.") == "" {
			return new(big.Rat), true
		}
		if e, err := strconv.Atoi(exponent); err != nil || e < -maxExponent || e > maxExponent {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}

// isNumber reports whether a JSON value is a number.
func isNumber(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// between reports whether a number is within limits, of which either may be missing.
func between(n *big.Rat, least, greatest string) bool {
	low, ok1 := new(big.Rat).SetString(least)
	high, ok2 := new(big.Rat).SetString(greatest)
	return !(ok1 && n.Cmp(low) < 0) && !(ok2 && n.Cmp(high) > 0)
}

// numberFrom says which number it must be, by the checks of a column.
func numberFrom(c *Column) string {
	switch {
	case c.Least != "" && c.Greatest != "":
		return "a number from " + c.Least + " to " + c.Greatest
	case c.Least != "":
		return "a number of at least " + c.Least
	case c.Greatest != "":
		return "a number of at most " + c.Greatest
	}
	return "a number"
}

// writtenFloat reads a number as the nearest float.
func writtenFloat(c *Column, text string) (v Value, _ string) {
	_, plain := cutDecimal(text) // ParseFloat knows other numbers, too
	f, err := strconv.ParseFloat(text, 64)
	if !plain || err != nil || f < c.writable.leastFloat || f > c.writable.greatestFloat {
		return v, numberFrom(c)
	}
	return Value{Number: FloatNumber(f)}, ""
}

// readNumber reads a number that only PostgreSQL compares, as it is spelled.
func readNumber(c *Column, raw json.RawMessage) (Value, string) {
	n, ok := exact(raw)
	if !ok || !between(n, c.Least, c.Greatest) {
		return Value{}, numberFrom(c)
	}
	if c.Type.Kind == description.Real {
		if _, err := strconv.ParseFloat(string(raw), 32); err != nil {
			return Value{}, "a number that fits " + c.Type.Name
		}
	}
	if t := c.Type; t.Kind == description.Numeric && t.Precision > 0 && !fits(n, t.Precision, t.Scale) {
		return Value{}, "a number that fits " + t.Name
	}
	return Value{Text: string(raw)}, ""
}

// fits reports whether a number has so many digits at most, and so many of them behind the
// point; a scale below zero rounds before it.
func fits(n *big.Rat, precision, scale int) bool {
	unit := new(big.Rat).SetInt(power(max(scale, -scale)))
	if scale < 0 {
		unit.Inv(unit)
	}
	units := new(big.Rat).Mul(n, unit)
	return units.IsInt() && units.Num().CmpAbs(power(precision)) < 0
}

// readJSON reads an array, whose elements are values of their type, or any JSON.
func readJSON(c *Column, raw json.RawMessage) (Value, string) {
	if c.Element != nil {
		var elements []json.RawMessage
		if json.Unmarshal(raw, &elements) != nil || elements == nil {
			return Value{}, "an array"
		}
		for _, e := range elements {
			if string(e) == "null" {
				continue
			}
			if _, must := c.Element.ReadJSON(e); must != "" {
				return Value{}, "an array whose elements are each " + must
			}
		}
	}
	if name, twice := memberTwice(raw); twice {
		return Value{}, "JSON without a member twice, such as " + strconv.Quote(name)
	}
	if bytes.Contains(raw, []byte(`\u0000`)) && strings.IndexByte(decodedTexts(raw), 0) >= 0 {
		return Value{}, "JSON without a NUL"
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return Value{}, "JSON"
	}
	return Value{Text: b.String()}, ""
}

// decodedTexts returns all strings of a JSON text, one behind the other.
func decodedTexts(raw json.RawMessage) string {
	var b strings.Builder
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := d.Token()
		if err != nil {
			return b.String()
		}
		if text, ok := token.(string); ok {
			b.WriteString(text)
		}
	}
}

// MaxLength returns how many characters a text of the column can have; 0 if that is not known.
func (c *Column) MaxLength() int {
	if c.Type.Kind != description.Varchar && c.Type.Kind != description.Char {
		return 0
	}
	_, rest, _ := strings.Cut(c.Type.Name, "(")
	digits, _, _ := strings.Cut(rest, ")")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// memberTwice returns a name that an object inside of a JSON text has more than once.
func memberTwice(raw json.RawMessage) (name string, twice bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	var open []map[string]bool // of each object that has begun; nil of an array
	named := false             // the next token of an object is a name
	for {
		token, err := d.Token()
		if err != nil {
			return "", false // the end: it is JSON
		}
		switch token {
		case json.Delim('{'):
			open, named = append(open, map[string]bool{}), true
			continue
		case json.Delim('['):
			open = append(open, nil)
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if within := len(open) > 0 && open[len(open)-1] != nil; within && named {
				text, _ := token.(string)
				if open[len(open)-1][text] {
					return text, true
				}
				open[len(open)-1][text], named = true, false
				continue
			}
		}
		named = len(open) > 0 && open[len(open)-1] != nil
	}
}

// MustSay reports whether the column needs a text that is not empty: it has no default, so whoever
// creates a row has to give it, and nothing is no answer.
func (c *Column) MustSay() bool {
	text := c.Form == Words || c.Form == Spelled && c.Type.Kind == description.Char
	return text && c.NotNull && !c.Default && len(c.OneOf) == 0
}
