package serve_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// Every route answers GET, and HEAD with the same headers and nothing else.
func TestGetAndHead(t *testing.T) {
	t.Parallel()
	a := start(t)
	routes := []struct {
		target, contentType string
		status              int
	}{
		{"/", "text/html; charset=utf-8", 200},
		{"/?city=FOLSOM&sort=-price&utm_source=mail", "text/html; charset=utf-8", 200},
		{"/properties/17", "text/html; charset=utf-8", 200},
		{"/properties/99999", "text/html; charset=utf-8", 404},
		{"/properties/x", "text/html; charset=utf-8", 404},
		{"/?limit=0", "text/html; charset=utf-8", 400},
		{"/v1/properties", "application/json", 200},
		{"/v1/properties?city=FOLSOM&limit=5", "application/json", 200},
		{"/v1/properties/summary?city=FOLSOM", "application/json", 200},
		{"/v1/properties/17", "application/json", 200},
		{"/v1/properties/99999", "application/problem+json", 404},
		{"/v1/properties/017", "application/problem+json", 404},
		{"/v1/properties/9223372036854775808", "application/problem+json", 404},
		{"/v1/properties/1/2", "application/problem+json", 404},
		{"/v1/properties?limit=0", "application/problem+json", 400},
		{"/v1/cache/metrics", "application/json", 200},
		{"/openapi.json", "application/json", 200},
		{"/healthz", "text/plain; charset=utf-8", 200},
		{"/readyz", "application/json", 200},
		{"/nowhere", "application/problem+json", 404},
	}
	for _, route := range routes {
		get, head := a.get(route.target), a.request(http.MethodHead, route.target, "")
		if got := get.Header.Get("Content-Type"); get.StatusCode != route.status || got != route.contentType {
			t.Errorf("GET %s: %d %q, want %d %q", route.target, get.StatusCode, got, route.status, route.contentType)
		}
		if head.body != "" || head.StatusCode != get.StatusCode {
			t.Errorf("HEAD %s: %d with %d bytes, want %d with none", route.target, head.StatusCode, len(head.body), get.StatusCode)
		}
		if head.ContentLength != int64(len(get.body)) {
			t.Errorf("HEAD %s: Content-Length %d, but GET has %d bytes", route.target, head.ContentLength, len(get.body))
		}
		for _, r := range []answer{get, head} {
			if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s: headers %v lack nosniff or a request id", r.Request.Method, route.target, r.Header)
			}
		}
		for _, varies := range []string{"Date", "X-Request-Id"} {
			get.Header.Del(varies)
			head.Header.Del(varies)
		}
		if fmt.Sprint(get.Header) != fmt.Sprint(head.Header) {
			t.Errorf("%s:\nHEAD has %v\n GET has %v", route.target, head.Header, get.Header)
		}
		if corp := get.Header.Get("Cross-Origin-Resource-Policy"); corp != "same-origin" {
			t.Errorf("%s: Cross-Origin-Resource-Policy %q", route.target, corp)
		}
		csp := get.Header.Get("Content-Security-Policy")
		for _, name := range []string{"Referrer-Policy", "Permissions-Policy"} {
			if (csp != "") != (get.Header.Get(name) != "") {
				t.Errorf("%s: %s %q", route.target, name, get.Header.Get(name))
			}
		}
		if isPage := strings.HasPrefix(route.contentType, "text/html"); isPage != (csp != "") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", route.target, csp)
		}
	}
}

func TestMethodNotAllowed(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, c := range []struct {
		method, target string
		allow          []string
	}{
		{"POST", "/v1/properties/17", []string{"GET", "HEAD", "PATCH", "DELETE"}},
		{"PUT", "/v1/properties", []string{"GET", "HEAD", "POST"}},
		{"DELETE", "/v1/properties", []string{"GET", "HEAD", "POST"}},
		{"DELETE", "/v1/properties/summary", []string{"GET", "HEAD"}},
		{"PATCH", "/v1/properties/summary", []string{"GET", "HEAD"}},
		{"POST", "/v1/properties/summary", []string{"GET", "HEAD"}},
		{"POST", "/v1/cache/metrics", []string{"GET", "HEAD"}},
		{"BREW", "/healthz", []string{"GET", "HEAD"}},
		{"TRACE", "/v1/properties/summary", []string{"GET", "HEAD"}},
		{"PURGE", "/v1/properties/summary", []string{"GET", "HEAD"}},
		{"QUERY", "/v1/properties/summary", []string{"GET", "HEAD"}},
		{"PROPFIND", "/v1/properties/17", []string{"GET", "HEAD", "PATCH", "DELETE"}},
		{"TRACE", "/v1/properties", []string{"GET", "HEAD", "POST"}},
		{"POST", "/openapi.json", []string{"GET", "HEAD"}},
		{"PURGE", "/v1/properties/0", []string{"GET", "HEAD", "PATCH", "DELETE"}},
	} {
		r := a.write(c.method, c.target, "{}")
		r.problem(t, http.StatusMethodNotAllowed)
		got := strings.Split(strings.TrimPrefix(r.Header.Get("Allow"), "OPTIONS, "), ", ")
		slices.Sort(got)
		slices.Sort(c.allow)
		if !slices.Equal(got, c.allow) {
			t.Errorf("%s %s: Allow %v, want %v", c.method, c.target, got, c.allow)
		}
	}
	for target, want := range map[string]string{
		"/v1/properties/summary": "OPTIONS, GET, HEAD", "/readyz": "OPTIONS, GET, HEAD",
	} {
		if r := a.request("OPTIONS", target, ""); r.StatusCode != 204 || r.Header.Get("Allow") != want {
			t.Errorf("OPTIONS %s: %d, Allow %q, want 204 and %q", target, r.StatusCode, r.Header.Get("Allow"), want)
		}
	}
	for _, target := range []string{"/v1/nowhere", "/v1/properties/1/2", "/v1/properties/1/x", "/v1", "/properties.json", "/metrics/x"} {
		for _, method := range []string{"OPTIONS", "PURGE", "POST", "PATCH", "DELETE"} {
			r := a.request(method, target, "{}", "Content-Type: application/json") // without a token
			r.problem(t, 404)
			if allow := r.Header.Get("Allow"); allow != "" {
				t.Errorf("%s %s: Allow %s", method, target, allow)
			}
		}
	}
	asset := "/static/" + between(t, a.get("/").body, `href="/static/`, `"`)
	if r := a.request("OPTIONS", asset, ""); r.StatusCode != 204 || r.Header.Get("Allow") != "OPTIONS, GET, HEAD" {
		t.Errorf("OPTIONS of a static file: %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
	a.request("DELETE", asset, "").problem(t, 405)
	page := a.request("POST", "/properties/17", "")
	if page.StatusCode != 405 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("POST to a page: %d %s, want 405 as a page", page.StatusCode, page.Header.Get("Content-Type"))
	}
}

// Each address has one spelling; the others lead to it.
func TestOneAddress(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.http.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for target, want := range map[string]string{
		"/v1/properties/":              "/v1/properties",
		"/v1/properties/?city=A&x=%31": "/v1/properties?city=A&x=%31",
		"/v1/properties/summary/":      "/v1/properties/summary",
		"/v1/properties/17/":           "/v1/properties/17",
		"/v1/properties/17//":          "/v1/properties/17",
		"/v1/properties/%317":          "/v1/properties/17",
		"/v1/propert%69es/17":          "/v1/properties/17",
		"/%76%31/properties":           "/v1/properties",
		"/v1/properties/%73ummary":     "/v1/properties/summary",
		"/properties/%31%37/":          "/properties/17",
		"/healthz/":                    "/healthz",
		"/openapi%2ejson":              "/openapi.json",
	} {
		for _, method := range []string{"GET", "HEAD", "PATCH"} {
			r := a.write(method, target, "{}")
			if r.StatusCode != 308 || r.Header.Get("Location") != want {
				t.Errorf("%s %s: %d to %q, want 308 to %q", method, target, r.StatusCode, r.Header.Get("Location"), want)
			}
		}
	}
	for _, target := range []string{"//example.org/", "//example.org/%31", "/%2f%2fexample.org/", "///", "/v1/properties/1%2F2", "/v1/properties/%zz"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = target
		var err error
		if r.URL, err = url.ParseRequestURI(target); err != nil {
			continue // net/http answers 400
		}
		w := httptest.NewRecorder()
		a.server.ServeHTTP(w, r)
		if to := w.Header().Get("Location"); w.Code != 404 && !(strings.HasPrefix(to, "/%2F") && w.Code == 308) {
			t.Errorf("%s: %d to %q, want 404", target, w.Code, to)
		}
	}
}

// A wrong address is shown to people as a page.
func TestNotFoundForPeople(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, target := range []string{"/nowhere", "/v1x", "/propertie"} {
		r := a.get(target, "Accept: text/html,application/xhtml+xml")
		if r.StatusCode != 404 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s, want 404 as a page", target, r.StatusCode, r.Header.Get("Content-Type"))
		}
	}
	a.get("/v1/nowhere", "Accept: text/html").problem(t, 404)
}

// Every fault of a request, alone: 400, and errors names the parameter.
func TestBadParameters(t *testing.T) {
	t.Parallel()
	a := start(t)
	long, many := strings.Repeat("x", 101), strings.Repeat("a,b,c,d,e,f,g,", 1)
	for i := range 21 {
		many += fmt.Sprintf("c%d,", i)
	}
	for query, want := range map[string]string{
		"citi=FOLSOM":                        "citi",
		"City=FOLSOM":                        "City",
		"utm_source=mail":                    "utm_source",
		"=x":                                 "",
		"city=" + long:                       "city",
		"city=" + many:                       "city",
		"city=%ff":                           "city",
		"city=a%00":                          "city",
		"city=%zz":                           "city",
		"city=%":                             "city",
		"status=%c3%28":                      "status",
		"min_price=1e-3":                     "min_price",
		"min_price=-1":                       "min_price",
		"min_price=1.234":                    "min_price",
		"min_price=NaN":                      "min_price",
		"min_price=0x10":                     "min_price",
		"min_price=1&min_price=2":            "min_price",
		"max_price=1000000000000":            "max_price",
		"min_price=2&max_price=1":            "min_price",
		"min_bedrooms=2.5":                   "min_bedrooms",
		"max_bedrooms=32768":                 "max_bedrooms",
		"min_bedrooms=3&max_bedrooms=2":      "min_bedrooms",
		"min_bathrooms=1.25":                 "min_bathrooms",
		"min_bathrooms=100":                  "min_bathrooms",
		"min_area=2147483648":                "min_area",
		"max_area=%20":                       "max_area",
		"min_area=9&max_area=8":              "min_area",
		"bbox=1,2,3":                         "bbox",
		"bbox=1,2,3,4,5":                     "bbox",
		"bbox=3,2,1,4":                       "bbox",
		"bbox=1,4,3,2":                       "bbox",
		"bbox=-181,0,0,0":                    "bbox",
		"bbox=0,0,0,91":                      "bbox",
		"bbox=NaN,0,0,0":                     "bbox",
		"bbox=1,2,3,4&bbox=1,2,3,4":          "bbox",
		"q=" + long:                          "q",
		"q=a&q=b":                            "q",
		"sort=cheapest":                      "sort",
		"sort=price&sort=price":              "sort",
		"limit=0":                            "limit",
		"limit=101":                          "limit",
		"limit=ten":                          "limit",
		"limit=99999999999999999999":         "limit",
		"cursor=AAAA":                        "cursor",
		"cursor=" + strings.Repeat("A", 999): "cursor",
	} {
		names := a.get("/v1/properties?"+query).problem(t, 400)
		if len(names) != 1 || names[0] != want {
			t.Errorf("%q: errors %q, want %q", query, names, want)
		}
	}
	next := a.next("/v1/properties?sort=price&limit=2")
	other := a.get(strings.Replace(next, "sort=price", "sort=-price", 1)).problem(t, 400)
	if !slices.Equal(other, []string{"cursor"}) {
		t.Errorf("a cursor of another sort: errors %q, want cursor", other)
	}
	for target, want := range map[string]string{
		"/v1/properties/summary?limit=5":      "limit",
		"/v1/properties/summary?sort=price":   "sort",
		"/v1/properties/17?city=FOLSOM":       "city",
		"/v1/properties/17?_=1":               "_",
		"/v1/properties/summary?min_price=,1": "min_price",
	} {
		if names := a.get(target).problem(t, 400); !slices.Equal(names, []string{want}) {
			t.Errorf("%s: errors %q, want %q", target, names, want)
		}
	}
}

// next returns the address of the page behind the one at target.
func (a *api) next(target string) string {
	a.t.Helper()
	var page list
	a.get(target).as(a.t, &page)
	if page.Next == nil {
		a.t.Fatalf("%s: no next page", target)
	}
	return *page.Next
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	r := a.get("/v1/properties?min_price=x&limit=0&sort=up&citi=A&q=%zz", "Consistency-Token: later")
	got := r.problem(t, 400)
	slices.Sort(got)
	if want := []string{"Consistency-Token", "citi", "limit", "min_price", "q", "sort"}; !slices.Equal(got, want) {
		t.Errorf("errors %q, want %q", got, want)
	}
	if !strings.Contains(r.body, "did you mean city?") {
		t.Errorf("no suggestion for citi: %s", r.body)
	}
}

func TestPageShowsItsFaults(t *testing.T) {
	t.Parallel()
	a := start(t)
	r := a.get("/?min_price=lots&city=FOLSOM&utm_source=mail")
	if r.StatusCode != 400 || !strings.Contains(r.body, "lots") || !strings.Contains(r.body, "FOLSOM") {
		t.Errorf("a bad request for the page: %d, want 400 with the form as it was filled in:\n%s", r.StatusCode, r.body)
	}
}

func TestGoodParameters(t *testing.T) {
	t.Parallel()
	a := start(t)
	for query, want := range map[string]int{
		"":                                                 20,
		"city=&min_price=&q=&limit=&sort=":                 20,
		"city=FOLSOM&limit=100":                            30,
		"city=FOLSOM,ELK_GROVE&limit=100":                  60,
		"city=FOLSOM&city=ELK_GROVE&limit=100":             60,
		"city=folsom":                                      0,
		"min_price=101000.5&max_price=102001":              2,
		"min_price=101000.51&max_price=102001":             1,
		"min_price=1.010005e5&max_price=102001.0000000000": 2,
		"property_type=Condo&limit=100":                    20,
		"min_bedrooms=4&limit=100":                         10,
		"min_bathrooms=1.5&limit=100":                      12,
		"bbox=-121.05,38.03,-121.03,38.05":                 3,
		"q=quiet%20-home":                                  0,
		"q=street&limit=100":                               60,
		"status=sold":                                      0,
		"postal_code=95631,95632&limit=100":                12,
		"&&limit=3&":                                       3,
	} {
		var page list
		a.get("/v1/properties?"+query).as(t, &page)
		if len(page.Items) != want {
			t.Errorf("%q: %d items, want %d", query, len(page.Items), want)
		}
	}
}

// The address of a picture answers other methods as any other address does.
func TestMethodsOfPictures(t *testing.T) {
	t.Parallel()
	a := start(t, func(o *serve.Options) {
		o.Site = changed(t, func(title *description.Column) { title.Show = description.ShowSVG })
	})
	for _, method := range []string{"OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PURGE"} {
		want := 405
		if method == "OPTIONS" {
			want = 204
		}
		r := a.request(method, "/properties/17/title.svg", "")
		if r.StatusCode != want || r.Header.Get("Allow") != "OPTIONS, GET, HEAD" {
			t.Errorf("%s: %d, Allow %q, want %d and OPTIONS, GET, HEAD", method, r.StatusCode, r.Header.Get("Allow"), want)
		}
	}
	for _, target := range []string{"/properties/17/other.svg", "/v1/properties/17/title.svg", "/properties/17/title.svg/x"} {
		if r := a.request("POST", target, ""); r.StatusCode != 404 {
			t.Errorf("POST %s: %d, want 404", target, r.StatusCode)
		}
	}
}

// The links of pages lead through all properties once, in each order, and are
// canonical addresses.
func TestNextLinks(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, sort := range []string{"newest", "price", "-price", "area", "-area"} {
		seen := map[any]bool{}
		target := "/v1/properties?status=for_sale&limit=7&sort=" + url.QueryEscape(sort)
		for target != "" {
			var page list
			r := a.get(target)
			r.as(t, &page)
			link := `</v1/properties?status=for_sale&sort=` + sort + `&limit=7>; rel="first"`
			if sort == "newest" {
				link = `</v1/properties?status=for_sale&limit=7>; rel="first"`
			}
			if page.Next != nil {
				link += ", <" + *page.Next + `>; rel="next"`
			}
			if page.Prev != nil {
				link += ", <" + *page.Prev + `>; rel="prev"`
			}
			if again := a.get(target, "If-None-Match: "+r.Header.Get("ETag")); r.Header.Get("Link") != link || again.Header.Get("Link") != link {
				t.Errorf("Link %s, and of a 304 %s, want %s", r.Header.Get("Link"), again.Header.Get("Link"), link)
			}
			for _, item := range page.Items {
				if seen[item["id"]] {
					t.Fatalf("sort %s: property %v twice", sort, item["id"])
				}
				seen[item["id"]] = true
			}
			if target = ""; page.Next != nil {
				target = *page.Next
				if strings.Contains(target, "sort=newest") || !strings.HasPrefix(target, "/v1/properties?status=for_sale&") {
					t.Errorf("next is %s, which is not canonical", target)
				}
			}
		}
		if len(seen) != 60 {
			t.Errorf("sort %s: %d properties, want 60", sort, len(seen))
		}
	}
}

// changed returns the site that ships with another title.
func changed(t *testing.T, change func(title *description.Column)) *listing.Site {
	t.Helper()
	d, err := description.Decode(listingtest.Site().Description.Encode())
	if err != nil {
		t.Fatal(err)
	}
	change(&d.Tables[0].Columns[listingtest.Properties().Column("title")])
	return listing.NewSite(d)
}

// Only the page itself says where it goes on, whatever members its rows have.
func TestNoNextLinkOfARow(t *testing.T) {
	t.Parallel()
	site := changed(t, func(title *description.Column) { title.Member = "next" })
	a := start(t, func(o *serve.Options) {
		o.Site = site
		o.Reads = reads(func(_ context.Context, r readthrough.Request) (readthrough.Answer, error) {
			row := listingtest.Row(r.Query.Table, "id", 1, "title", "/v1/elsewhere")
			status, body := render.Body(render.JSON, listing.Queryset{Query: r.Query, Items: []listing.Row{row}})
			return readthrough.Answer{Status: status, Body: string(body), ETag: "x"}, nil
		})
	})
	r := a.get("/v1/properties")
	if want := `</v1/properties>; rel="first"`; !strings.Contains(r.body, `"next":"/v1/elsewhere"`) || r.Header.Get("Link") != want {
		t.Errorf("Link %s of %s, want %s", r.Header.Get("Link"), r.body, want)
	}
}

func TestConsistencyToken(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, bad := range []string{"", "0", "-1", "+5", "5 ", "x", "1.0", "0x10", "18446744073709551616", "1,2"} {
		r, err := http.NewRequest("GET", a.http.URL+"/v1/properties/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Consistency-Token"] = []string{bad}
		response, err := a.http.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		want := 400
		if bad == "5 " { // trimmed on the way
			want = 200
		}
		if response.StatusCode != want {
			t.Errorf("token %q: %d, want %d", bad, response.StatusCode, want)
		}
	}
	a.get("/v1/properties/1", "Consistency-Token: 1", "Consistency-Token: 2").problem(t, 400)
	for _, good := range []string{"3", "18446744073709551615"} {
		if r := a.get("/v1/properties/1", "Consistency-Token: "+good); r.StatusCode != 200 {
			t.Errorf("token %s: %d, want 200", good, r.StatusCode)
		}
	}
	if r := a.get("/", "Consistency-Token: x"); r.StatusCode != 400 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("a page with a bad token: %d %s, want a page of 400", r.StatusCode, r.Header.Get("Content-Type"))
	}
}
