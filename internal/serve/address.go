package serve

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/serve/render"
)

// methods are what each route answers, by its pattern, in the order of Allow.
type methods map[string][]string

func methodsOf(e *echo.Echo) methods {
	m := methods{}
	for _, r := range e.Routes() {
		m[r.Path] = append(m[r.Path], r.Method)
	}
	for _, list := range m {
		slices.SortFunc(list, func(a, b string) int { return slices.Index(allMethods, a) - slices.Index(allMethods, b) })
	}
	return m
}

// allMethods are the methods of routes, in the order of Allow.
var allMethods = []string{http.MethodOptions, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete}

// methodsAt returns what the address of a path answers; nothing if there is no route to it.
func (v *serving) methodsAt(path string) []string {
	if t, page := v.tableAt(path); t != nil && path != "/" {
		list := "/v1/" + t.Name
		if page {
			list = "/" + t.Name
		}
		switch below := strings.TrimPrefix(path, list); {
		case below == "", below == "/summary" && !page:
			return v.methods[path]
		case strings.LastIndexByte(below, '/') == 0:
			return v.methods[list+"/:key"]
		}
		below, page := strings.CutPrefix(path, "/"+t.Name+"/")
		if _, ok := t.CutPicture(below); page && ok {
			return v.methods["/"+t.Name+"/:key/:file"]
		}
		return nil
	}
	if strings.HasPrefix(path, render.StaticPath) {
		path = render.StaticPath + "*"
	}
	return v.methods[path]
}

// otherMethod answers a request whose address has no such method: one list of methods, for
// whatever was asked; and one whose address has none. It reports whether it has.
func (s *Server) otherMethod(v *serving, w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	have := v.methodsAt(r.URL.EscapedPath())
	switch {
	case slices.Contains(have, r.Method), len(have) == 0 && v.unknown():
		return false
	case len(have) == 0:
		s.writeProblem(v, w, r, notFound())
		return true
	}
	w.Header().Set("Allow", strings.Join(append([]string{http.MethodOptions}, have...), ", "))
	if r.Method == http.MethodOptions {
		w.Header()["Cache-Control"] = s.shared.noStore
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	s.writeProblem(v, w, r, notAllowed())
	return true
}

// otherSpelling leads to the one address of what was asked for in another spelling: with a
// slash at the end, or with escapes that are not needed. It reports whether it has.
func (s *Server) otherSpelling(v *serving, w http.ResponseWriter, r *http.Request) bool {
	if r.URL.RawPath == "" && !strings.HasSuffix(r.URL.Path, "/") || r.URL.Path == "/" {
		return false
	}
	given := r.URL.EscapedPath()
	to := v.canonicalPath(given)
	if to == given || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") { // which would be another host
		return false
	}
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	h := w.Header()
	h["Cache-Control"] = s.shared.noStore
	h.Set("Location", to)
	w.WriteHeader(http.StatusPermanentRedirect) // the method and the body stay
	return true
}

// canonicalPath returns the one spelling of a path. The last part of a row's is its key, which
// may need escapes that others do not.
func (v *serving) canonicalPath(path string) string {
	if trimmed := strings.TrimRight(path, "/"); trimmed != "" {
		path = trimmed
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = unescapeNeedless(part)
	}
	if t, _ := v.tableAt(strings.Join(parts, "/")); t != nil && len(parts) > 2 {
		last := strings.TrimPrefix(path, strings.Join(strings.SplitAfter(path, "/")[:len(parts)-1], ""))
		if text, err := url.PathUnescape(last); err == nil && len(parts) == keyDepth(parts) {
			if key, ok := t.ParseKey(text); ok && last != "summary" {
				parts[len(parts)-1] = t.EscapeKey(key)
			}
		}
	}
	return strings.Join(parts, "/")
}

// keyDepth is how many parts the path of a row has, the empty one before the first slash included.
func keyDepth(parts []string) int {
	if parts[1] == "v1" {
		return 4
	}
	return 3
}

// unescapeNeedless writes the escapes of a part of a path in capitals, and takes away those of
// characters that need none anywhere.
func unescapeNeedless(part string) string {
	if !strings.Contains(part, "%") {
		return part
	}
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] != '%' || i+2 >= len(part) {
			b.WriteByte(part[i])
			continue
		}
		escape := part[i : i+3]
		if c, err := url.PathUnescape(escape); err == nil && url.PathEscape(c) == c && !strings.Contains("$&+:=@", c) {
			b.WriteString(c)
		} else {
			b.WriteString(strings.ToUpper(escape))
		}
		i += 2
	}
	return b.String()
}
