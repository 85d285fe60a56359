package listing

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/description"
)

// Spell returns the one spelling of a value in canonical text and in parameters of
// statements: what PostgreSQL reads as that value of the column's type. Numbers are in their
// shortest form.
func (c *Column) Spell(v Value) string { return string(c.AppendSpelled(nil, v)) }

// AppendSpelled appends what Spell returns.
func (c *Column) AppendSpelled(dst []byte, v Value) []byte {
	switch c.Form {
	case Whole:
		return strconv.AppendInt(dst, v.Number, 10)
	case Decimal:
		if v.Number == NaN {
			return append(dst, nan...)
		}
		return appendShortest(dst, v.Number, c.Scale)
	case Float:
		return appendFloat(dst, FloatOf(v.Number))
	case Truth:
		return strconv.AppendBool(dst, v.Number != 0)
	case Label:
		return append(dst, c.Label(v)...)
	case Day:
		return AppendDay(dst, v.Number)
	case Moment:
		return AppendMoment(dst, v.Number)
	case Instant:
		return AppendInstant(dst, v.Number)
	default:
		return append(dst, v.Text...)
	}
}

// spelledLength returns how many bytes Spell's text has.
func (c *Column) spelledLength(v Value) int {
	var room [maxNumber]byte
	return len(c.AppendSpelled(room[:0], v))
}

// appendFloat appends the shortest text that reads back as the same float, as PostgreSQL
// reads it.
func appendFloat(dst []byte, v float64) []byte {
	switch {
	case v != v:
		return append(dst, nan...)
	case math.IsInf(v, +1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// Label returns the text of a value of an enum.
func (c *Column) Label(v Value) string {
	if labels := c.Type.Labels; v.Number >= 0 && v.Number < int64(len(labels)) {
		return labels[v.Number]
	}
	return ""
}

// LabelOf returns the value of an enum's label; false if there is none, or was none when the
// description was made.
func (c *Column) LabelOf(text string) (Value, bool) {
	i := slices.Index(c.Type.Labels, text)
	return Value{Number: int64(i)}, i >= 0
}

// ParseValue reads a value that a client asks for, in any spelling that is plain enough to be
// meant so. If it cannot, it says what the value must be. It does not judge the length
// of texts.
func (c *Column) ParseValue(text string) (v Value, must string) {
	switch c.Form {
	case Whole, Decimal:
		return c.parseNumber(text)
	case Float:
		return parseFloat(text)
	case Truth:
		switch strings.ToLower(text) {
		case "true":
			return Value{Number: 1}, ""
		case "false":
			return Value{Number: 0}, ""
		}
		return Value{}, "true or false"
	case Label:
		if v, ok := c.LabelOf(text); ok {
			return v, ""
		}
		if near := description.Nearest(text, c.Type.Labels); near != "" {
			return Value{}, fmt.Sprintf("%s; did you mean %s?", Either(c.Type.Labels), near)
		}
		return Value{}, Either(c.Type.Labels)
	case Day:
		return parseDay(text)
	case Moment:
		return parseMoment(text)
	case Instant:
		return parseInstant(text)
	case UUID:
		return parseUUID(text)
	case Words:
		return Value{Text: text}, ""
	case Spelled:
		return c.parseSpelled(text)
	default:
		return Value{}, "absent: this column cannot be asked for"
	}
}

// Either joins words as a sentence does that offers a choice: a, b or c. Very many are cut.
func Either(words []string) string {
	const most = 20
	switch n := len(words); {
	case n == 0:
		return "nothing"
	case n == 1:
		return words[0]
	case n > most:
		return strings.Join(words[:most], ", ") + " or one of " + strconv.Itoa(n-most) + " others"
	default:
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
}

// parseNumber reads a decimal by its value, within the range of the column's type. Below zero
// is only what the column can hold, as far as its checks are known.
func (c *Column) parseNumber(text string) (Value, string) {
	v, fits, ok := parseFixed(text, c.Scale)
	least, greatest := c.bounds()
	switch {
	case !ok && c.Scale == 0:
		return Value{}, "a whole number"
	case !ok:
		return Value{}, "a number with at most " + Decimals(c.Scale)
	case v > greatest, !fits && v > 0:
		return Value{}, "at most " + string(appendShortest(nil, greatest, c.Scale))
	case v < least, !fits:
		return Value{}, "at least " + string(appendShortest(nil, least, c.Scale))
	}
	return Value{Number: v}, ""
}

// Decimals says how many digits stand behind the point: 2 decimals.
func Decimals(scale int) string {
	if scale == 1 {
		return "1 decimal"
	}
	return strconv.Itoa(scale) + " decimals"
}

func parseFloat(text string) (Value, string) {
	v, ok := readFloat(text)
	if !ok {
		return Value{}, "a number of double precision"
	}
	return Value{Number: FloatNumber(v)}, ""
}

// readFloat reads a decimal as the nearest float. There is one zero: -0 is spelled 0.
func readFloat(text string) (float64, bool) {
	if _, ok := cutDecimal(text); !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	if v == 0 {
		v = 0
	}
	return v, err == nil
}

// parseDay reads a date of the years 1 to 9999.
func parseDay(text string) (Value, string) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 {
		return Value{}, "a date, such as 2024-12-31"
	}
	return Value{Number: floorDiv(t.Unix()-year2000, secondsPerDay)}, ""
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func parseMoment(text string) (Value, string) {
	for _, layout := range [...]string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1 && !tooFine(t) {
			return Value{Number: InstantOf(t)}, ""
		}
	}
	return Value{}, "a date and time, such as 2024-12-31T18:30:00"
}

func parseInstant(text string) (Value, string) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	if t = t.UTC(); err != nil || t.Year() < 1 || t.Year() > 9999 || tooFine(t) {
		return Value{}, "an instant, such as 2024-12-31T18:30:00Z or 2024-12-31"
	}
	return Value{Number: InstantOf(t)}, ""
}

// tooFine reports whether a time has more digits than PostgreSQL keeps.
func tooFine(t time.Time) bool { return t.Nanosecond()%1000 != 0 }

func parseUUID(text string) (Value, string) {
	const must = "a UUID, such as 123e4567-e89b-12d3-a456-426614174000"
	if len(text) != 36 {
		return Value{}, must
	}
	for i := range len(text) {
		switch i {
		case 8, 13, 18, 23:
			if text[i] != '-' {
				return Value{}, must
			}
		default:
			if !strings.Contains("0123456789abcdefABCDEF", text[i:i+1]) {
				return Value{}, must
			}
		}
	}
	return Value{Text: strings.ToLower(text)}, ""
}

// parseSpelled reads a value that only PostgreSQL compares: a number of any length, or a text
// without the blanks at its end that PostgreSQL fills it up with; one of only blanks keeps one,
// since an empty one could not be asked for.
func (c *Column) parseSpelled(text string) (Value, string) {
	if c.Type.Kind == description.Char {
		if trimmed := strings.TrimRight(text, " "); trimmed != "" || text == "" {
			return Value{Text: trimmed}, ""
		}
		return Value{Text: " "}, ""
	}
	d, ok := cutDecimal(text)
	if !ok {
		return Value{}, "a number"
	}
	digits, ok := d.writtenOut()
	if c.Type.Kind == description.Real {
		ok = ok && fitsReal(digits)
	}
	if !ok {
		return Value{}, "a number that fits " + c.Type.Name
	}
	return Value{Text: digits}, ""
}

// fitsReal reports whether PostgreSQL takes a number for a real: one that is not zero must not
// become it.
func fitsReal(digits string) bool {
	v, err := strconv.ParseFloat(digits, 32)
	return err == nil && (v != 0 || digits == "0")
}

// Castable returns the type that a parameter with a value's spelling is cast to, so that it is
// compared as the column's values are: without a length, which would cut a text, and the
// type behind a domain, whose checks would refuse a value that no row has.
func (c *Column) Castable() string {
	switch t := &c.Type; t.Kind {
	case description.Numeric:
		return "numeric"
	case description.Text, description.Varchar:
		return "text"
	case description.Char:
		return "bpchar"
	case description.Array:
		return c.Element.Castable() + "[]"
	default:
		if t.Base != "" {
			return t.Base
		}
		return t.Name
	}
}

// Unchecked returns the column as if nothing were known of the table's checks.
func (c *Column) Unchecked() Column {
	free := *c
	free.signed = true
	return free
}
