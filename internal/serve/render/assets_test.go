package render_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/serve/render"
)

// get asks the static handler.
func get(address string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	render.StaticHandler(func(fields []string) bool { return len(fields) > 0 }).ServeHTTP(w, r)
	return w
}

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	for name, mediaType := range map[string]string{
		"freshlist.css": "text/css; charset=utf-8",
		"freshlist.js":  "text/javascript; charset=utf-8",
		"favicon.svg":   "image/svg+xml",
	} {
		address := render.AssetURL(name)
		w := get(address)
		for key, want := range map[string]string{
			"Content-Type":           mediaType,
			"Cache-Control":          "public, max-age=31536000, immutable",
			"X-Content-Type-Options": "nosniff",
		} {
			if got := w.Header().Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", address, key, got, want)
			}
		}
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: status %d, %d bytes", address, w.Code, w.Body.Len())
		}
		packed := get(address, "Accept-Encoding", "gzip")
		r, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(r); err != nil || string(plain) != w.Body.String() || packed.Header().Get("ETag") == w.Header().Get("ETag") {
			t.Errorf("%s: gzip holds another file (%v), or has the tag %s", address, err, packed.Header().Get("ETag"))
		}
		if again := get(address, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s: asked again: status %d", address, again.Code)
		}
	}
}

// An address of another build's file must not be answered with this build's: it
// would be kept for ever.
func TestUnknownStaticFiles(t *testing.T) {
	t.Parallel()
	known := render.AssetURL("freshlist.css")
	for _, address := range []string{
		"/static/", "/static/freshlist.css", "/static/../render.go", strings.Replace(known, ".css", ".js", 1),
		"/static/freshlist.000000000000.css",
	} {
		if w := get(address); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", address, w.Code)
		}
	}
}
