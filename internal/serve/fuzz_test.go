package serve_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// names are the parameters of a page, and some that are none.
var names = []string{
	"city", "postal_code", "property_type", "status", "min_price", "max_price", "min_bedrooms", "max_bedrooms",
	"min_bathrooms", "min_area", "max_area", "bbox", "q", "sort", "limit", "cursor", "utm_source", "", "CITY",
}

// values are strings that have broken parsers before.
var values = []string{
	"", "0", "1", "-1", "+1", "01", "1.", ".1", "1.5", "1.25", "1e3", "1E400", "0x1F", "١", "NaN", "Infinity", "-0",
	"32767", "32768", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808",
	"999999999999.99", "1000000000000", "99999999999999999999999999999999999999", "FOLSOM", "FOLSOM,ELK_GROVE", ",,,",
	"' or 1=1 --", `"; drop table properties; --`, "$1", "%", "_", "\\", "a\x00b", "\xff\xfe", "\u202e", "𝒳", "e\u0301",
	"price", "-price", "newest", "area", "-area", "100", "101", "-121,38,-120,39", "0,0,0,0", "1,1,0,0", "a,b,c,d", "1,2,3",
	"garden", "-garden", `"quiet street`, "a & b | !c:*", "or or or", "(((", "AYC7sCEimVEwGA", "AAAA", "!!!!", "for_sale", "sold",
}

// Whatever is asked, the answer is a page of bounded size or what is wrong with
// the question; never a failure.
func TestAnyParameters(t *testing.T) {
	t.Parallel()
	a := start(t)
	cursors := []string{}
	for _, sort := range []string{"newest", "price", "-price", "area", "-area"} {
		next, err := url.Parse(a.next("/v1/properties?limit=3&sort=" + sort))
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, next.Query().Get("cursor"))
	}
	value := rapid.OneOf(rapid.SampledFrom(values), rapid.SampledFrom(cursors), rapid.String(), rapid.StringN(0, 30, 2000))
	rapid.Check(t, func(rt *rapid.T) {
		var pairs []string
		for range rapid.IntRange(1, 6).Draw(rt, "parameters") {
			v := value.Draw(rt, "value")
			if rapid.IntRange(0, 9).Draw(rt, "escape") > 0 {
				v = url.QueryEscape(v)
			}
			pairs = append(pairs, rapid.SampledFrom(names).Draw(rt, "name")+"="+v)
		}
		ask(rt, a, strings.Join(pairs, "&"))
	})
}

// FuzzParameters asks for arbitrary query strings; each corpus entry is one.
func FuzzParameters(f *testing.F) {
	for _, name := range []string{"city", "min_price", "q", "cursor"} {
		for _, value := range values {
			f.Add(name + "=" + url.QueryEscape(value))
		}
	}
	f.Add("a=1;b=2")
	f.Add("%zz=1&city=%")
	f.Add("&&=&=&?#")
	a := start(f)
	f.Fuzz(func(t *testing.T, raw string) { ask(t, a, raw) })
}

// failer is a test, or a property's run.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// ask asks every route with parameters for raw.
func ask(t failer, a *api, raw string) {
	t.Helper()
	for _, path := range []string{"/v1/properties", "/v1/properties/summary", "/v1/properties/17", "/", "/properties/17"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.URL.RawQuery = raw
		w := httptest.NewRecorder()
		a.server.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Fatalf("%s?%s: %d %s", path, raw, w.Code, w.Body)
		}
		if strings.HasPrefix(path, "/v1/") && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s?%s: not JSON: %s", path, raw, w.Body)
		}
		if w.Body.Len() > 256<<10 {
			t.Fatalf("%s?%s: %d bytes", path, raw, w.Body.Len())
		}
	}
}
