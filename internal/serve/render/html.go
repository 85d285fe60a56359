package render

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"

	"github.com/freshlist/freshlist/internal/listing"
)

// ContentSecurityPolicy returns what every page of a site must be sent with: it needs its own
// files and its own API, nothing inline, and nothing from elsewhere but pictures, if a column has
// addresses of such.
func ContentSecurityPolicy(s *listing.Site) string {
	images := "'self'"
	for _, t := range s.Tables {
		for _, n := range t.Item {
			if t.Columns[n].Show == showImage {
				images = "'self' https: http:"
			}
		}
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src " + images + "; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

//go:embed templates
var templateFiles embed.FS

// templates holds each page's template under its name, with the layout around it.
var templates = parseTemplates("list", "row", "problem")

// document is what the layout shows of every page.
type document struct {
	Site        string // its name
	Nav         []link // to the lists
	Title       string
	Description string      // for search engines; may be empty
	Canonical   string      // the page's one address; none for a problem
	Graph       []meta      // of the Open Graph
	Linked      template.JS // JSON-LD; none for a problem
	JSON        string      // address of the same queryset as JSON; none for a problem
	NoIndex     bool        // not for search engines
}

// newDocument returns what all pages of a site have, with a title.
func newDocument(s *listing.Site, title string) document {
	d := document{Site: s.Description.Site.Name, Title: title}
	for _, t := range s.Tables {
		all := listing.Query{Table: t, Limit: listing.DefaultLimit}
		d.Nav = append(d.Nav, link{Text: listing.Capitalized(called(t)), Href: address(&all)})
	}
	return d
}

// problemPage is what the template of an error page shows.
type problemPage struct {
	document
	Many    string // what the rows of the home of the site are called
	Problem Problem
}

func problemHTML(p Problem) []byte {
	page := problemPage{
		document: newDocument(p.Site, http.StatusText(p.Status)),
		Problem:  p,
	}
	if home := p.Site.Home(); home != nil {
		page.Many = called(home)
	}
	page.NoIndex = true
	return execute("problem", page)
}

func parseTemplates(names ...string) map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"asset":   assetURL,
		"lowered": listing.Lowered,
	}).ParseFS(templateFiles, "templates/layout.html"))
	pages := make(map[string]*template.Template, len(names))
	for _, name := range names {
		clone := template.Must(layout.Clone())
		pages[name] = template.Must(clone.ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return pages
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
