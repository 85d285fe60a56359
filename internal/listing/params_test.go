package listing_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
)

func values(t testing.TB, raw string) url.Values {
	t.Helper()
	v, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatalf("parse %q: %v", raw, err)
	}
	return v
}

// TestOneSpelling: requests that mean the same have one canonical text.
func TestOneSpelling(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ raw, want string }{
		{"", ""},
		{"city=&min_price=&q=&sort=&limit=&cursor=&bbox=", ""},
		{"sort=newest&limit=20", ""},
		{"limit=020&sort=price", "sort=price"},
		{"sort=-price&limit=1", "sort=-price&limit=1"},
		{"city=FOLSOM&city=ELK_GROVE", "city=ELK_GROVE,FOLSOM"},
		{"city=FOLSOM,ELK_GROVE,,FOLSOM", "city=ELK_GROVE,FOLSOM"},
		{"city=folsom,FOLSOM", "city=FOLSOM,folsom"},
		{"city=,", ""},
		{"city=El+Dorado&city=%C3%84lmhult", "city=El+Dorado,%C3%84lmhult"},
		{"status=sold&property_type=Condo&postal_code=95630", "postal_code=95630&property_type=Condo&status=sold"},
		{"status=nonsense", "status=nonsense"},
		{"min_price=500000.00", "min_price=500000"},
		{"min_price=499999.50", "min_price=499999.5"},
		{"min_price=0000000000000000000000000000007", "min_price=7"},
		{"min_price=0.10&max_price=0.1", "min_price=0.1&max_price=0.1"},
		{"max_price=999999999999.99", "max_price=999999999999.99"},
		{"min_price=&min_price=5", "min_price=5"},
		{"min_bathrooms=2.0", "min_bathrooms=2"},
		{"min_bathrooms=99.9", "min_bathrooms=99.9"},
		{"min_bedrooms=3&max_bedrooms=3", "min_bedrooms=3&max_bedrooms=3"},
		{"max_bedrooms=32767&max_area=2147483647", "max_bedrooms=32767&max_area=2147483647"},
		{"max_area=900&min_area=500", "min_area=500&max_area=900"},
		{"bbox=-121.50,38.40,-121.30,038.6", "bbox=-121.5,38.4,-121.3,38.6"},
		{"bbox=-0,-0.0,0,0", "bbox=0,0,0,0"},
		{"bbox=-180,-90,180,90", "bbox=-180,-90,180,90"},
		{"bbox=0.0000001,0,0.0000002,1", "bbox=0.0000001,0,0.0000002,1"},
		{"bbox=-121.43483899999999999999,0,1,1", "bbox=-121.434839,0,1,1"},
		{"q=big+pool", "q=big+pool"},
		{"q=%22big+pool%22+-well+a%26b", "q=%22big+pool%22+-well+a%26b"},
		{"q=" + strings.Repeat("x", 100), "q=" + strings.Repeat("x", 100)},
	} {
		q, faults := listing.ParsePage(values(t, test.raw), listing.Strict)
		if len(faults) > 0 {
			t.Errorf("%s: %v", test.raw, faults)
			continue
		}
		if got := q.RawQuery(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.raw, got, test.want)
		}
		if q.Limit < 1 {
			t.Errorf("%s: limit %d", test.raw, q.Limit)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const manyCities = "city=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t&city=u"
	for _, test := range []struct{ raw, name, detail string }{
		{"min_price=x", "min_price", "must be a plain number, written in digits, with at most 2 decimals"},
		{"min_price=5.", "min_price", "must be a plain number"},
		{"min_price=.5", "min_price", "must be a plain number"},
		{"min_price=1.234", "min_price", "must be a plain number"},
		{"min_price=5.000", "min_price", "must be a plain number"},
		{"min_price=1e3", "min_price", "must be a plain number"},
		{"min_price=0x10", "min_price", "must be a plain number"},
		{"min_price=-1", "min_price", "must be a plain number"},
		{"min_price=%2B1", "min_price", "must be a plain number"},
		{"min_price=+1", "min_price", "must be a plain number"},
		{"min_price=1_000", "min_price", "must be a plain number"},
		{"min_price=1,000", "min_price", "must be a plain number"},
		{"min_price=NaN", "min_price", "must be a plain number"},
		{"min_price=%D9%A3", "min_price", "must be a plain number"}, // an arabic digit
		{"min_price=1000000000000", "min_price", "must be at most 999999999999.99"},
		{"min_price=99999999999999999999", "min_price", "must be at most 999999999999.99"},
		{"min_price=" + strings.Repeat("0", 33), "min_price", "must be a plain number"},
		{"min_price=1&min_price=1", "min_price", "must be given once, not 2 times"},
		{"min_price=6&max_price=5.99", "min_price", "must not be above max_price"},
		{"min_bedrooms=3.0", "min_bedrooms", "must be a whole number, written in digits"},
		{"max_bedrooms=32768", "max_bedrooms", "must be at most 32767"},
		{"min_bedrooms=3&max_bedrooms=2", "min_bedrooms", "must not be above max_bedrooms"},
		{"min_bathrooms=1.25", "min_bathrooms", "with at most 1 decimal"},
		{"min_bathrooms=100", "min_bathrooms", "must be at most 99.9"},
		{"min_area=2147483648", "min_area", "must be at most 2147483647"},
		{"min_area=900&max_area=899", "min_area", "must not be above max_area"},
		{"bbox=1,2,3", "bbox", "must be four numbers: west,south,east,north"},
		{"bbox=1,2,3,4,5", "bbox", "must be four numbers"},
		{"bbox=1,2,3,", "bbox", "north must be a plain number from -90 to 90"},
		{"bbox=1,2,3,1e1", "bbox", "north must be a plain number"},
		{"bbox=-180.1,2,3,4", "bbox", "west must be a plain number from -180 to 180"},
		{"bbox=1,-90.00000000001,3,4", "bbox", "south must be a plain number from -90 to 90"},
		{"bbox=Inf,2,3,4", "bbox", "west must be a plain number"},
		{"bbox=--1,2,3,4", "bbox", "west must be a plain number"},
		{"bbox=3,2,1,4", "bbox", "west must not be above east, nor south above north"},
		{"bbox=1,4,3,2", "bbox", "west must not be above east"},
		{"bbox=1,2,3,4&bbox=1,2,3,4", "bbox", "must be given once"},
		{manyCities, "city", "must be at most 20 values"},
		{"city=" + strings.Repeat("x", 101), "city", "must be values of at most 100 bytes each"},
		{"city=FOLSOM&city=%FF", "city", "must be valid UTF-8"},
		{"city=a%00b", "city", "must not contain a NUL"},
		{"q=%C3", "q", "must be valid UTF-8"},
		{"q=%00", "q", "must not contain a NUL"},
		{"q=" + strings.Repeat("x", 101), "q", "must be at most 100 bytes"},
		{"q=a&q=b", "q", "must be given once"},
		{"sort=Price", "sort", "must be newest, price, -price, area or -area"},
		{"sort=%FF", "sort", "must be valid UTF-8"},
		{"limit=0", "limit", "must be a whole number from 1 to 100"},
		{"limit=101", "limit", "must be a whole number from 1 to 100"},
		{"limit=ten", "limit", "must be a whole number from 1 to 100"},
		{"limit=9223372036854775808", "limit", "must be a whole number from 1 to 100"},
		{"cursor=x", "cursor", "must be the cursor of a next link, unchanged"},
		{"cursor=%00", "cursor", "must not contain a NUL"},
		{"page=2", "page", "unknown parameter"},
		{"City=FOLSOM", "City", "unknown parameter; did you mean city?"},
		{"%FF=1", "\uFFFD", "unknown parameter"},
		{"=1", "", "unknown parameter"},
	} {
		q, faults := listing.ParsePage(values(t, test.raw), listing.Strict)
		switch {
		case len(faults) != 1:
			t.Errorf("%s: %d faults (%v), want one", test.raw, len(faults), faults)
		case faults[0].Name != test.name || !strings.Contains(faults[0].Detail, test.detail):
			t.Errorf("%s: %q, want %s: %s", test.raw, faults[0], test.name, test.detail)
		case q.String() != listing.Query{}.String():
			t.Errorf("%s: a query beside faults: %s", test.raw, q)
		}
	}
}

// TestAllFaultsAtOnce: in the order of the parameters, the unknown ones last.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, faults := listing.ParsePage(values(t, "zzz=1&limit=0&sort=x&q=%00&bbox=1&min_area=x&min_price=2&max_price=1&city=%FF&aaa=1"), listing.Strict)
	var names []string
	for _, f := range faults {
		names = append(names, f.Name)
	}
	if got, want := strings.Join(names, " "), "city min_price min_area bbox q sort limit aaa zzz"; got != want {
		t.Errorf("faults of %s, want %s", got, want)
	}
	if err := error(faults); !strings.HasPrefix(err.Error(), "city: must be valid UTF-8; min_price: must not be above max_price; ") {
		t.Errorf("Error() = %q", err)
	}
}

func TestPagesIgnoreUnknownNames(t *testing.T) {
	t.Parallel()
	q, faults := listing.ParsePage(values(t, "utm_source=mail&fbclid=%FF&city=FOLSOM"), listing.Lenient)
	if len(faults) > 0 || q.String() != "properties?city=FOLSOM" {
		t.Errorf("got %s, %v", q, faults)
	}
	if _, faults = listing.ParsePage(values(t, "utm_source=mail&limit=0"), listing.Lenient); len(faults) != 1 {
		t.Errorf("faults %v, want that of limit", faults)
	}
}

func TestSummaryTakesFiltersOnly(t *testing.T) {
	t.Parallel()
	q, faults := listing.ParseSummary(values(t, "q=pool&city=FOLSOM"), listing.Strict)
	if want := "properties/summary?city=FOLSOM&q=pool"; len(faults) > 0 || q.String() != want {
		t.Errorf("got %s, %v, want %s", q, faults, want)
	}
	for _, name := range []string{"sort", "limit", "cursor"} {
		if _, faults := listing.ParseSummary(values(t, name+"=1"), listing.Strict); len(faults) != 1 || faults[0].Name != name {
			t.Errorf("%s: %v, want one fault", name, faults)
		}
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	for unknown, want := range map[string]string{
		"citty": "city", "citys": "city", "min-price": "min_price", "minprice": "min_price", "MAX_PRICE": "max_price",
		"price": "min_price", "bedrooms": "min_bedrooms", "type": "property_type", "postalcode": "postal_code",
		"order": "", "offset": "", "page": "", "p": "", "utm_source": "", "curser": "cursor", "limits": "limit",
		strings.Repeat("x", 10_000): "",
	} {
		_, faults := listing.ParsePage(url.Values{unknown: {"1"}}, listing.Strict)
		detail := "unknown parameter"
		if want != "" {
			detail += "; did you mean " + want + "?"
		}
		if len(faults) != 1 || faults[0].Detail != detail {
			t.Errorf("%.20s: %q, want %q", unknown, faults, detail)
		}
	}
}

// TestRoomForTheCursor: a page that is accepted has a next link that is accepted.
func TestRoomForTheCursor(t *testing.T) {
	t.Parallel()
	accepted := 0
	for n := 800; n < 1100; n++ {
		var list []string
		for left := n; left > 0; left -= 100 {
			list = append(list, strings.Repeat(string(rune('a'+len(list))), min(left, 99)))
		}
		q, faults := listing.ParsePage(url.Values{"city": list, "sort": {"price"}}, listing.Strict)
		if len(faults) > 0 {
			if faults[0].Name != "city" || !strings.Contains(faults[0].Detail, "is too long") {
				t.Fatalf("%d bytes: %v", n, faults)
			}
			continue
		}
		accepted++
		q.After = listing.Some(listing.Key{Value: listing.Some[int64](listing.MaxPrice), ID: -1 << 63})
		if _, err := listing.Parse(q.String()); err != nil {
			t.Fatalf("next page of an accepted one: %v", err)
		}
	}
	if accepted < 100 || accepted > 290 {
		t.Errorf("%d of 300 lengths accepted", accepted)
	}
}

func TestParseID(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"1", "17", "9223372036854775807"} {
		if _, ok := listing.ParseID(s); !ok {
			t.Errorf("%s refused", s)
		}
	}
	for _, s := range []string{"", "0", "-1", "+1", "01", "1.0", "1e3", " 1", "x", "9223372036854775808", "١"} {
		if id, ok := listing.ParseID(s); ok {
			t.Errorf("%q taken for %d", s, id)
		}
	}
}
