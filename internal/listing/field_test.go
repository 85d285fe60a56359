package listing_test

import (
	"encoding/json"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// A field is a number exactly if it is one in a body, but for zeros in front. What only Go reads as one is none.
func TestFieldsAreNumbers(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	for _, c := range []*listing.Column{
		&every.Columns[every.Column("small")], &every.Columns[every.Column("exact")], &every.Columns[every.Column("exact18")],
		&every.Columns[every.Column("double")], &every.Columns[every.Column("latitude")], &every.Columns[every.Column("percent")],
		&every.Columns[every.Column("amount")],
	} {
		for _, text := range []string{
			"0", "-0", "1", "-1", "100", "101", "90", "90.0000000000000001", "-90", "0.001", "0.0001", "1.50", "15e-1", "1E2", "1e+2", "32767", "32768",
			"-32768", "-32769", "100000", "100000.001", "999999999999.99", "1e308", "1e309", "1e99999999", "0e99999999",
		} {
			field, must := c.ReadField(text)
			body, bodyMust := c.ReadJSON(json.RawMessage(text))
			if field != body || must != bodyMust {
				t.Errorf("%s: the field %s is %v %q, in a body %v %q", c.Name, text, field, must, body, bodyMust)
			}
		}
		if v, must := c.ReadField("007"); must != "" && c.Name != "exact18" || must == "" && v != first(c.ReadField("7")) {
			t.Errorf("%s: 007 is %v, %q", c.Name, v, must)
		}
		for _, text := range []string{
			"-inf", "-Inf", "inf", "-infinity", "Infinity", "NaN", "-nan", "0x10", "-0x1p4", "0X1P-2", "1_0", "0b1", "+1", ".5", "1.", "1e", "--1", "1 0", "1,5",
		} {
			if v, must := c.ReadField(text); must == "" {
				t.Errorf("%s: %s is read as %v", c.Name, text, v)
			}
		}
	}
}

func first(v listing.Value, _ string) listing.Value { return v }

// The limits of a float are not rounded.
func TestFloatsAtTheirLimits(t *testing.T) {
	t.Parallel()
	p := listingtest.Properties()
	latitude := p.Columns[p.Column("latitude")]
	for text, fits := range map[string]bool{
		"90": true, "-90": true, "90.000000000000005": true, "90.00000000000002": false, "-90.00000000000002": false, "91": false, "89.99999999999999": true,
	} {
		// 90.000000000000005 is nearer to 90 than to the float behind it.
		if _, must := latitude.ReadField(text); (must == "") != fits {
			t.Errorf("%s: %q, want it to fit: %v", text, must, fits)
		}
	}
}
