package render

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/listing"
)

// placeName reads a stored city as people write it: ELK_GROVE is Elk Grove. A
// name that is not all capitals keeps its own.
func placeName(s string) string {
	s = strings.ReplaceAll(s, "_", " ")
	if strings.ToUpper(s) != s {
		return s
	}
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = capitalized(strings.ToLower(w))
	}
	return strings.Join(words, " ")
}

// typeName reads a stored property type: Multi_Family is Multi-Family.
func typeName(s string) string { return strings.ReplaceAll(s, "_", "-") }

// statusName reads a stored status: for_sale is For sale.
func statusName(s string) string { return capitalized(strings.ReplaceAll(s, "_", " ")) }

func capitalized(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// parameterName reads a parameter's name as the form's labels do: min_price is
// Minimum price.
func parameterName(s string) string {
	switch s {
	case "q":
		return "Words in the listing"
	case "bbox":
		return "Map area"
	case "limit":
		return "Per page"
	}
	s = strings.NewReplacer("min_", "minimum_", "max_", "maximum_").Replace(s)
	return capitalized(strings.ReplaceAll(s, "_", " "))
}

// dollars writes cents as an amount: $1,234,567, with cents only if there are any.
func dollars(cents int64) string {
	switch {
	case cents >= listing.NaNPrice:
		return "NaN"
	case cents < 0:
		return "-" + dollars(-cents)
	}
	b := append([]byte{'$'}, grouped(cents/100)...)
	if cents%100 != 0 {
		b = append(b, '.', byte('0'+cents/10%10), byte('0'+cents%10))
	}
	return string(b)
}

// grouped writes a number with a comma before every three digits.
func grouped(v int64) string {
	if v < 0 {
		return "-" + grouped(-v)
	}
	digits := string(appendInt(nil, v))
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// tenths writes tenths, with a decimal only if it is not zero: 2, 2.5.
func tenths(v int16) string { return strings.TrimSuffix(string(listing.AppendBathrooms(nil, v)), ".0") }

// counted writes a number and its noun: 1 bed, 3 beds.
func counted(number, noun string) string {
	if number == "1" {
		return number + " " + noun
	}
	return number + " " + noun + "s"
}

// date writes an instant's day: May 15, 2008. Before the year 1 it is March 15, 44 BC.
func date(m listing.Micros) string {
	if !m.Finite() {
		return m.String()
	}
	t := m.Time()
	if year := t.Year(); year < 1 {
		return t.Format("January 2, ") + strconv.Itoa(1-year) + " BC"
	}
	return t.Format("January 2, 2006")
}

// instant writes an instant as machines read it, or nothing if HTML has no way to.
func instant(m listing.Micros) string {
	if !m.Finite() || m.Time().Year() < 1 {
		return ""
	}
	return m.String()
}

// enumerated joins words as a sentence does: A, B and C.
func enumerated(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

func beds(n int16) string { return counted(string(appendInt(nil, n)), "bed") }

func baths(n int16) string { return counted(tenths(n), "bath") }

func area(squareFeet int32) string { return grouped(int64(squareFeet)) + " sq ft" }
