package render

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// ContentSecurityPolicy is what every page must be sent with: it needs its own
// files and its own API, nothing inline and nothing from elsewhere.
const ContentSecurityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed templates
var templateFiles embed.FS

// templates holds each page's template under its name, with the layout around it.
var templates = parseTemplates("listings", "property", "problem")

// document is what the layout shows of every page.
type document struct {
	Title       string
	Description string // for search engines; may be empty
	Canonical   string // the page's one address; none for a problem
	JSON        string // address of the same queryset as JSON; none for a problem
	NoIndex     bool   // not for search engines
}

// problemPage is what the template of an error page shows.
type problemPage struct {
	document
	Problem Problem
}

func problemHTML(p Problem) []byte {
	return execute("problem", problemPage{
		document: document{Title: http.StatusText(p.Status), NoIndex: true},
		Problem:  p,
	})
}

func parseTemplates(names ...string) map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"asset":     assetURL,
		"place":     placeName,
		"type":      typeName,
		"status":    statusName,
		"parameter": parameterName,
		"dollars":   dollars,
		"beds":      func(n listing.Null[int16]) string { return ifValid(n, beds) },
		"baths":     func(n listing.Null[int16]) string { return ifValid(n, baths) },
		"area":      func(n listing.Null[int32]) string { return ifValid(n, area) },
		"tenths":    tenths,
		"date":      date,
		"instant":   func(m listing.Micros) string { return strings.Trim(string(appendTime(nil, m)), `"`) },
	}).ParseFS(templateFiles, "templates/layout.html"))
	pages := make(map[string]*template.Template, len(names))
	for _, name := range names {
		clone := template.Must(layout.Clone())
		pages[name] = template.Must(clone.ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return pages
}

// ifValid is the text of a value, or nothing for a NULL.
func ifValid[T any](v listing.Null[T], text func(T) string) string {
	if !v.Valid {
		return ""
	}
	return text(v.V)
}

// execute renders a page. It can fail only by a mistake in a template, which
// the tests would show.
func execute(name string, data any) []byte {
	var b bytes.Buffer
	if err := templates[name].Execute(&b, data); err != nil {
		panic("render: execute template " + name + ": " + err.Error())
	}
	return b.Bytes()
}
