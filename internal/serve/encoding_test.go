package serve

import (
	"encoding/json"
	"testing"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fields []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"gzip"}, true},
		{[]string{"GZip"}, true},
		{[]string{"x-gzip"}, true},
		{[]string{"gzip, deflate, br, zstd"}, true},
		{[]string{"br", "gzip"}, true},
		{[]string{"gzip;q=0.5"}, true},
		{[]string{"gzip ; Q=0.001"}, true},
		{[]string{"gzip;q=0"}, false},
		{[]string{"gzip;q=0.000, *"}, false},
		{[]string{"gzip;q=0.5, identity;q=0.5"}, true},
		{[]string{"gzip;q=0.5, identity"}, false},
		{[]string{"identity;q=0, gzip;q=0.1"}, true},
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, false},
		{[]string{"*;q=0.3, identity;q=0.4"}, false},
		{[]string{"deflate, br"}, false},
		{[]string{"gzip;q=2"}, false},
		{[]string{"gzip;q=NaN"}, false},
		{[]string{"gzip;q="}, false},
		{[]string{"gzipped"}, false},
		{[]string{",, ,gzip,"}, true},
	} {
		if got := acceptsGzip(c.fields); got != c.want {
			t.Errorf("acceptsGzip(%q) = %v, want %v", c.fields, got, c.want)
		}
	}
}

func TestScaled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		number string
		scale  int
		want   int64
		ok     bool
	}{
		{"0", 2, 0, true},
		{"0.00", 2, 0, true},
		{"0e9", 2, 0, true},
		{"5", 2, 500, true},
		{"5.1", 2, 510, true},
		{"5.12", 2, 512, true},
		{"5.120000", 2, 512, true},
		{"5e2", 2, 50000, true},
		{"5.12E+1", 2, 5120, true},
		{"512e-2", 2, 512, true},
		{"3.0", 0, 3, true},
		{"30e-1", 0, 3, true},
		{"999999999999.99", 2, 99999999999999, true},
		{"5.123", 2, 0, false},
		{"5e-3", 2, 0, false},
		{"3.5", 0, 0, false},
		{"-1", 2, 0, false},
		{"-0", 2, 0, true},
		{"1e17", 2, 0, false},
		{"1e999999999999", 2, 0, false},
		{"1e-999999999999", 2, 0, false},
		{"99999999999999999999999", 0, 0, false},
		{`"5"`, 2, 0, false},
		{`""`, 2, 0, false},
		{"true", 2, 0, false},
		{"null", 2, 0, false},
		{"[]", 2, 0, false},
		{"{}", 2, 0, false},
	} {
		column := listingtest.Properties().Columns[listingtest.Properties().Column("price")]
		if c.scale == 0 {
			column = listingtest.Properties().Columns[listingtest.Properties().Column("living_area")]
		}
		got, must := column.ReadJSON(json.RawMessage(c.number))
		if got.Number != c.want || (must == "") != c.ok {
			t.Errorf("%s with %d decimals is %d, %q, want %d, %v", c.number, c.scale, got.Number, must, c.want, c.ok)
		}
	}
}
