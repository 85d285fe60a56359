package serve_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

// cacheable are the routes whose answers may be kept.
var cacheable = []string{"/", "/properties/17", "/v1/properties", "/v1/properties/summary", "/v1/properties/17"}

func TestEntityTags(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, target := range cacheable {
		plain := a.get(target)
		packed := a.get(target, "Accept-Encoding: gzip")
		plainTag, packedTag := plain.Header.Get("ETag"), packed.Header.Get("ETag")
		if len(plain.body) > 1024 {
			if packed.Header.Get("Content-Encoding") != "gzip" || unpack(t, packed.body) != plain.body {
				t.Errorf("%s: gzip does not hold the plain body", target)
			}
			if want := strings.TrimSuffix(plainTag, `"`) + `-gzip"`; packedTag != want {
				t.Errorf("%s: tag of gzip is %s, want %s", target, packedTag, want)
			}
		} else if packedTag != plainTag || packed.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: a short body was compressed", target)
		}
		for _, c := range []struct {
			coding, match string
			status        int
		}{
			{"identity", plainTag, 304},
			{"identity", "W/" + plainTag, 304},
			{"identity", `"other", ` + plainTag, 304},
			{"identity", `"a,b" ,, W/"x",` + plainTag + ",", 304},
			{"identity", "*", 304},
			{"identity", ` * `, 304},
			{"gzip", packedTag, 304},
			{"gzip", "W/" + packedTag, 304},
			{"identity", `"other"`, 200},
			{"identity", strings.Trim(plainTag, `"`), 200},
			{"identity", `W/` + plainTag[1:], 200},
			{"identity", `broken, ` + plainTag, 200},
			{"identity", `"open`, 200},
			{"identity", "", 200},
			{"identity", strings.ToUpper(plainTag), 200},
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				r := a.request(method, target, "", "Accept-Encoding: "+c.coding, "If-None-Match: "+c.match)
				if r.StatusCode != c.status {
					t.Errorf("%s %s, If-None-Match %s: %d, want %d", method, target, c.match, r.StatusCode, c.status)
				}
				if r.StatusCode != 304 {
					continue
				}
				if r.body != "" || r.Header.Get("Content-Type") != "" || r.Header.Get("Content-Encoding") != "" {
					t.Errorf("%s %s: 304 has a body or describes one: %v", method, target, r.Header)
				}
			}
		}
	}
	// The two codings are two representations: who has one has not the other.
	plain := a.get("/v1/properties").Header.Get("ETag")
	if r := a.get("/v1/properties", "Accept-Encoding: gzip", "If-None-Match: "+plain); r.StatusCode != 200 {
		t.Errorf("the plain tag for a gzip answer: %d, want 200", r.StatusCode)
	}
	// Two fields are one list.
	if r := a.get("/v1/properties", `If-None-Match: "a"`, "If-None-Match: "+plain); r.StatusCode != 304 {
		t.Errorf("the tag in a second field: %d, want 304", r.StatusCode)
	}
}

func unpack(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatalf("unpack: %v", err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("unpack: %v", err)
	}
	return string(b)
}

// Every cacheable answer, 304 and a cached 404 included, tells caches the same.
func TestCachingHeaders(t *testing.T) {
	t.Parallel()
	a := start(t)
	want := map[string]string{
		"Vary":          "Accept-Encoding, Accept",
		"Cache-Control": "public, max-age=0, must-revalidate",
		"Cache-Status":  "freshlist-view; fwd=bypass; detail=off",
	}
	for _, target := range append(cacheable, "/v1/properties/12345", "/properties/12345") {
		full := a.get(target)
		again := a.get(target, "If-None-Match: "+full.Header.Get("ETag"))
		if missing := strings.HasSuffix(target, "12345"); missing != (again.StatusCode == 404) || missing == (again.StatusCode == 304) {
			t.Errorf("%s: %d and then, with its tag, %d", target, full.StatusCode, again.StatusCode)
		}
		for _, r := range []answer{full, again} {
			for name, value := range want {
				if got := r.Header.Get(name); got != value {
					t.Errorf("%s, %d: %s is %q, want %q", target, r.StatusCode, name, got, value)
				}
			}
			if tag := r.Header.Get("ETag"); tag != full.Header.Get("ETag") || len(tag) < 10 {
				t.Errorf("%s, %d: ETag %q, want that of the whole answer", target, r.StatusCode, tag)
			}
		}
	}
	for _, target := range []string{"/v1/properties?limit=0", "/healthz", "/readyz", "/v1/cache/metrics", "/nowhere"} {
		if got := a.get(target).Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q, want no-store", target, got)
		}
	}
}

// A tag changes with the content and comes back with it.
func TestTagFollowsContent(t *testing.T) {
	t.Parallel()
	a := start(t)
	before := a.get("/v1/properties/17").Header.Get("ETag")
	a.exec("update properties set price = price + 0.01 where id = 17")
	changed := a.get("/v1/properties/17", "If-None-Match: "+before)
	if changed.StatusCode != 200 || changed.Header.Get("ETag") == before {
		t.Errorf("after an edit: %d with tag %s, want 200 with a new one", changed.StatusCode, changed.Header.Get("ETag"))
	}
	a.exec("update properties set price = price - 0.01 where id = 17")
	if r := a.get("/v1/properties/17", "If-None-Match: "+before); r.StatusCode != 304 {
		t.Errorf("after the edit was taken back: %d, want 304", r.StatusCode)
	}
}

// Only the write token may send a read past the caches.
func TestNoCache(t *testing.T) {
	t.Parallel()
	a := start(t)
	const bypass, fresh = "freshlist-view; fwd=bypass; detail=off", "freshlist-view; fwd=request"
	for _, c := range []struct {
		want    string
		headers []string
	}{
		{fresh, []string{"Cache-Control: no-cache", "Authorization: Bearer " + token}},
		{fresh, []string{"Cache-Control: max-age=0, No-Cache", "Authorization: bearer " + token}},
		{bypass, []string{"Cache-Control: no-cache"}},
		{bypass, []string{"Cache-Control: no-cache", "Authorization: Bearer wrong"}},
		{bypass, []string{"Cache-Control: no-cache", "Authorization: Basic " + token}},
		{bypass, []string{"Cache-Control: max-age=0", "Authorization: Bearer " + token}},
		{bypass, []string{"Authorization: Bearer " + token}},
	} {
		if got := a.get("/v1/properties", c.headers...).Header.Get("Cache-Status"); got != c.want {
			t.Errorf("%q: Cache-Status %q, want %q", c.headers, got, c.want)
		}
	}
}
