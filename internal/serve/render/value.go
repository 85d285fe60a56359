package render

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/listing"
)

// appendNull appends a value in its own way, or null.
func appendNull[T any](b []byte, v listing.Null[T], value func([]byte, T) []byte) []byte {
	if !v.Valid {
		return append(b, "null"...)
	}
	return value(b, v.V)
}

func appendInt[T int16 | int32 | int64](b []byte, v T) []byte {
	return strconv.AppendInt(b, int64(v), 10)
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

// appendTime appends an instant as an RFC 3339 string in UTC, with microseconds
// only if it has any; or what PostgreSQL writes for one that RFC 3339 has no word for.
func appendTime(b []byte, m listing.Micros) []byte {
	return append(listing.AppendInstant(append(b, '"'), m), '"')
}

// appendPrice and appendBathrooms append a number, or the string "NaN".
func appendPrice(b []byte, cents int64) []byte {
	if cents >= listing.NaNPrice {
		return append(b, `"NaN"`...)
	}
	return listing.AppendPrice(b, cents)
}

func appendBathrooms(b []byte, tenths int16) []byte {
	if tenths == listing.NaNBathrooms {
		return append(b, `"NaN"`...)
	}
	return listing.AppendBathrooms(b, tenths)
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. Only what must be escaped is; bytes that
// are not UTF-8, which PostgreSQL never gives, become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of the run of bytes that can be copied as they are
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		case c < ' ' || c == '"' || c == '\\':
			b = appendEscape(append(b, s[start:i]...), c)
			start = i + 1
		}
		i++
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
