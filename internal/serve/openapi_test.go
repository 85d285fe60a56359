package serve_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// document is the OpenAPI document, held against real answers.
type document struct {
	t        *testing.T
	root     map[string]any
	compiler *jsonschema.Compiler
	seen     map[string]bool // "GET /v1/properties 200"
	lenient  bool            // answers may lack headers: what no row can have the key of is not cached
}

const documentURL = "file:///openapi.json"

func newDocument(t *testing.T, s *listing.Site) *document {
	t.Helper()
	return readDocument(t, render.OpenAPI(s, true))
}

func readDocument(t *testing.T, text []byte) *document {
	t.Helper()
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(documentURL, root); err != nil {
		t.Fatal(err)
	}
	return &document{t: t, root: root.(map[string]any), compiler: c, seen: map[string]bool{}}
}

// at returns what stands at a path in the document, through references, and its
// JSON pointer; nil if there is nothing.
func (d *document) at(path ...string) (any, string) {
	var node any = d.root
	pointer := "#"
	for _, name := range path {
		object, _ := node.(map[string]any)
		node = object[name]
		pointer += "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
		if object, ok := node.(map[string]any); ok && object["$ref"] != nil {
			pointer = object["$ref"].(string)
			node, _ = d.at(strings.Split(strings.TrimPrefix(pointer, "#/"), "/")...)
		}
	}
	return node, pointer
}

func (d *document) object(path ...string) map[string]any {
	node, _ := d.at(path...)
	object, _ := node.(map[string]any)
	return object
}

// holds validates JSON against the schema at a path. A path that a schema was
// reached by through references is not its pointer, hence the second result of at.
func (d *document) holds(body string, path ...string) error {
	_, pointer := d.at(path...)
	schema, err := d.compiler.Compile(documentURL + strings.ReplaceAll(pointer, "{", "%7B"))
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// Headers that answers may have without being promised, of the transport and of
// static content, and those that only some answers of a kind have.
var (
	unpromised = []string{"Content-Length", "Content-Type", "Date", "Accept-Ranges", "Cache-Control", "Vary"}
	sometimes  = []string{"Content-Encoding", "Link", "RateLimit", "RateLimit-Policy"}
)

// check holds an answer against the document.
func (d *document) check(template string, r answer) {
	d.t.Helper()
	method, status := strings.ToLower(r.Request.Method), strconv.Itoa(r.StatusCode)
	what := fmt.Sprintf("%s %s %s", r.Request.Method, template, status)
	operation := []string{"paths", template, method, "responses"}
	if d.object(append(operation, status)...) == nil {
		d.t.Errorf("%s (%s) is not in the document: %s", what, r.Request.URL, r.body)
		return
	}
	d.seen[what] = true
	response := append(operation, status)
	d.checkHeaders(what, r, d.object(append(response, "headers")...))
	content := d.object(append(response, "content")...)
	if len(content) == 0 {
		if r.body != "" {
			d.t.Errorf("%s has a body, which the document does not know: %s", what, r.body)
		}
		return
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || content[media] == nil {
		d.t.Errorf("%s is %q, the document knows %v", what, media, slices.Collect(maps.Keys(content)))
		return
	}
	if strings.HasSuffix(media, "json") {
		body := r.body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body = unpack(d.t, body)
		}
		if err := d.holds(body, append(response, "content", media, "schema")...); err != nil {
			d.t.Errorf("%s: %v\n%s", what, err, body)
		}
	}
}

func (d *document) checkHeaders(what string, r answer, documented map[string]any) {
	d.t.Helper()
	known := map[string]bool{}
	for name := range documented {
		known[http.CanonicalHeaderKey(name)] = true
		if r.Header.Get(name) == "" && !slices.Contains(sometimes, name) && !d.lenient {
			d.t.Errorf("%s lacks the header %s", what, name)
		}
	}
	for name := range r.Header {
		if !known[name] && !slices.Contains(unpromised, name) {
			d.t.Errorf("%s has the header %s, which the document does not know", what, name)
		}
	}
}

// unseen lists the answers of the document that were not checked.
func (d *document) unseen() (list []string) {
	for template := range d.object("paths") {
		for method := range d.object("paths", template) {
			for status := range d.object("paths", template, method, "responses") {
				what := fmt.Sprintf("%s %s %s", strings.ToUpper(method), template, status)
				if method != "parameters" && status != "default" && !d.seen[what] {
					list = append(list, what)
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// Every answer that the document promises comes, with the headers and the body
// that it says, and no other.
func TestAnswersKeepTheDocument(t *testing.T) {
	t.Parallel()
	d := newDocument(t, listingtest.Site())
	a := start(t)
	down := start(t, func(o *serve.Options) {
		o.Reads = reads(func(context.Context, readthrough.Request) (readthrough.Answer, error) {
			return readthrough.Answer{}, database.ErrBusy
		})
		o.Writes = busy{}
		o.Ready = func(context.Context) error { return database.ErrUnavailable }
	})
	closed := start(t, func(o *serve.Options) { o.WriteToken = "" })
	limited := start(t, func(o *serve.Options) { o.RateLimit = 1 })
	limited.get("/healthz")
	limited.get("/v1/properties")
	asset := between(t, a.get("/").body, `href="/static/`, `"`)

	const list, summary, property, page, propertyPage = "/v1/properties", "/v1/properties/summary", "/v1/properties/{id}", "/", "/properties/{id}"
	for _, c := range []struct{ template, target string }{
		{list, "/v1/properties?limit=100"},
		{list, "/v1/properties?sort=area&limit=3&min_bedrooms=1"},
		{list, "/v1/properties?city=nowhere"},
		{list, "/v1/properties?limit=0&x=1"},
		{list, "/v1/properties?fields=id,price&count=true&ids=1,2,4711"},
		{list, "/v1/properties?limit=3&count=true"},
		{property, "/v1/properties/17?fields=title"},
		{summary, "/v1/properties/summary"},
		{summary, "/v1/properties/summary?city=nowhere"},
		{summary, "/v1/properties/summary?city=%ff"},
		{property, "/v1/properties/17"},
		{property, "/v1/properties/4711"},
		{property, "/v1/properties/17?x=1"},
		{page, "/"},
		{page, "/?limit=0"},
		{propertyPage, "/properties/17"},
		{propertyPage, "/properties/4711"},
		{"/openapi.json", "/openapi.json"},
		{"/v1/cache/metrics", "/v1/cache/metrics"},
		{"/metrics", "/metrics"},
		{"/healthz", "/healthz"},
		{"/readyz", "/readyz"},
		{"/static/{name}", "/static/" + asset},
		{"/static/{name}", "/static/nothing.css"},
	} {
		r := a.get(c.target)
		d.check(c.template, r)
		if tag := r.Header.Get("ETag"); tag != "" && r.StatusCode == 200 {
			d.check(c.template, a.get(c.target, "If-None-Match: "+tag))
			d.check(c.template, a.get(c.target, "Accept-Encoding: gzip", "If-None-Match: x"))
		}
	}
	d.check(propertyPage, a.get("/properties/17", "Consistency-Token: x"))
	for template, target := range map[string]string{
		list: list, summary: summary, property: "/v1/properties/17", page: page, propertyPage: "/properties/17", "/readyz": "/readyz",
	} {
		d.check(template, down.get(target))
	}

	full := `{"title": "x", "property_type": "t", "status": "sold", "price": 1.25, "city": "c", "postal_code": null, "bedrooms": 1}`
	if err := d.holds(full, "paths", list, "post", "requestBody", "content", "application/json", "schema"); err != nil {
		t.Errorf("a good body: %v", err)
	}
	for _, body := range []string{full, house, "{", `{"price": -1}`, strings.Repeat(" ", 64<<10) + house} {
		d.check(list, a.write("POST", list, body))
		d.check(property, a.write("PATCH", "/v1/properties/17", body))
	}
	d.check(property, a.write("PATCH", "/v1/properties/4711", house))
	d.check(property, a.write("PATCH", "/v1/properties/17", "{}", `If-Match: "x"`))
	d.check(property, a.write("DELETE", "/v1/properties/17", "", `If-Match: "x"`))
	d.check(property, a.write("DELETE", "/v1/properties/17", "", `If-Match: x`))
	a.exec(`create table visits (property bigint references properties)`)
	a.exec(`insert into visits values (18)`)
	d.check(property, a.write("DELETE", "/v1/properties/18", ""))
	d.check(property, a.write("DELETE", "/v1/properties/17", ""))
	d.check(property, a.write("DELETE", "/v1/properties/17", ""))
	for _, w := range []struct{ method, template, target string }{
		{"POST", list, list}, {"PATCH", property, "/v1/properties/17"}, {"DELETE", property, "/v1/properties/17"},
	} {
		d.check(w.template, a.request(w.method, w.target, house))
		d.check(w.template, closed.write(w.method, w.target, house))
		d.check(w.template, down.write(w.method, w.target, house))
		if w.method != "DELETE" {
			d.check(w.template, a.request(w.method, w.target, house, "Authorization: Bearer "+token, "Content-Type: text/plain"))
		}
	}
	d.check(list, start(t, func(o *serve.Options) { o.Writes = inProgress{} }).write("POST", list, house, "Idempotency-Key: x"))
	for template, target := range map[string]string{
		list: list, summary: summary, property: "/v1/properties/17", page: page, propertyPage: "/properties/17",
		"/openapi.json": "/openapi.json", "/v1/cache/metrics": "/v1/cache/metrics", "/metrics": "/metrics", "/static/{name}": "/static/" + asset,
	} {
		d.check(template, limited.get(target))
	}
	d.check(list, limited.write("POST", list, house))
	d.check(property, limited.write("PATCH", "/v1/properties/17", house))
	d.check(property, limited.write("DELETE", "/v1/properties/17", ""))
	for _, what := range d.unseen() {
		t.Errorf("%s is in the document, but was not seen", what)
	}
}

// busy is a database without a free connection.
type busy struct{}

func (busy) Create(context.Context, *listing.Table, database.Fields) (database.Written, error) {
	return database.Written{}, database.ErrBusy
}

func (busy) CreateOnce(context.Context, *listing.Table, database.Fields, database.Once) (database.Kept, error) {
	return database.Kept{}, database.ErrBusy
}

func (busy) Patch(context.Context, *listing.Table, listing.Value, database.Fields, database.Precondition) (database.Written, error) {
	return database.Written{}, database.ErrBusy
}

func (busy) Delete(context.Context, *listing.Table, listing.Value, database.Precondition) (database.Written, error) {
	return database.Written{}, database.ErrBusy
}

// inProgress is a database that is answering the request already.
type inProgress struct{ busy }

func (inProgress) CreateOnce(context.Context, *listing.Table, database.Fields, database.Once) (database.Kept, error) {
	return database.Kept{}, database.ErrInProgress
}

// between returns what stands in text between two marks.
func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, ok1 := strings.Cut(text, before)
	middle, _, ok2 := strings.Cut(rest, after)
	if !ok1 || !ok2 {
		t.Fatalf("no %s...%s in %s", before, after, text)
	}
	return middle
}
