package render

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// appendNull appends a value, or null.
func appendNull(b []byte, c *listing.Column, v *listing.Null[listing.Value]) []byte {
	if !v.Valid {
		return append(b, "null"...)
	}
	return appendValue(b, c, &v.V)
}

// appendValue appends a value that is not NULL.
func appendValue(b []byte, c *listing.Column, v *listing.Value) []byte {
	switch c.Form {
	case listing.Whole:
		return appendInt(b, v.Number)
	case listing.Decimal:
		return appendDecimal(b, v.Number, c.Scale)
	case listing.Float:
		return appendFloat(b, listing.FloatOf(v.Number))
	case listing.Truth:
		return strconv.AppendBool(b, v.Number != 0)
	case listing.Label:
		return appendString(b, c.Label(*v))
	case listing.Day:
		return append(listing.AppendDay(append(b, '"'), v.Number), '"')
	case listing.Moment:
		return append(listing.AppendMoment(append(b, '"'), v.Number), '"')
	case listing.Instant:
		return append(listing.AppendInstant(append(b, '"'), v.Number), '"')
	case listing.Spelled:
		return appendSpelled(b, c, v.Text)
	case listing.JSON:
		if v.Text == "" {
			return append(b, "null"...) // no JSON is empty
		}
		return append(b, v.Text...)
	default:
		return appendString(b, v.Text)
	}
}

func appendInt(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }

// appendDecimal appends a number, or the string "NaN".
func appendDecimal(b []byte, units int64, scale int) []byte {
	if units == listing.NaN {
		return append(b, `"NaN"`...)
	}
	return listing.AppendDecimal(b, units, scale)
}

// appendSpelled appends a text of fixed length as a string; and a number as PostgreSQL spells
// it, but what is no number as a string.
func appendSpelled(b []byte, c *listing.Column, text string) []byte {
	digits := strings.TrimPrefix(text, "-")
	if c.Type.Kind == description.Char || digits == "" || digits[0] < '0' || digits[0] > '9' {
		return appendString(b, text)
	}
	return append(b, text...)
}

// appendFloat appends the shortest number that reads back as the same float, as
// encoding/json does, -0 too; or PostgreSQL's word for what is no number, as a string.
func appendFloat(b []byte, v float64) []byte {
	size := math.Abs(v)
	switch {
	case size != size:
		return append(b, `"NaN"`...)
	case math.IsInf(v, +1):
		return append(b, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(b, `"-Infinity"`...)
	case size != 0 && size < 1e-6 || size >= 1e21: // the plain form would be long
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

// plain holds the bytes that stand in a JSON string as they are: ASCII that need not be
// escaped.
var plain = func() (set [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// appendString appends a JSON string. Only what must be escaped is; bytes that
// are not UTF-8, which PostgreSQL never gives, become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of the run of bytes that can be copied as they are
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case plain[c]:
			i++
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
		default:
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
		}
	}
	return append(append(b, s[start:]...), '"')
}

// appendEscape appends the escape of one ASCII character.
func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	default:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}
