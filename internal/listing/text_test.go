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
	forTables(t, func(t *testing.T, table *listing.Table) {
		keys := listingtest.RowKeys(table)
		rapid.Check(t, func(t *rapid.T) {
			q := listingtest.Queries(table, keys).Draw(t, "query")
			text := q.String()
			back, err := table.Site.Parse(text)
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
			if got := q.Filter.String(table); !strings.Contains(text, got) || (got == "") != (len(q.Filter) == 0) {
				t.Fatalf("the filter of %s is %s", text, got)
			}
		})
	})
}

// Keys that are texts may look like anything else in a path, and are escaped.
func TestTextKeys(t *testing.T) {
	t.Parallel()
	table := listingtest.Every()
	for key, want := range map[string]string{
		"a": "every/a", "summary": "every/%73ummary", ".": "every/%2E", "..": "every/%2E.", "a/b": "every/a%2Fb", "a?b=c": "every/a%3Fb=c",
		"%": "every/%25", "ä b": "every/%C3%A4%20b", "summary?": "every/summary%3F", "Summary": "every/Summary",
	} {
		q := table.RowQuery(listing.Value{Text: key})
		if got := q.String(); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
		back, err := table.Site.Parse(want)
		if err != nil || back.Key.Text != key || back.Kind != listing.RowKind {
			t.Errorf("%s: %+v, %v", want, back, err)
		}
	}
	for _, text := range []string{"every/", "every/%61", "every/a/b", "every/%00", "every/%FF", "every/a?", "every/%zz", "every/%73ummary?"} {
		if q, err := table.Site.Parse(text); err == nil {
			t.Errorf("%s taken for %+v", text, q)
		}
	}
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
		if q, err := listingtest.Site().Parse(s); err == nil {
			t.Errorf("%q taken for %s", s, q)
		} else if !strings.HasPrefix(err.Error(), "parse query ") {
			t.Errorf("%q: error %q", s, err)
		}
	}
	if _, err := listingtest.Site().Parse("properties?city=b,a"); !errors.Is(err, listing.ErrText) {
		t.Errorf("error %v, want %v", err, listing.ErrText)
	}
}

func TestParseIsStrict(t *testing.T) {
	t.Parallel()
	forTables(t, func(t *testing.T, table *listing.Table) {
		texts := listingtest.Texts(table)
		rapid.Check(t, func(t *rapid.T) { checkParse(t, texts.Draw(t, "text")) })
	})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// checkParse fails if the text is parsed though it is not canonical.
func checkParse(t fataler, text string) {
	for _, site := range []*listing.Site{listingtest.Site(), listingtest.EverySite()} {
		q, err := site.Parse(text)
		if err == nil && q.String() != text {
			t.Fatalf("%q taken for %s", text, q)
		}
		if err == nil && len(text) > listing.MaxText {
			t.Fatalf("%d bytes accepted", len(text))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"properties", "properties/17", "properties/summary?q=pool", "properties?sort=price&limit=1&cursor=AoC7sCEiiQzRQQ",
		"properties?city=ELK_GROVE,FOLSOM&postal_code=95630&property_type=Condo&status=sold&min_price=1&max_price=2.5&min_bedrooms=1" +
			"&max_bedrooms=2&min_bathrooms=1.5&min_area=1&max_area=2&bbox=-121.5,38.4,-121.3,38.6&q=a+b&limit=5",
		"every/%73ummary", "every/summary?fixed=+", "by-uuid/123e4567-e89b-12d3-a456-426614174000",
	} {
		f.Add(s)
	}
	for _, table := range tables() {
		for seed := range 8 {
			f.Add(listingtest.Queries(table, listingtest.RowKeys(table)).Example(seed).String())
		}
	}
	f.Fuzz(func(t *testing.T, s string) { checkParse(t, s) })
}

// FuzzParsePage: whatever the parameters, there is either a query that its
// canonical text spells exactly, or faults; and the modes differ only in names
// that nobody knows.
func FuzzParsePage(f *testing.F) {
	for _, s := range []string{
		"city=FOLSOM,ELK_GROVE&city=GALT&min_price=500000.00&max_price=700000&sort=-price&limit=50",
		"bbox=-121.50,38.40,-121.30,38.6&q=big+pool&status=sold&min_bathrooms=2.5", "cursor=AoC7sCEiiQzRQQ&sort=price",
		"cursor=AoC7sCEiiQzRQQ", "utm_source=x&citty=y", "min_price=1&min_price=2&q=%00&city=%FF&limit=1e2", "bbox=,,,", "min_area=00&max_area=0",
	} {
		f.Add(uint8(0), s)
	}
	for _, s := range []string{
		"fixed=a++,,+&flag=TRUE&uid=FFFFFFFF-0000-0000-0000-00000000000A&whole=1,01,-0", "min_wide=-00.50&max_double=-0&floats=1.0&tags=a,b",
		"min_moment=2024-02-29+12:30:01.5&max_instant=2025-01-01&min_day=2024-02-29&condition=worn",
	} {
		f.Add(uint8(1), s)
	}
	f.Fuzz(func(t *testing.T, number uint8, raw string) {
		table := tables()[int(number)%len(tables())]
		v, _ := url.ParseQuery(raw) // what it could read
		strict, faults := table.ParsePage(v, listing.Strict)
		lenient, fewer := table.ParsePage(v, listing.Lenient)
		if len(faults) == 0 {
			back, err := table.Site.Parse(strict.String())
			if err != nil || !reflect.DeepEqual(back, strict) || !reflect.DeepEqual(lenient, strict) || len(fewer) > 0 {
				t.Fatalf("%q: %s, back %+v, %v; lenient %s, %v", raw, strict, back, err, lenient, fewer)
			}
		}
		if len(fewer) > len(faults) {
			t.Fatalf("%q: lenient finds more: %v", raw, fewer)
		}
		if summary, faults := table.ParseSummary(v, listing.Lenient); len(faults) == 0 {
			checkParse(t, summary.String())
		}
	})
}
