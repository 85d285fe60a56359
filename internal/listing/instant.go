package listing

import (
	"bytes"
	"strconv"
	"time"
)

// AppendInstant appends an instant as PostgreSQL's to_json writes it in UTC: infinity,
// -infinity, and outside the years 1 to 9999 2024-01-01T00:00:00+00:00 with as many
// digits as the year takes, and BC behind those before the year 1. Within them, where
// RFC 3339 has a word to say, the zone is Z and a fraction has six digits.
func AppendInstant(dst []byte, m Micros) []byte {
	switch m {
	case Infinity, NoInstant:
		return append(dst, "infinity"...)
	case LongAgo:
		return append(dst, "-infinity"...)
	}
	t := m.Time()
	year := t.Year()
	if year >= 1 && year <= 9999 {
		dst = t.AppendFormat(dst, "2006-01-02T15:04:05")
		if t.Nanosecond() != 0 {
			dst = appendFraction(dst, t)
		}
		return append(dst, 'Z')
	}
	era := ""
	if year < 1 { // 0 is 1 BC
		year, era = 1-year, " BC"
	}
	for n := 1000; n > year; n /= 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, int64(year), 10)
	dst = t.AppendFormat(dst, "-01-02T15:04:05")
	if t.Nanosecond() != 0 {
		dst = bytes.TrimRight(appendFraction(dst, t), "0")
	}
	return append(append(dst, "+00:00"...), era...)
}

// appendFraction appends the microseconds of a second.
func appendFraction(dst []byte, t time.Time) []byte {
	dst = append(dst, '.')
	for rest, unit := t.Nanosecond()/1000, 100_000; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+rest/unit%10))
	}
	return dst
}

// String returns the instant as AppendInstant writes it, which PostgreSQL reads.
func (m Micros) String() string { return string(AppendInstant(nil, m)) }
