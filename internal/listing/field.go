package listing

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/description"
)

// ReadField reads a field of a text file, such as CSV, as a value that a write gives to the
// column. The field is not empty. If it is none, ReadField says what it must be. The rules are
// those of ReadJSON; what differs is how files spell values: yes for true, PostgreSQL's own
// spelling of instants and arrays.
func (c *Column) ReadField(text string) (v Value, must string) {
	if c.Form == Words || c.Form == Spelled && c.Type.Kind == description.Char {
		return readWords(c, text, true)
	}
	if c.Form == JSON {
		return c.readJSONField(text)
	}
	text = strings.TrimSpace(text)
	switch c.Form {
	case Whole, Decimal:
		return writtenDecimal(c, text)
	case Float:
		return writtenFloat(c, text)
	case Spelled:
		return c.ReadJSON(numberJSON(text))
	case Truth:
		return readTruth(text)
	case Moment, Instant:
		return c.readTime(text)
	}
	return c.ParseValue(text)
}

// numberJSON returns a field as the JSON number that it spells, or as what is none.
func numberJSON(text string) json.RawMessage {
	digits, negative := strings.CutPrefix(text, "-")
	for len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		digits = digits[1:]
	}
	if negative {
		digits = "-" + digits
	}
	if raw := json.RawMessage(digits); isNumber(raw) && json.Valid(raw) {
		return raw
	}
	return json.RawMessage("false")
}

func readTruth(text string) (Value, string) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "on", "1":
		return Value{Number: 1}, ""
	case "false", "f", "no", "n", "off", "0":
		return Value{}, ""
	}
	return Value{}, "true or false"
}

// readTime reads an instant as a client may write it, or as PostgreSQL does. One without a zone
// is in UTC.
func (c *Column) readTime(text string) (Value, string) {
	v, must := c.ParseValue(text)
	if must == "" {
		return v, ""
	}
	for _, layout := range [...]string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05-07", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04"} {
		zoned := strings.Contains(layout, "07")
		if t, err := time.Parse(layout, text); err == nil && (!zoned || c.Form == Instant) && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 && !tooFine(t) {
			return Value{Number: InstantOf(t.UTC())}, ""
		}
	}
	return Value{}, must
}

// readJSONField reads an array, in one of three spellings, or a value of any type that is only
// shown: JSON as it is, others as PostgreSQL reads them.
func (c *Column) readJSONField(text string) (Value, string) {
	if c.Element == nil {
		switch cmp.Or(c.Type.Base, c.Type.Name) {
		case "json", "jsonb":
			if !json.Valid([]byte(text)) {
				return Value{}, "JSON"
			}
			return c.ReadJSON(json.RawMessage(text))
		}
		return c.ReadJSON(jsonText(text))
	}
	const must = `an array, such as a,b or ["a","b"] or {a,b}`
	trimmed := strings.TrimSpace(text)
	if strings.HasPrefix(trimmed, "[") && c.Element.Form != JSON {
		if !json.Valid([]byte(trimmed)) {
			return Value{}, must
		}
		return c.ReadJSON(json.RawMessage(trimmed))
	}
	elements, ok := splitArray(trimmed)
	if !ok {
		return Value{}, must
	}
	array := []byte{'['}
	for i, e := range elements {
		if i > 0 {
			array = append(array, ',')
		}
		if !e.Valid {
			array = append(array, "null"...)
			continue
		}
		v, must := c.Element.ReadField(e.V)
		switch {
		case must != "":
			return Value{}, "an array whose elements are each " + must
		case c.Element.Form == JSON:
			array = append(array, v.Text...)
		default:
			array = append(array, jsonText(c.Element.Spell(v))...)
		}
	}
	return Value{Text: string(append(array, ']'))}, ""
}

func jsonText(text string) json.RawMessage {
	raw, err := json.Marshal(text)
	if err != nil {
		panic("listing: encode a text: " + err.Error()) // it does not happen
	}
	return raw
}

// splitArray splits an array of one dimension as PostgreSQL writes it, {a,"b c",NULL}, or words
// between commas.
func splitArray(text string) (elements []Null[string], ok bool) {
	inner, braced := strings.CutPrefix(text, "{")
	if !braced {
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				elements = append(elements, Some(part))
			}
		}
		return elements, true
	}
	inner, closed := strings.CutSuffix(inner, "}")
	if !closed {
		return nil, false
	}
	rest := strings.TrimSpace(inner)
	for rest != "" {
		var element string
		var quoted bool
		if element, rest, quoted, ok = cutElement(rest); !ok {
			return nil, false
		}
		if quoted || !strings.EqualFold(element, "null") {
			elements = append(elements, Some(element))
		} else {
			elements = append(elements, Null[string]{})
		}
		if rest == "" {
			break
		}
		if rest[0] != ',' || strings.TrimSpace(rest[1:]) == "" {
			return nil, false
		}
		rest = strings.TrimLeft(rest[1:], " ")
	}
	return elements, true
}

// cutElement cuts one element off an array's text.
func cutElement(s string) (element, rest string, quoted, ok bool) {
	if s[0] != '"' {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		element = strings.TrimSpace(s[:end])
		return element, s[end:], false, element != "" && !strings.ContainsAny(element, `{}"\`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return "", "", true, false
			}
			b.WriteByte(s[i])
		case '"':
			return b.String(), strings.TrimLeft(s[i+1:], " "), true, true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", true, false
}
