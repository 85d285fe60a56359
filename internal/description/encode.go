package description

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Format is the version of what Encode writes. Whoever reads another one knows nothing of
// the tables.
const Format = 4

// maxEncoded is the length of the longest text that Decode reads.
const maxEncoded = 16 << 20

// ErrFormat says that a description was written by another version of this program.
var ErrFormat = errors.New("the description has another format")

// Encode returns the description as text, the one text of its content: equal descriptions
// have equal texts.
func (d *Description) Encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(d); err != nil {
		panic(err) // no maps, no floats, no values of unknown types
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Identity names the description: descriptions that differ have different names.
func (d *Description) Identity() string {
	sum := sha256.Sum256(d.Encode())
	return hex.EncodeToString(sum[:16])
}

// Decode reads what Encode has written, and nothing else. A description that contradicts
// itself is refused, so that its numbers can be used as indexes without a check.
func Decode(text []byte) (*Description, error) {
	if len(text) > maxEncoded {
		return nil, fmt.Errorf("decode the description: it has %d bytes, and may have %d", len(text), maxEncoded)
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("decode the description: %w", err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("decode the description: %w: %d, and this program reads %d", ErrFormat, head.Format, Format)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	d := new(Description)
	if err := decoder.Decode(d); err != nil {
		return nil, fmt.Errorf("decode the description: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("decode the description: there is something behind it")
	}
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("decode the description: %w", err)
	}
	if !bytes.Equal(d.Encode(), text) {
		return nil, errors.New("decode the description: it is not spelled as Encode spells it")
	}
	return d, nil
}

// validate says what a description contradicts itself in.
func (d *Description) validate() error {
	if len(d.Tables) == 0 {
		return errors.New("there is no table")
	}
	seen := map[string]bool{}
	relations := map[RelationName]bool{}
	for i := range d.Tables {
		t := &d.Tables[i]
		if seen[t.Name] || relations[t.Relation] {
			return fmt.Errorf("table %q is there twice", t.Name)
		}
		seen[t.Name], relations[t.Relation] = true, true
		if err := d.validateTable(t); err != nil {
			return fmt.Errorf("table %q: %w", t.Name, err)
		}
	}
	if !seen[d.Site.Home] {
		return fmt.Errorf("there is no table %q for the home page", d.Site.Home)
	}
	if d.Site.URL != "" && !siteURL.MatchString(d.Site.URL) {
		return fmt.Errorf("%q is no address of a site", d.Site.URL)
	}
	for i := range d.Tables {
		if err := d.validateJoins(&d.Tables[i]); err != nil {
			return fmt.Errorf("table %q: %w", d.Tables[i].Name, err)
		}
	}
	return d.validateUses()
}

func (d *Description) validateTable(t *Table) error {
	if !tableName.MatchString(t.Name) || len(t.Name) > maxTableName || t.Relation.Name == "" || t.Relation.Schema == "" {
		return errors.New("a name is missing, or is none")
	}
	if len(t.Columns) > maxUsed {
		return fmt.Errorf("there are %d columns", len(t.Columns))
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Attribute < 1 || i > 0 && c.Attribute <= t.Columns[i-1].Attribute || c.Name == "" {
			return fmt.Errorf("column %d is out of order", i)
		}
		if err := c.Type.validate(); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
		if !slices.Contains([]string{"", Settable, SetNow}, c.Write) {
			return fmt.Errorf("column %q: %q is nothing that a write does", c.Name, c.Write)
		}
		if !c.validLimits() {
			return fmt.Errorf("column %q: its checks are not described", c.Name)
		}
		if !c.validSources() {
			return fmt.Errorf("column %q: two of its names are the same", c.Name)
		}
	}
	for _, list := range [][]int{{t.Key, t.Label, t.Newest}, t.Search, t.List, t.Item, t.Stats} {
		if n := slices.IndexFunc(list, t.lacks); n >= 0 {
			return fmt.Errorf("there is no column %d", list[n])
		}
	}
	if t.Place != nil && (t.lacks(t.Place.Latitude) || t.lacks(t.Place.Longitude)) {
		return errors.New("the columns of the place are not there")
	}
	if t.Vector != nil && (t.lacks(*t.Vector) || !t.Columns[*t.Vector].Type.vector()) {
		return errors.New("the column that is searched is not there")
	}
	key := &t.Columns[t.Key]
	if key.Type.keys().why != "" || !key.NotNull {
		return fmt.Errorf("column %q cannot be the key", key.Name)
	}
	return errors.Join(t.validateParameters(), t.validateOrders(), t.validateShown())
}

// validLimits reports whether what checks say of the column is of its type.
func (c *Column) validLimits() bool {
	for _, n := range []string{c.Least, c.Greatest} {
		if n != "" && (!c.Type.number() || !plainPattern.MatchString(n) || len(n) > maxPlain) {
			return false
		}
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(c.OneOf)))
	return len(c.OneOf) == 0 || c.Type.text() && len(c.OneOf) <= maxOneOf && len(distinct) == len(c.OneOf)
}

func (t *Table) lacks(column int) bool { return column < 0 || column >= len(t.Columns) }

func (t *Table) validateParameters() error {
	names := map[string]bool{}
	for _, p := range t.Parameters {
		if names[p.Name] || t.lacks(p.Column) {
			return fmt.Errorf("parameter %q is there twice, or has no column", p.Name)
		}
		names[p.Name] = true
		var fits bool
		switch typ := t.Columns[p.Column].Type; p.Kind {
		case AnyOf:
			fits = typ.filters("any-of").why == "" && p.Wide == (typ.Equality() == Wide)
		case Contains:
			fits = typ.filters("contains").why == "" && p.Wide == (typ.Equality() == Wide)
		case Min, Max:
			fits = typ.filters("range").why == "" && p.Wide == (typ.Order() == Wide)
		case BBox:
			fits = p.Name == ParamBBox && t.Place != nil && t.Place.Latitude == p.Column && t.Place.Wide == p.Wide &&
				p.Wide == (typ.Within() == Wide || t.Columns[t.Place.Longitude].Type.Within() == Wide)
		case Words:
			fits = p.Name == ParamWords && len(t.Searched()) > 0 && t.Searched()[0] == p.Column && p.Wide && t.Language != ""
		}
		if !fits {
			return fmt.Errorf("parameter %q does not fit its column", p.Name)
		}
	}
	if names[ParamBBox] != (t.Place != nil) || names[ParamWords] != (len(t.Searched()) > 0) {
		return errors.New("the parameters are not those of place and search")
	}
	return nil
}

func (t *Table) validateOrders() error {
	if len(t.Orders) == 0 || t.Orders[0].Name != DefaultOrder || t.Orders[0].Column != t.Newest || !t.Orders[0].Descending {
		return errors.New("the default order is missing")
	}
	names := map[string]bool{}
	for _, o := range t.Orders {
		if names[o.Name] || t.lacks(o.Column) {
			return fmt.Errorf("order %q is there twice, or has no column", o.Name)
		}
		names[o.Name] = true
		if typ := t.Columns[o.Column].Type; typ.sorts().why != "" || o.Wide != (typ.Order() == Wide) {
			return fmt.Errorf("order %q does not fit its column", o.Name)
		}
	}
	return nil
}

func (t *Table) validateShown() error {
	if len(t.Item) < len(t.List) || !slices.Equal(t.Item[:len(t.List)], t.List) {
		return errors.New("a row's own page does not begin with what lists show")
	}
	names := map[string]bool{}
	for _, n := range t.Item {
		if m := t.Columns[n].Member; m == "" || names[m] {
			return fmt.Errorf("two members are called %q", m)
		}
		names[t.Columns[n].Member] = true
	}
	for _, j := range t.With {
		if j.Name == "" || names[j.Name] {
			return fmt.Errorf("two members are called %q", j.Name)
		}
		names[j.Name] = true
	}
	summary := map[string]bool{"count": true}
	for _, n := range t.Stats {
		if m := t.Columns[n].Member; m == "" || summary[m] || t.Columns[n].Type.stats().why != "" {
			return fmt.Errorf("column %q cannot have stats", t.Columns[n].Name)
		}
		summary[t.Columns[n].Member] = true
	}
	for _, f := range t.Facets {
		if t.lacks(f.Column) || f.Name == "" || summary[f.Name] || t.Columns[f.Column].Type.facets().why != "" {
			return fmt.Errorf("facet %q is there twice, or does not fit its column", f.Name)
		}
		summary[f.Name] = true
	}
	return nil
}

func (d *Description) validateJoins(t *Table) error {
	for _, j := range t.With {
		if j.Table < 0 || j.Table >= len(d.Tables) {
			return fmt.Errorf("%q is of no table", j.Name)
		}
		other := &d.Tables[j.Table]
		holder, target := t, other
		if j.Many {
			holder, target = other, t
		}
		switch {
		case holder.lacks(j.By) || !holder.Columns[j.By].Type.joins(target.Columns[target.Key].Type):
			return fmt.Errorf("%q has no column that joins", j.Name)
		case j.Many && (other.lacks(j.Order) || other.Columns[j.Order].Type.sorts().why != ""), !j.Many && j.Order != -1:
			return fmt.Errorf("%q has no order", j.Name)
		}
	}
	return nil
}

// validateUses compares what columns are said to be used for with what they are. One that
// is used for nothing would be captured for nothing.
func (d *Description) validateUses() error {
	computed := *d
	computed.Tables = slices.Clone(d.Tables)
	for i := range computed.Tables {
		computed.Tables[i].Columns = slices.Clone(d.Tables[i].Columns)
	}
	computed.setUses()
	for i := range d.Tables {
		for n, c := range d.Tables[i].Columns {
			if len(c.Uses) == 0 || !slices.Equal(c.Uses, computed.Tables[i].Columns[n].Uses) {
				return fmt.Errorf("table %q: column %q is not used for %v", d.Tables[i].Name, c.Name, c.Uses)
			}
		}
	}
	return nil
}

// validate says what is wrong with a type.
func (t Type) validate() error {
	element := t.Element != nil
	switch t.Kind {
	case Smallint, Integer, Bigint, Numeric, Real, Double, Boolean, Date, Timestamp, TimestampTZ, UUID, Enum, Text, Varchar, Char, Other:
	case Array:
		if !element || t.Element.Kind == Array {
			return errors.New("an array has elements")
		}
		if err := t.Element.validate(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("there is no type %q", t.Kind)
	}
	if t.Name == "" || element != (t.Kind == Array) || len(t.Labels) > 0 && t.Kind != Enum {
		return errors.New("the type is not described")
	}
	return nil
}
