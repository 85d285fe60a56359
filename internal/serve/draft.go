package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// draft is a JSON object on its way to become fields of a row. It holds the rules of the
// table, as far as the description knows them, that PostgreSQL would tell one at a time.
type draft struct {
	table   *listing.Table
	members map[string]json.RawMessage // those not yet read
	whole   bool                       // members without a default must be there
	fields  database.Fields
	faults  listing.Faults
}

// parseDraft reads a row to create (whole), or a merge patch of RFC 7396:
// a member that is null takes its column's value away.
func parseDraft(t *listing.Table, body []byte, whole bool) (database.Fields, error) {
	members, err := readMembers(body)
	if err != nil {
		return database.Fields{}, &problem{
			status: http.StatusBadRequest,
			detail: "The body must be one JSON object, in UTF-8.",
			cause:  err,
		}
	}
	d := draft{table: t, whole: whole, members: members.values, fields: database.Fields{Values: t.NewRow()}}
	for _, name := range members.twice {
		d.fault(printable(name), "is there twice")
		delete(d.members, name)
	}
	writable := render.Writable(t, whole)
	for _, n := range writable {
		if c := &t.Columns[n]; !slices.Contains(members.twice, c.Member) {
			d.column(c)
		}
	}
	d.unknown(writable)
	if len(d.faults) > 0 {
		return database.Fields{}, brokenRule(t, d.faults, nil)
	}
	return d.fields, nil
}

// column reads the member of a column.
func (d *draft) column(c *listing.Column) {
	raw, given := d.members[c.Member]
	delete(d.members, c.Member)
	switch {
	case !given && d.whole && c.NotNull && !c.Default:
		d.fault(c.Member, "is missing")
	case !given:
	case isNull(raw) && c.NotNull:
		d.fault(c.Member, "must not be null")
	case isNull(raw):
		d.set(c, listing.Null[listing.Value]{})
	case hasLoneSurrogate(raw):
		d.fault(c.Member, `must be text: half of a surrogate pair, such as \ud800, is no character`)
	default:
		v, must := readValue(c, raw)
		switch {
		case must != "":
			d.fault(c.Member, "must be "+must)
		case render.MustSay(c) && strings.TrimSpace(v.Text) == "":
			d.fault(c.Member, "must not be empty")
		default:
			d.set(c, listing.Some(v))
		}
	}
}

func (d *draft) set(c *listing.Column, v listing.Null[listing.Value]) {
	d.fields.Columns |= listing.ColumnSet(c.Number)
	d.fields.Values.Set(c.Number, v)
}

// unknown refuses what is left.
func (d *draft) unknown(writable []int) {
	names := make([]string, len(writable))
	for i, n := range writable {
		names[i] = d.table.Columns[n].Member
	}
	for _, name := range slices.Sorted(maps.Keys(d.members)) {
		near := description.Nearest(name, names)
		switch {
		case d.shown(name):
			d.fault(name, "is not for clients to write")
		case near != "":
			d.fault(name, "is no member of "+aRow(d.table)+"; did you mean "+near+"?")
		default:
			d.fault(name, "is no member of "+aRow(d.table))
		}
	}
}

// shown reports whether a row has a member of a name.
func (d *draft) shown(name string) bool {
	return slices.ContainsFunc(d.table.Item, func(n int) bool { return d.table.Columns[n].Member == name })
}

func (d *draft) fault(name, detail string) {
	d.faults = append(d.faults, listing.Fault{Name: name, Detail: detail})
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(raw, []byte("null")) }

// readValue reads a JSON value as one of a column. If it cannot, it says what the value must
// be.
func readValue(c *listing.Column, raw json.RawMessage) (v listing.Value, must string) {
	switch c.Form {
	case listing.Whole, listing.Decimal:
		return readDecimal(c, raw)
	case listing.Float:
		return readFloat(c, raw)
	case listing.Truth:
		switch string(raw) {
		case "true":
			return listing.Value{Number: 1}, ""
		case "false":
			return listing.Value{}, ""
		}
		return listing.Value{}, "true or false"
	case listing.JSON:
		return readJSON(c, raw)
	case listing.Spelled:
		if c.Type.Kind != description.Char {
			return readNumber(c, raw)
		}
	}
	return readText(c, raw)
}

// readText reads what is written as a string.
func readText(c *listing.Column, raw json.RawMessage) (listing.Value, string) {
	text, ok := unquoted(raw)
	switch {
	case c.Form == listing.Words || c.Form == listing.Spelled:
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

func readWords(c *listing.Column, text string, ok bool) (listing.Value, string) {
	most := render.MaxLength(c)
	if c.Type.Kind == description.Char {
		text = strings.TrimRight(text, " ") // which PostgreSQL fills it up with
	}
	switch {
	case len(c.OneOf) > 0 && (!ok || !slices.Contains(c.OneOf, text)):
		return listing.Value{}, listing.Either(c.OneOf)
	case !ok || strings.IndexByte(text, 0) >= 0:
		return listing.Value{}, "a text without a NUL"
	case most > 0 && utf8.RuneCountInString(text) > most:
		return listing.Value{}, fmt.Sprintf("a text of at most %d characters", most)
	}
	return listing.Value{Text: text}, ""
}

// readDecimal reads a number exactly as one of the column's scale.
func readDecimal(c *listing.Column, raw json.RawMessage) (v listing.Value, _ string) {
	least, greatest := c.Limits()
	must := "a number from " + least + " to " + greatest
	if c.Scale == 0 {
		must = "a whole" + strings.TrimPrefix(must, "a")
	} else {
		must += " with at most " + listing.Decimals(c.Scale)
	}
	n, ok := exact(raw)
	if !ok || !between(n, least, greatest) {
		return listing.Value{}, must
	}
	n.Mul(n, new(big.Rat).SetInt(power(c.Scale)))
	if !n.IsInt() || !n.Num().IsInt64() {
		return listing.Value{}, must
	}
	v.Number = n.Num().Int64()
	return v, ""
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
func numberFrom(c *listing.Column) string {
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

func readFloat(c *listing.Column, raw json.RawMessage) (v listing.Value, _ string) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if !isNumber(raw) || err != nil || !between(new(big.Rat).SetFloat64(f), c.Least, c.Greatest) {
		return listing.Value{}, numberFrom(c)
	}
	v.Number = listing.FloatNumber(f)
	return v, ""
}

// readNumber reads a number that only PostgreSQL compares, as it is spelled.
func readNumber(c *listing.Column, raw json.RawMessage) (listing.Value, string) {
	n, ok := exact(raw)
	if !ok || !between(n, c.Least, c.Greatest) {
		return listing.Value{}, numberFrom(c)
	}
	if c.Type.Kind == description.Real {
		if _, err := strconv.ParseFloat(string(raw), 32); err != nil {
			return listing.Value{}, "a number that fits " + c.Type.Name
		}
	}
	if t := c.Type; t.Kind == description.Numeric && t.Precision > 0 && !fits(n, t.Precision, t.Scale) {
		return listing.Value{}, "a number that fits " + t.Name
	}
	return listing.Value{Text: string(raw)}, ""
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
func readJSON(c *listing.Column, raw json.RawMessage) (listing.Value, string) {
	if c.Element != nil {
		var elements []json.RawMessage
		if json.Unmarshal(raw, &elements) != nil || elements == nil {
			return listing.Value{}, "an array"
		}
		for _, e := range elements {
			if isNull(e) {
				continue
			}
			if _, must := readValue(c.Element, e); must != "" {
				return listing.Value{}, "an array whose elements are each " + must
			}
		}
	}
	if name, twice := memberTwice(raw); twice {
		return listing.Value{}, "JSON without a member twice, such as " + strconv.Quote(name)
	}
	if bytes.Contains(raw, []byte(`\u0000`)) && strings.IndexByte(decodedTexts(raw), 0) >= 0 {
		return listing.Value{}, "JSON without a NUL"
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return listing.Value{}, "JSON"
	}
	return listing.Value{Text: b.String()}, ""
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
