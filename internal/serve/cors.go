package serve

import (
	"net/http"
	"strings"
)

// cors lets pages of other origins read, and only read, from browsers.
type cors struct {
	all     bool
	origins map[string][]string // as the header's value
}

// newCORS returns nil if there are no origins.
func newCORS(origins string) *cors {
	switch origins {
	case "":
		return nil
	case "*":
		return &cors{all: true}
	}
	c := &cors{origins: map[string][]string{}}
	for origin := range strings.SplitSeq(origins, ",") {
		c.origins[origin] = []string{origin}
	}
	return c
}

// Header values that many answers have in common, as in sharedHeaders.
var (
	anyOrigin  = []string{"*"}
	varyOrigin = []string{"Origin"}
	// exposed are the headers of answers that scripts may see.
	exposed = []string{"ETag, Cache-Status, Consistency-Token, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"}
)

// allow says in an answer who may read it. It is on the way of every hit: nothing is made here.
func (c *cors) allow(h http.Header, r *http.Request) {
	if !c.all {
		h["Vary"] = varyOrigin
	}
	if origin := c.allowed(r); origin != nil {
		h["Access-Control-Allow-Origin"] = origin
		h["Access-Control-Expose-Headers"] = exposed
	}
}

// allowed returns what an allowed request's origin is answered with; nil if it is not allowed, or
// there is none.
func (c *cors) allowed(r *http.Request) []string {
	given := r.Header["Origin"]
	switch {
	case len(given) == 0 || given[0] == "":
		return nil
	case c.all:
		return anyOrigin
	}
	return c.origins[given[0]]
}

// preflight answers the question that a browser asks before a request with headers or a method
// that are not simple. It reports whether it was one.
func (c *cors) preflight(v *serving, w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || len(r.Header["Access-Control-Request-Method"]) == 0 || c.allowed(r) == nil {
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
