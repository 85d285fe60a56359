package serve

import (
	"net/http"
	"slices"
	"strings"
)

// cors lets pages of other origins read, and only read, from browsers.
type cors struct {
	all     bool
	origins []string
}

// newCORS returns nil if there are no origins.
func newCORS(origins string) *cors {
	switch origins {
	case "":
		return nil
	case "*":
		return &cors{all: true}
	}
	return &cors{origins: strings.Split(origins, ",")}
}

// exposed are the headers of answers that scripts may see.
const exposed = "ETag, Cache-Status, Consistency-Token, Link, Location, Retry-After, X-Request-Id"

// allow says in an answer who may read it.
func (c *cors) allow(h http.Header, r *http.Request) {
	if !c.all {
		h["Vary"] = []string{"Origin"}
	}
	if origin := c.allowed(r); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", exposed)
	}
}

// allowed returns what an allowed request's origin is answered with; "" if it is not allowed, or
// there is none.
func (c *cors) allowed(r *http.Request) string {
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return ""
	case c.all:
		return "*"
	case slices.Contains(c.origins, origin):
		return origin
	}
	return ""
}

// preflight answers the question that a browser asks before a request with headers or a method
// that are not simple. It reports whether it was one.
func (c *cors) preflight(v *serving, w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || len(r.Header["Access-Control-Request-Method"]) == 0 || c.allowed(r) == "" {
		return false
	}
	have := v.methodsAt(r.URL.EscapedPath())
	if len(have) == 0 {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD")
	h.Set("Access-Control-Allow-Headers", "Cache-Control, Consistency-Token, If-None-Match, X-Request-Id")
	h.Set("Access-Control-Max-Age", "600")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return true
}
