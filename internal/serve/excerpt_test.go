package serve_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Rows have the members that fields names, as they are in the whole answer, and the links lead on to
// pages of the same kind.
func TestFields(t *testing.T) {
	t.Parallel()
	a := start(t)
	var whole, part list
	a.get("/v1/properties?city=FOLSOM&limit=3&sort=price").as(t, &whole)
	r := a.get("/v1/properties?fields=price,id&city=FOLSOM&limit=3&sort=price")
	r.as(t, &part)
	if !strings.HasPrefix(r.body, `{"items":[{"id":2,"price":102001.00},{"id":4,`) {
		t.Errorf("%.100s", r.body)
	}
	for i, item := range part.Items {
		if names := slices.Sorted(maps.Keys(item)); !slices.Equal(names, []string{"id", "price"}) || item["price"] != whole.Items[i]["price"] {
			t.Errorf("item %d is %v, want a part of %v", i, item, whole.Items[i])
		}
	}
	if part.Next == nil || *part.Next != *whole.Next+"&fields=id,price" {
		t.Errorf("next %v, want that of %v with the fields", part.Next, whole.Next)
	}
	var second list
	a.get(*part.Next).as(t, &second)
	if len(second.Items) != 3 || len(second.Items[0]) != 2 || second.Items[0]["id"] == part.Items[2]["id"] {
		t.Errorf("the next page has %v", second.Items)
	}
	if again := a.get("/v1/properties?sort=price&limit=3&city=FOLSOM&fields=id&fields=price"); again.body != r.body || again.Header.Get("ETag") != r.Header.Get("ETag") {
		t.Error("another spelling has another answer")
	}
	if not := a.get("/v1/properties?fields=price,id&city=FOLSOM&limit=3&sort=price", "If-None-Match: "+r.Header.Get("ETag")); not.StatusCode != 304 {
		t.Errorf("its tag again: %d", not.StatusCode)
	}
	packed := a.get("/v1/properties?fields=id,city,title,status&limit=60", "Accept-Encoding: gzip")
	if packed.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(unpack(t, packed.body), `{"id":1,"title":"Home 1","status":"for_sale","city":"ELK_GROVE"}`) {
		t.Error("it is not compressed, or not that")
	}

	if r := a.get("/v1/properties/17?fields=updated_at,city"); r.body != "{\"city\":\"ELK_GROVE\",\"updated_at\":\"2008-05-15T00:00:00Z\"}\n" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := a.get("/v1/properties/4711?fields=city"); r.StatusCode != 404 || r.body != a.get("/v1/properties/4711").body {
		t.Errorf("of nothing: %d %s", r.StatusCode, r.body)
	}
	for target, want := range map[string][]string{
		"/v1/properties?fields=cty":               {"fields"},
		"/v1/properties?fields=description":       {"fields"}, // which lists do not show
		"/v1/properties?limit=0&fields=x&count=1": {"limit", "fields", "count"},
		"/v1/properties/17?fields=id,prise&x=1":   {"fields", "x"},
		"/v1/properties/17?count=true":            {"count"},
		"/v1/properties/summary?fields=count":     {"fields"},
		"/v1/properties?filds=id":                 {"filds"},
	} {
		r := a.get(target)
		if names := r.problem(t, http.StatusBadRequest); !slices.Equal(names, want) {
			t.Errorf("%s: faults of %q, want %q", target, names, want)
		}
	}
	if r := a.get("/v1/properties?fields=prize"); !strings.Contains(r.body, "did you mean price?") {
		t.Errorf("%s, want the nearest name", r.body)
	}
	if r := a.get("/?fields=id&count=true"); r.StatusCode != 200 { // pages ignore them
		t.Errorf("a page: %d", r.StatusCode)
	}
	r = a.get("/v1/properties?fields=id&count=true", "Accept: text/event-stream")
	if names := r.problem(t, http.StatusBadRequest); !slices.Equal(names, []string{"fields", "count"}) {
		t.Errorf("a stream: faults of %q", names)
	}
}

// count=true says how many rows there are on all pages.
func TestCount(t *testing.T) {
	t.Parallel()
	a := start(t)
	var count func(target string) int64
	count = func(target string) int64 {
		var page struct {
			Count *int64
			Items []json.RawMessage
			Next  string
		}
		r := a.get(target)
		r.as(t, &page)
		if page.Count == nil {
			t.Fatalf("%s has no count: %s", target, r.body)
		}
		if page.Next != "" && count(page.Next) != *page.Count {
			t.Errorf("the page after %s has another count", target)
		}
		return *page.Count
	}
	if n := count("/v1/properties?count=true&limit=25"); n != 60 {
		t.Errorf("%d of all, want 60", n)
	}
	if n := count("/v1/properties?count=True&city=FOLSOM&fields=id"); n != 30 {
		t.Errorf("%d in FOLSOM, want 30", n)
	}
	if n := count("/v1/properties?count=true&city=nowhere"); n != 0 {
		t.Errorf("%d nowhere", n)
	}
	if r := a.get("/v1/properties?count=false"); r.body != a.get("/v1/properties").body {
		t.Error("count=false is another answer")
	}
	a.get("/v1/properties?count=yes").problem(t, 400)
}

// ids asks for several rows, with any other condition.
func TestIDs(t *testing.T) {
	t.Parallel()
	a := start(t)
	ids := func(target string) (ids []float64) {
		var page list
		a.get(target).as(t, &page)
		for _, item := range page.Items {
			ids = append(ids, item["id"].(float64))
		}
		return ids
	}
	if got := ids("/v1/properties?ids=5,3,4711,8&sort=-price"); !slices.Equal(got, []float64{8, 5, 3}) {
		t.Errorf("%v", got)
	}
	if got := ids("/v1/properties?ids=5,3,8&city=FOLSOM"); !slices.Equal(got, []float64{8}) {
		t.Errorf("%v", got)
	}
	if r := a.get("/?ids=5,3"); !strings.Contains(r.body, "Home 5") || strings.Contains(r.body, "Home 8") || !strings.Contains(r.body, `name="ids" value="3,5"`) {
		t.Error("the page shows others, or its form forgets them")
	}
}

// Link names the page before and the page behind, as the body does.
func TestPrevLink(t *testing.T) {
	t.Parallel()
	a := start(t)
	first := a.get("/v1/properties?limit=7&fields=id")
	second := a.get(linked(t, first, "next"))
	if back := a.get(linked(t, second, "prev")); !strings.HasPrefix(back.body, first.body[:strings.Index(first.body, "]")]) {
		t.Errorf("the page before the second is %s, want %s", back.body, first.body)
	}
	if linked(t, first, "prev") != "" || linked(t, second, "first") != "/v1/properties?limit=7&fields=id" {
		t.Errorf("%s", second.Header.Get("Link"))
	}
	last := a.get("/v1/properties?limit=60")
	if link := last.Header.Get("Link"); link != `</v1/properties?limit=60>; rel="first"` {
		t.Errorf("of the only page: %s", link)
	}
}

// linked returns where an answer's header Link leads, "" if nowhere.
func linked(t *testing.T, r answer, relation string) string {
	t.Helper()
	for item := range strings.SplitSeq(r.Header.Get("Link"), ", ") {
		if address, ok := strings.CutSuffix(item, `>; rel="`+relation+`"`); ok {
			return strings.TrimPrefix(address, "<")
		}
	}
	return ""
}
