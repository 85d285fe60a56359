package listing_test

import (
	"math/big"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
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
		{"min_price=1000000.0000000000&max_price=1e7", "min_price=1000000&max_price=10000000"},
		{"min_price=1.000&max_price=1.5E%2B2", "min_price=1&max_price=150"},
		{"min_price=12345e-2&max_price=0.0012345e5", "min_price=123.45&max_price=123.45"},
		{"min_price=0e999999999999&max_price=0.00e-5", "min_price=0&max_price=0"},
		{"min_price=-0.000", "min_price=0"},
		{"min_price=1" + strings.Repeat("0", 10) + "." + strings.Repeat("0", 300), "min_price=10000000000"},
		{"min_bedrooms=3.0&max_bedrooms=0.4e1", "min_bedrooms=3&max_bedrooms=4"},
		{"limit=3e1", "limit=30"},
		{"bbox=-1.2143483e2,-3.84e1,-121,1e-7", "bbox=-121.43483,-38.4,-121,0.0000001"},
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
		q, faults := listingtest.Properties().ParsePage(values(t, test.raw), listing.Strict)
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
		{"min_price=x", "min_price", "must be a number with at most 2 decimals"},
		{"min_price=5.", "min_price", "must be a number"},
		{"min_price=.5", "min_price", "must be a number"},
		{"min_price=1.234", "min_price", "must be a number"},
		{"min_price=5.001", "min_price", "must be a number"},
		{"min_price=1e-3", "min_price", "must be a number"},
		{"min_price=1e-999999999999", "min_price", "must be a number"},
		{"min_price=1e", "min_price", "must be a number"},
		{"min_price=1e1.5", "min_price", "must be a number"},
		{"min_price=e3", "min_price", "must be a number"},
		{"min_price=1e12", "min_price", "must be at most 999999999999.99"},
		{"min_price=1e999999999999", "min_price", "must be at most 999999999999.99"},
		{"min_price=0x10", "min_price", "must be a number"},
		{"min_price=-1", "min_price", "must be at least 0"},
		{"min_price=%2B1", "min_price", "must be a number"},
		{"min_price=+1", "min_price", "must be a number"},
		{"min_price=1_000", "min_price", "must be a number"},
		{"min_price=1,000", "min_price", "must be a number"},
		{"min_price=NaN", "min_price", "must be a number"},
		{"min_price=%D9%A3", "min_price", "must be a number"}, // an arabic digit
		{"min_price=1000000000000", "min_price", "must be at most 999999999999.99"},
		{"min_price=99999999999999999999", "min_price", "must be at most 999999999999.99"},
		{"min_price=" + strings.Repeat("0", 401), "min_price", "must be a number"},
		{"min_price=1&min_price=1", "min_price", "must be given once, not 2 times"},
		{"min_price=6&max_price=5.99", "min_price", "must not be above max_price"},
		{"min_bedrooms=3.5", "min_bedrooms", "must be a whole number"},
		{"max_bedrooms=32768", "max_bedrooms", "must be at most 32767"},
		{"min_bedrooms=3&max_bedrooms=2", "min_bedrooms", "must not be above max_bedrooms"},
		{"min_bathrooms=1.25", "min_bathrooms", "with at most 1 decimal"},
		{"min_bathrooms=100", "min_bathrooms", "must be at most 99.9"},
		{"min_area=2147483648", "min_area", "must be at most 2147483647"},
		{"min_area=900&max_area=899", "min_area", "must not be above max_area"},
		{"bbox=1,2,3", "bbox", "must be four numbers: west,south,east,north"},
		{"bbox=1,2,3,4,5", "bbox", "must be four numbers"},
		{"bbox=1,2,3,", "bbox", "north must be a number from -90 to 90"},
		{"bbox=1,2,3,1e3", "bbox", "north must be a number"},
		{"bbox=-180.1,2,3,4", "bbox", "west must be a number from -180 to 180"},
		{"bbox=1,-90.00000000001,3,4", "bbox", "south must be a number from -90 to 90"},
		{"bbox=Inf,2,3,4", "bbox", "west must be a number"},
		{"bbox=--1,2,3,4", "bbox", "west must be a number"},
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
		{"cursor=x", "cursor", "must be the cursor of a next or prev link, unchanged"},
		{"cursor=%00", "cursor", "must not contain a NUL"},
		{"page=2", "page", "unknown parameter"},
		{"City=FOLSOM", "City", "unknown parameter; did you mean city?"},
		{"%FF=1", "\uFFFD", "unknown parameter"},
		{"=1", "", "unknown parameter"},
	} {
		q, faults := listingtest.Properties().ParsePage(values(t, test.raw), listing.Strict)
		switch {
		case len(faults) != 1:
			t.Errorf("%s: %d faults (%v), want one", test.raw, len(faults), faults)
		case faults[0].Name != test.name || !strings.Contains(faults[0].Detail, test.detail):
			t.Errorf("%s: %q, want %s: %s", test.raw, faults[0], test.name, test.detail)
		case !reflect.DeepEqual(q, listing.Query{}):
			t.Errorf("%s: a query beside faults: %s", test.raw, q)
		}
	}
}

// TestAllFaultsAtOnce: in the order of the parameters, the unknown ones last.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, faults := listingtest.Properties().ParsePage(values(t, "zzz=1&limit=0&sort=x&q=%00&bbox=1&min_area=x&min_price=2&max_price=1&city=%FF&aaa=1"), listing.Strict)
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
	q, faults := listingtest.Properties().ParsePage(values(t, "utm_source=mail&fbclid=%FF&city=FOLSOM"), listing.Lenient)
	if len(faults) > 0 || q.String() != "properties?city=FOLSOM" {
		t.Errorf("got %s, %v", q, faults)
	}
	if _, faults = listingtest.Properties().ParsePage(values(t, "utm_source=mail&limit=0"), listing.Lenient); len(faults) != 1 {
		t.Errorf("faults %v, want that of limit", faults)
	}
}

func TestSummaryTakesFiltersOnly(t *testing.T) {
	t.Parallel()
	q, faults := listingtest.Properties().ParseSummary(values(t, "q=pool&city=FOLSOM"), listing.Strict)
	if want := "properties/summary?city=FOLSOM&q=pool"; len(faults) > 0 || q.String() != want {
		t.Errorf("got %s, %v, want %s", q, faults, want)
	}
	for _, name := range []string{"sort", "limit", "cursor"} {
		if _, faults := listingtest.Properties().ParseSummary(values(t, name+"=1"), listing.Strict); len(faults) != 1 || faults[0].Name != name {
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
		_, faults := listingtest.Properties().ParsePage(url.Values{unknown: {"1"}}, listing.Strict)
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
		q, faults := listingtest.Properties().ParsePage(url.Values{"city": list, "sort": {"price"}}, listing.Strict)
		if len(faults) > 0 {
			if faults[0].Name != "city" || !strings.Contains(faults[0].Detail, "is too long") {
				t.Fatalf("%d bytes: %v", n, faults)
			}
			continue
		}
		accepted++
		q.After = listing.Some(key(number(99_999_999_999_999), -1<<63))
		if _, err := listingtest.Site().Parse(q.String()); err != nil {
			t.Fatalf("next page of an accepted one: %v", err)
		}
	}
	if accepted < 100 || accepted > 290 {
		t.Errorf("%d of 300 lengths accepted", accepted)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		table         *listing.Table
		good, refused []string
	}{
		{
			listingtest.Properties(),
			[]string{"1", "17", "9223372036854775807"},
			[]string{"", "0", "-1", "+1", "01", "1.0", "1e3", " 1", "x", "9223372036854775808", "١"},
		},
		{
			listingtest.ByUUID(),
			[]string{"123e4567-e89b-12d3-a456-426614174000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
			[]string{
				"", "1", "123E4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}",
				"123e4567-e89b-12d3-a456-42661417400g", "123e4567-e89b-12d3-a456_426614174000", "123e4567-e89b-12d3-a456-4266141740001",
			},
		},
		{
			listingtest.Every(),
			[]string{"1", " ", ".", "..", "summary", "a/b", "%2F", "?", "Älmhult", strings.Repeat("x", 1024-len("every/"))},
			[]string{"", "a\x00", "\xff", strings.Repeat("x", 1025-len("every/")), strings.Repeat("ä", 200)},
		},
	} {
		for _, s := range test.good {
			key, ok := test.table.ParseKey(s)
			if !ok {
				t.Errorf("%s: %.50q refused", test.table.Name, s)
				continue
			}
			q := test.table.RowQuery(key)
			if back, err := test.table.Site.Parse(q.String()); err != nil || !reflect.DeepEqual(back, q) {
				t.Errorf("%.50s: got %+v, %v", q, back, err)
			}
		}
		for _, s := range test.refused {
			if key, ok := test.table.ParseKey(s); ok {
				t.Errorf("%s: %.50q taken for %+v", test.table.Name, s, key)
			}
		}
	}
}

// TestSpellings: values of every type are read from any plain spelling and have one.
func TestSpellings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ raw, want string }{
		{"min_small=-32768&max_small=-0", "min_small=-32768&max_small=0"},
		{"min_big=-9223372036854775808&max_big=9223372036854775807", "min_big=-9223372036854775808&max_big=9223372036854775807"},
		{"whole=10,9,-1,010,-01", "whole=-1,10,9"},
		{"min_exact=0.500&max_exact=999999999.999", "min_exact=0.5&max_exact=999999999.999"},
		{"exact18=0.000000000000000001,0.5", "exact18=0.000000000000000001,0.5"},
		{"min_wide=-00.50&max_wide=123456789012345678901234567890.5", "min_wide=-0.5&max_wide=123456789012345678901234567890.5"},
		{"min_wide=-0.00&max_wide=000", "min_wide=0&max_wide=0"},
		{"min_real=1.50", "min_real=1.5"},
		{"min_wide=-1.5e3&max_wide=0.25E-4", "min_wide=-1500&max_wide=0.000025"},
		{"min_real=1e-7&max_real=3e38", "min_real=0.0000001&max_real=300000000000000000000000000000000000000"},
		{"min_double=1e-7&max_double=1.5e300", "min_double=0.0000001&max_double=15" + strings.Repeat("0", 299)},
		{"whole=1e1,10.0,10", "whole=10"},
		{"min_double=-0.0&max_double=0.10000000000000000001", "min_double=0&max_double=0.1"},
		{"flag=TRUE,False,true", "flag=false,true"},
		{"min_day=2024-02-29&max_day=9999-12-31", "min_day=2024-02-29&max_day=9999-12-31"},
		{"min_moment=2024-02-29&max_moment=2024-02-29T12:30", "min_moment=2024-02-29T00%3A00%3A00&max_moment=2024-02-29T12%3A30%3A00"},
		{"min_moment=2024-02-29+12:30:01.5", "min_moment=2024-02-29T12%3A30%3A01.500000"},
		{"min_instant=2024-02-29T12:30:00%2B02:00&max_instant=2025-01-01", "min_instant=2024-02-29T10%3A30%3A00Z&max_instant=2025-01-01T00%3A00%3A00Z"},
		{"min_instant=2024-02-29T12:30:00.000001Z", "min_instant=2024-02-29T12%3A30%3A00.000001Z"},
		{"uid=FFFFFFFF-0000-0000-0000-00000000000A", "uid=ffffffff-0000-0000-0000-00000000000a"},
		{"condition=worn,as+good+as+new", "condition=as+good+as+new,worn"},
		{"fixed=a++,a,+b", "fixed=+b,a"},
		{"fixed=+++", "fixed=+"},
		{"tags=b,a&numbers=2,10", "numbers=10,2&tags=a,b"},
		{"floats=-0,0,1.0", "floats=0,1"},
		{"conditions=worn&amounts=1.50,1.5", "amounts=1.5&conditions=worn"},
		{"max_selected=-5&min_percent=5", "min_percent=5&max_selected=-5"},
	} {
		q, faults := listingtest.Every().ParsePage(values(t, test.raw), listing.Strict)
		if len(faults) > 0 {
			t.Errorf("%s: %v", test.raw, faults)
			continue
		}
		if got := q.RawQuery(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.raw, got, test.want)
		}
		checkParse(t, q.String())
	}
}

// A number in whatever spelling has the canonical text of its value.
func TestNumbersByValue(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.StringMatching(`[0-9]{1,12}`).Draw(t, "whole")
		rest := rapid.StringMatching(`(\.[0-9]{1,12})?`).Draw(t, "rest")
		exponent := rapid.StringMatching(`([eE][+-]?[0-9]{1,2})?`).Draw(t, "exponent")
		text := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + whole + rest + exponent
		value, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		for name, scale := range map[string]int{"min_big": 0, "min_exact": 3, "min_wide": 120} {
			q, faults := every.ParsePage(url.Values{name: {text}}, listing.Strict)
			column := &every.Columns[every.Column(strings.TrimPrefix(name, "min_"))]
			units := new(big.Rat).Mul(value, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
			fits := units.IsInt()
			if name != "min_wide" {
				least, greatest := column.Bounds()
				low, _ := new(big.Rat).SetString(least)
				high, _ := new(big.Rat).SetString(greatest)
				fits = fits && value.Cmp(low) >= 0 && value.Cmp(high) <= 0
			}
			if fits != (len(faults) == 0) {
				t.Fatalf("%s=%s: %v, but it fits: %v", name, text, faults, fits)
			}
			if !fits {
				continue
			}
			shown, _ := strings.CutPrefix(q.RawQuery(), name+"=")
			again, _ := new(big.Rat).SetString(shown)
			if strings.ContainsAny(shown, "eE") || again == nil || again.Cmp(value) != 0 || shown != strings.TrimSuffix(strings.TrimRight(value.FloatString(120), "0"), ".") {
				t.Fatalf("%s=%s has the text %s", name, text, shown)
			}
		}
	})
}

// TestMisspellings: what is no value of a type is refused, with what it must be.
func TestMisspellings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ raw, detail string }{
		{"min_small=32768", "must be at most 32767"},
		{"min_small=-32769", "must be at least -32768"},
		{"whole=1,2147483648", "must be at most 2147483647"},
		{"min_big=9223372036854775808", "must be at most 9223372036854775807"},
		{"max_big=-9223372036854775809", "must be at least -9223372036854775808"},
		{"max_big=99999999999999999999999999999999", "must be at most 9223372036854775807"},
		{"max_big=-99999999999999999999999999999999", "must be at least -9223372036854775808"},
		{"min_exact=1.2345", "with at most 3 decimals"},
		{"max_exact=1000000000", "must be at most 999999999.999"},
		{"exact18=1", "must be at most 0.999999999999999999"},
		{"min_wide=1e400", "must be a number that fits"},
		{"min_wide=" + strings.Repeat("1", 401), "must be a number"},
		{"min_real=1e39", "must be a number that fits real"},
		{"min_real=1e-60", "must be a number that fits real"},
		{"min_double=1e309", "must be a number of double precision"},
		{"floats=1e200", "written out"},
		{"min_real=NaN", "must be a number"},
		{"min_double=Infinity", "must be a number"},
		{"min_double=0x1p3", "must be a number"},
		{"flag=yes", "must be true or false"},
		{"min_day=2023-02-29", "must be a date, such as 2024-12-31"},
		{"min_day=0000-01-01", "must be a date"},
		{"min_day=2024-1-1", "must be a date"},
		{"min_moment=2024-02-29T12:30:00Z", "must be a date and time"},
		{"min_moment=2024-02-29T12:30:00.0000001", "must be a date and time"},
		{"min_moment=infinity", "must be a date and time"},
		{"min_instant=2024-02-29T12:30:00", "must be an instant"},
		{"min_instant=9999-12-31T23:59:59-01:00", "must be an instant"},
		{"min_instant=0001-01-01T00:00:00%2B01:00", "must be an instant"},
		{"uid=123e4567e89b12d3a456426614174000", "must be a UUID"},
		{"condition=wurn", "did you mean worn?"},
		{"condition=x", "must be new, as good as new, worn or it's, \"odd\""},
		{"numbers=x", "must be a whole number"},
		{"amounts=1.234", "with at most 2 decimals"},
		{"min_day=2024-02-01&max_day=2024-01-01", "must not be above max_day"},
		{"min_double=1&max_double=0.5", "must not be above max_double"},
		{"min_percent=5&max_percent=4", "must not be above max_percent"},
		{"max_amount=-1", "must be at least 0"}, // its domain has none below zero
		{"min_percent=-1", "must be at least 0"},
		{"details=1", "unknown parameter"},
		{"hidden=1", "did you mean min_hidden?"},
	} {
		q, faults := listingtest.Every().ParsePage(values(t, test.raw), listing.Strict)
		if len(faults) != 1 || !strings.Contains(faults[0].Detail, test.detail) {
			t.Errorf("%s: %v, %s; want %s", test.raw, faults, q.Filter.String(listingtest.Every()), test.detail)
		}
	}
}
