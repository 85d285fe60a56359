package render

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/freshlist/freshlist/internal/listing"
)

// locale is how a site writes numbers, amounts of money and dates.
type locale struct {
	group, point   string // between groups of digits, and before decimals
	first, further int    // digits of the group before the point, and of those before it
	symbol         symbolPlace
	day            string // as time.Format takes it
}

// symbolPlace is where the symbol of a currency stands.
type symbolPlace uint8

const (
	behindAmount      symbolPlace = iota // 1.234 €
	beforeAmount                         // $1,234
	beforeAmountSpace                    // € 1.234
)

// symbolPlaces has the languages in which it stands before the amount. Unicode's data, as
// golang.org/x/text has it, do not say it.
var symbolPlaces = map[string]symbolPlace{
	"en": beforeAmount, "ja": beforeAmount, "zh": beforeAmount, "ko": beforeAmount, "hi": beforeAmount, "bn": beforeAmount, "ta": beforeAmount, "te": beforeAmount,
	"th": beforeAmount, "fil": beforeAmount, "ms": beforeAmount, "ga": beforeAmount, "cy": beforeAmount, "mt": beforeAmount,
	"nl": beforeAmountSpace, "pt": beforeAmountSpace, "id": beforeAmountSpace,
}

// locales has the ones in use by their names.
var locales sync.Map

// localeOf returns how a site writes.
func localeOf(s *listing.Site) *locale {
	name := s.Description.Site.Locale
	if l, ok := locales.Load(name); ok {
		return l.(*locale)
	}
	l, _ := locales.LoadOrStore(name, newLocale(name))
	return l.(*locale)
}

// newLocale finds out how numbers are written from how one is written. The words of pages are
// English, so that only its dates have words.
func newLocale(name string) *locale {
	l := &locale{group: ",", point: ".", first: 3, further: 3, symbol: beforeAmount, day: "January 2, 2006"}
	tag, err := language.Parse(name + "-u-nu-latn") // other digits could not be typed into the form
	if err != nil || name == "" {
		return l
	}
	base, _ := tag.Base()
	region, _ := tag.Region()
	l.symbol = symbolPlaces[base.String()]
	switch {
	case base.String() != "en":
		l.day = time.DateOnly
	case region.String() != "US":
		l.day = "2 January 2006"
	}
	const number = 1234567890.5
	written := message.NewPrinter(tag).Sprintf("%.1f", number)
	whole, isHalf := strings.CutSuffix(written, "5")
	end := strings.LastIndex(whole, "0")
	if !isHalf || end < 0 {
		return l
	}
	l.point = whole[end+1:]
	groups := strings.FieldsFunc(whole[:end+1], func(r rune) bool { return r < '0' || r > '9' })
	l.group = ""
	if n := len(groups); n > 1 {
		l.first, l.further = len(groups[n-1]), len(groups[n-1])
		if n > 2 {
			l.further = len(groups[n-2])
		}
		after := strings.TrimPrefix(whole, groups[0])
		l.group = after[:strings.Index(after, groups[1])]
	}
	return l
}

// grouped writes a number in digits.
func (l *locale) grouped(digits string) string {
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		return "-" + l.grouped(rest)
	}
	whole, rest, fraction := strings.Cut(digits, ".")
	if strings.Trim(whole, "0123456789") != "" {
		return digits // no digits, or with an exponent
	}
	var b strings.Builder
	for i, d := range whole {
		if left := len(whole) - i; i > 0 && left >= l.first && (left-l.first)%l.further == 0 {
			b.WriteString(l.group)
		}
		b.WriteRune(d)
	}
	if fraction {
		b.WriteString(l.point)
	}
	return b.String() + rest
}

// money writes an amount in a currency: $1,234,567, with cents only if there are any.
func (l *locale) money(currency, digits string) string {
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		return "-" + l.money(currency, rest)
	}
	whole, cents, _ := strings.Cut(digits, ".")
	if strings.Trim(cents, "0") == "" {
		digits = whole
	}
	if digits == "" || digits[0] < '0' || digits[0] > '9' { // NaN, Infinity
		return digits
	}
	const space = "\u00a0"
	symbol, known := symbols[currency]
	if !known {
		symbol = currency
	}
	switch amount := l.grouped(digits); {
	case l.symbol == behindAmount:
		return amount + space + symbol
	case l.symbol == beforeAmountSpace, !known:
		return symbol + space + amount
	default:
		return symbol + amount
	}
}
