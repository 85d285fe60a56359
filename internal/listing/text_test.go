package listing_test

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// TestTextIsTheQuery: the canonical text says all of a query, and its address is
// a request for the same query.
func TestTextIsTheQuery(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := listingtest.Query(rapid.Int64()).Draw(t, "query")
		text := q.String()
		back, err := listing.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, q) {
			t.Fatalf("%s: got %+v, want %+v", text, back, q)
		}
		u, err := url.Parse("/v1/" + text)
		if err != nil {
			t.Fatal(err)
		}
		if u.RequestURI() != "/v1/"+text {
			t.Fatalf("address of %s is %s", text, u.RequestURI())
		}
	})
}

func TestParseAcceptsNothingElse(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "properties?", "properties/", "properties/0", "properties/017", "properties/17?", "properties/17?city=GALT", "properties/x",
		"properties/summary/", "properties/summary?", "properties/summary?sort=price", "Properties", "/v1/properties",
		"properties?city=", "properties?city=b,a", "properties?city=a,a", "properties?city=a%2Cb", "properties?city=a&city=b",
		"properties?city=%46OLSOM", "properties?city=a%20b", "properties?q=a&city=b", "properties?sort=newest", "properties?limit=20",
		"properties?limit=07", "properties?min_price=5.0", "properties?min_price=05", "properties?bbox=-0,0,1,1", "properties?x=1",
		"properties?city=a&", "properties?city=%zz", "properties?city=a;limit=5", "properties?city=a#b", "properties?q=" + strings.Repeat("+", 1100),
	} {
		if q, err := listing.Parse(s); err == nil {
			t.Errorf("%q taken for %s", s, q)
		} else if !strings.HasPrefix(err.Error(), "parse query ") {
			t.Errorf("%q: error %q", s, err)
		}
	}
	if _, err := listing.Parse("properties?city=b,a"); !errors.Is(err, listing.ErrText) {
		t.Errorf("error %v, want %v", err, listing.ErrText)
	}
}

func TestParseIsStrict(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkParse(t, listingtest.Text().Draw(t, "text")) })
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// checkParse fails if the text is parsed though it is not canonical.
func checkParse(t fataler, text string) {
	q, err := listing.Parse(text)
	if err == nil && q.String() != text {
		t.Fatalf("%q taken for %s", text, q)
	}
	if err == nil && len(text) > listing.MaxText {
		t.Fatalf("%d bytes accepted", len(text))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"properties", "properties/17", "properties/summary?q=pool", "properties?sort=price&limit=1&cursor=AYC7sCEimVEwGA",
		"properties?city=ELK_GROVE,FOLSOM&postal_code=95630&property_type=Condo&status=sold&min_price=1&max_price=2.5&min_bedrooms=1" +
			"&max_bedrooms=2&min_bathrooms=1.5&min_area=1&max_area=2&bbox=-121.5,38.4,-121.3,38.6&q=a+b&limit=5",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkParse(t, s) })
}

// FuzzParsePage: whatever the parameters, there is either a query that its
// canonical text spells exactly, or faults; and the modes differ only in names
// that nobody knows.
func FuzzParsePage(f *testing.F) {
	for _, s := range []string{
		"city=FOLSOM,ELK_GROVE&city=GALT&min_price=500000.00&max_price=700000&sort=-price&limit=50",
		"bbox=-121.50,38.40,-121.30,38.6&q=big+pool&status=sold&min_bathrooms=2.5", "cursor=AYC7sCEimVEwGA&sort=price",
		"cursor=AYC7sCEimVEwGA", "utm_source=x&citty=y", "min_price=1&min_price=2&q=%00&city=%FF&limit=1e2", "bbox=,,,", "min_area=00&max_area=0",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		v, _ := url.ParseQuery(raw) // what it could read
		strict, faults := listing.ParsePage(v, listing.Strict)
		lenient, fewer := listing.ParsePage(v, listing.Lenient)
		if len(faults) == 0 {
			back, err := listing.Parse(strict.String())
			if err != nil || !reflect.DeepEqual(back, strict) || !reflect.DeepEqual(lenient, strict) || len(fewer) > 0 {
				t.Fatalf("%q: %s, back %+v, %v; lenient %s, %v", raw, strict, back, err, lenient, fewer)
			}
		}
		if len(fewer) > len(faults) {
			t.Fatalf("%q: lenient finds more: %v", raw, fewer)
		}
		if summary, faults := listing.ParseSummary(v, listing.Lenient); len(faults) == 0 {
			checkParse(t, summary.String())
		}
	})
}
