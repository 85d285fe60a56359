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
func AppendInstant(dst []byte, instant int64) []byte {
	if !Finite(instant) {
		return appendEnd(dst, instant)
	}
	t := TimeOf(instant)
	if year := t.Year(); year >= 1 && year <= 9999 {
		return append(appendMoment(dst, t), 'Z')
	}
	return append(append(appendMoment(dst, t), "+00:00"...), era(t)...)
}

// AppendMoment appends a timestamp without time zone in the same way, without a zone.
func AppendMoment(dst []byte, moment int64) []byte {
	if !Finite(moment) {
		return appendEnd(dst, moment)
	}
	t := TimeOf(moment)
	return append(appendMoment(dst, t), era(t)...)
}

// AppendDay appends a date as PostgreSQL's to_json writes it: 2024-01-01, 0044-03-15 BC,
// infinity.
func AppendDay(dst []byte, day int64) []byte {
	if !Finite(day) {
		return appendEnd(dst, day)
	}
	t := dayTime(day)
	return append(appendDate(dst, t), era(t)...)
}

// appendEnd appends an end of time.
func appendEnd(dst []byte, v int64) []byte {
	if v > 0 {
		return append(dst, "infinity"...)
	}
	return append(dst, "-infinity"...)
}

// era returns what stands behind a time before the year 1.
func era(t time.Time) string {
	if t.Year() < 1 {
		return " BC"
	}
	return ""
}

// appendDate appends the date, with a year of four digits at least; 0 is 1 BC.
func appendDate(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year < 1 {
		year = 1 - year
	}
	if year > 9999 {
		dst = strconv.AppendInt(dst, int64(year), 10)
	} else {
		dst = appendTwo(appendTwo(dst, year/100), year%100)
	}
	dst = appendTwo(append(dst, '-'), int(month))
	return appendTwo(append(dst, '-'), day)
}

// appendTwo appends a number of two digits.
func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendMoment appends date and time of day.
func appendMoment(dst []byte, t time.Time) []byte {
	hour, minute, second := t.Clock()
	dst = append(appendTwo(append(appendDate(dst, t), 'T'), hour), ':')
	dst = appendTwo(append(appendTwo(dst, minute), ':'), second)
	if t.Nanosecond() == 0 {
		return dst
	}
	dst = appendFraction(dst, t)
	if year := t.Year(); year < 1 || year > 9999 {
		dst = bytes.TrimRight(dst, "0")
	}
	return dst
}

// appendFraction appends the microseconds of a second.
func appendFraction(dst []byte, t time.Time) []byte {
	dst = append(dst, '.')
	for rest, unit := t.Nanosecond()/1000, 100_000; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+rest/unit%10))
	}
	return dst
}
