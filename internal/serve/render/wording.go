package render

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// The ways to show a column, as a description names them.
const (
	showWords     = listing.ShowWords
	showName      = listing.ShowName
	showBadge     = listing.ShowBadge
	showParagraph = "paragraph"
	showMoney     = "money"
	showDate      = "date"
	showLink      = "link"
	showImage     = "image"
)

// label is what pages call a column.
func label(c *listing.Column) string { return c.Column.Label }

// printed writes a value as pages show it.
func printed(t *listing.Table, c *listing.Column, v listing.Value) string {
	switch c.Form {
	case listing.Truth:
		if v.Number != 0 {
			return "Yes"
		}
		return "No"
	case listing.Whole, listing.Decimal, listing.Float:
		return quantity(t, c, v)
	case listing.Spelled:
		if c.Type.Kind != description.Char {
			return quantity(t, c, v)
		}
	case listing.Day, listing.Moment, listing.Instant:
		return moment(t, c, v)
	case listing.JSON:
		return plainJSON(v.Text)
	}
	return c.Worded(c.Spell(v))
}

// quantity writes a number: an amount of money, or with its unit, if it has one. Others are not
// grouped: they may be years, or numbers of houses.
func quantity(t *listing.Table, c *listing.Column, v listing.Value) string {
	digits := c.Spell(v)
	switch {
	case c.Show == showMoney:
		if c.Form == listing.Decimal {
			digits = string(listing.AppendDecimal(nil, v.Number, c.Scale))
		}
		return localeOf(t.Site).money(t.Site.Description.Site.Currency, digits)
	case c.Unit != "":
		return localeOf(t.Site).grouped(digits) + " " + c.Unit
	}
	return digits
}

// symbols are those of currencies that are known by one, in front of the amount.
var symbols = map[string]string{"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}

// counted writes a number and its noun: 1 bedroom, 3 bedrooms.
func counted(number, many string) string {
	if number == "1" {
		return number + " " + singular(many)
	}
	return number + " " + many
}

// countable reports whether a label is one word for several: Bedrooms.
func countable(label string) bool {
	return !strings.Contains(label, " ") && singular(label) != label
}

// singular returns the word for one of what an English word names several of: property of
// properties, home of homes. A word that is not of that kind stays as it is.
func singular(many string) string {
	for _, end := range []struct{ many, one string }{{"ies", "y"}, {"sses", "ss"}, {"xes", "x"}, {"ches", "ch"}, {"shes", "sh"}, {"ss", "ss"}, {"us", "us"}, {"s", ""}} {
		if stem, ok := strings.CutSuffix(many, end.many); ok && stem != "" {
			return stem + end.one
		}
	}
	return many
}

// One is the noun for a row of a table in problems: property.
func One(t *listing.Table) string { return singular(Many(t)) }

// Many is the noun for rows of a table in problems: properties.
func Many(t *listing.Table) string { return strings.NewReplacer("_", " ", "-", " ").Replace(t.Name) }

// date writes the day of a time: May 15, 2008. Before the year 1 it is March 15, 44 BC.
func date(t *listing.Table, c *listing.Column, v listing.Value) string {
	if !listing.Finite(v.Number) {
		return c.Spell(v)
	}
	at, layout := timeOf(c, v), localeOf(t.Site).day
	if year := at.Year(); year < 1 {
		at, layout = at.AddDate(1-2*year, 0, 0), layout+" BC"
	}
	return at.Format(layout)
}

// moment writes a time: its day, and its time of day unless only the date is shown.
func moment(t *listing.Table, c *listing.Column, v listing.Value) string {
	text := date(t, c, v)
	if c.Form == listing.Day || c.Show == showDate || !listing.Finite(v.Number) {
		return text
	}
	text += timeOf(c, v).Format(", 15:04")
	if c.Form == listing.Instant {
		text += " UTC"
	}
	return text
}

// machineTime writes a time as machines read it, or nothing if HTML has no way to.
func machineTime(c *listing.Column, v listing.Value) string {
	if !listing.Finite(v.Number) || timeOf(c, v).Year() < 1 {
		return ""
	}
	return c.Spell(v)
}

// timeOf returns a finite value of a column of times.
func timeOf(c *listing.Column, v listing.Value) time.Time {
	if c.Form == listing.Day {
		return listing.TimeOf(0).AddDate(0, 0, int(v.Number))
	}
	return listing.TimeOf(v.Number)
}

// plainJSON writes a list of simple values with commas between, and other JSON as it is.
func plainJSON(text string) string {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var values []any
	if err := d.Decode(&values); err != nil {
		return text
	}
	parts := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case string:
			parts[i] = v
		case json.Number:
			parts[i] = v.String()
		case bool:
			parts[i] = strconv.FormatBool(v)
		case nil:
			parts[i] = "null"
		default:
			return text
		}
	}
	return strings.Join(parts, ", ")
}

// enumerated joins words as a sentence does: A, B and C.
func enumerated(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// isTime reports whether values of the column are days or instants.
func isTime(c *listing.Column) bool {
	return c.Form == listing.Day || c.Form == listing.Moment || c.Form == listing.Instant
}

// isNumber reports whether values of the column are numbers.
func isNumber(c *listing.Column) bool {
	switch c.Form {
	case listing.Whole, listing.Decimal, listing.Float:
		return true
	case listing.Spelled:
		return c.Type.Kind != description.Char
	}
	return false
}

// isText reports whether values of the column are short texts.
func isText(c *listing.Column) bool {
	switch c.Form {
	case listing.Words, listing.Label:
	case listing.Spelled:
		if c.Type.Kind != description.Char {
			return false
		}
	default:
		return false
	}
	return c.Show != showParagraph && !isLink(c)
}

func isLink(c *listing.Column) bool { return c.Show == showLink || c.Show == showImage }

// called is what pages call the rows of a table.
func called(t *listing.Table) string { return Many(t) }
