package render_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// document reads the OpenAPI document of a site.
func document(t *testing.T, s *listing.Site) (doc map[string]any) {
	t.Helper()
	if err := json.Unmarshal(render.OpenAPI(s, true), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at follows member names into nested objects.
func at(t *testing.T, v any, path ...string) any {
	t.Helper()
	for _, name := range path {
		object, ok := v.(map[string]any)
		if !ok || object[name] == nil {
			t.Fatalf("the document has no %s", strings.Join(path, " / "))
		}
		v = object[name]
	}
	return v
}

// sites are those whose documents are tested: the one that ships, one with a column of every
// type, and one that is shown in every way.
func sites() []*listing.Site {
	return []*listing.Site{listingtest.Site(), listingtest.EverySite(), render.SampleSite()}
}

// Every reference leads somewhere, and every component is referred to.
func TestOpenAPIReferences(t *testing.T) {
	t.Parallel()
	for _, site := range sites() {
		doc := document(t, site)
		used := set{}
		var walk func(v any)
		walk = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				if ref, ok := v["$ref"].(string); ok {
					used[ref] = true
					at(t, doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
				}
				for _, member := range v {
					walk(member)
				}
			case []any:
				for _, item := range v {
					walk(item)
				}
			}
		}
		walk(doc)
		for kind, components := range at(t, doc, "components").(map[string]any) {
			for name := range components.(map[string]any) {
				if ref := "#/components/" + kind + "/" + name; kind != "securitySchemes" && !used[ref] {
					t.Errorf("nothing refers to %s", ref)
				}
				if !componentName.MatchString(name) {
					t.Errorf("%q is no name of a component", name)
				}
			}
		}
	}
}

var componentName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// Names that must be there once are there once: members of an object, of which a parser keeps
// the last, and the operations.
func TestOpenAPINames(t *testing.T) {
	t.Parallel()
	for _, site := range sites() {
		text := render.OpenAPI(site, true)
		var walk func(object json.RawMessage)
		walk = func(raw json.RawMessage) {
			switch raw[0] {
			case '{':
				var values map[string]json.RawMessage
				decode(t, raw, &values)
				if names := members(t, raw); len(names) != len(values) {
					t.Errorf("a member is there twice: %q", names)
				}
				for _, v := range values {
					walk(v)
				}
			case '[':
				var values []json.RawMessage
				decode(t, raw, &values)
				for _, v := range values {
					walk(v)
				}
			}
		}
		walk(text)
		ids := operationID.FindAllString(string(text), -1)
		slices.Sort(ids)
		if unique := slices.Compact(slices.Clone(ids)); len(unique) != len(ids) {
			t.Errorf("an operation is there twice: %q", ids)
		}
	}
}

// Generators make types of schemas, parameters, responses and operations. No two have the same
// name, whatever is capital in it and what stands between its words.
func TestOpenAPINamesDiffer(t *testing.T) {
	t.Parallel()
	for _, site := range sites() {
		doc := document(t, site)
		owner := map[string]string{}
		claim := func(name, by string) {
			plain := strings.ToLower(strings.NewReplacer(".", "", "_", "", "-", "").Replace(name))
			if other := owner[plain]; other != "" {
				t.Errorf("%s and %s are both called %s", other, by, name)
			}
			owner[plain] = by
		}
		for name := range at(t, doc, "components", "schemas").(map[string]any) {
			claim(name, "the schema "+name)
		}
		for path, item := range at(t, doc, "paths").(map[string]any) {
			for method, operation := range item.(map[string]any) {
				if o, ok := operation.(map[string]any); ok {
					id, _ := o["operationId"].(string)
					claim(id, method+" "+path)
				}
			}
		}
		if at(t, doc, "security") == nil {
			t.Error("nothing says that reads need no token")
		}
	}
}

var operationID = regexp.MustCompile(`"operationId": "[^"]+"`)

// The documented parameters of a list are those that a query has.
func TestOpenAPIParameters(t *testing.T) {
	t.Parallel()
	for _, site := range sites() {
		doc := document(t, site)
		for _, table := range site.Tables {
			filters := []string{}
			for _, p := range table.Parameters {
				filters = append(filters, p.Name)
			}
			page := "/" + table.Name
			if table == site.Home() {
				page = "/"
			}
			for path, more := range map[string][]string{
				page: {"sort", "limit", "cursor"}, "/v1/" + table.Name: {"sort", "limit", "cursor", "fields", "count"}, "/v1/" + table.Name + "/summary": nil,
			} {
				has := slices.Sorted(slices.Values(append(more, filters...)))
				var documented []string
				for _, p := range at(t, doc, "paths", path, "get", "parameters").([]any) {
					ref := p.(map[string]any)["$ref"].(string)
					parameter := at(t, doc, strings.Split(ref, "/")[1:]...)
					if at(t, parameter, "in") == "query" {
						documented = append(documented, at(t, parameter, "name").(string))
					}
				}
				slices.Sort(documented)
				if !slices.Equal(documented, has) {
					t.Errorf("%s: documented %v, there are %v", path, documented, has)
				}
			}
		}
	}
	values, err := url.ParseQuery(sample(t, "page-last").Query.RawQuery()) // which has all
	if err != nil || len(values) != len(listingtest.Properties().Parameters)+3 {
		t.Errorf("a page with all parameters has %v, %v", values, err)
	}
}

// The members of each body stand in the document, in the same order.
func TestOpenAPIMembers(t *testing.T) {
	t.Parallel()
	schemas := func(s *listing.Site) map[string]struct{ Properties json.RawMessage } {
		var doc struct {
			Components struct {
				Schemas map[string]struct{ Properties json.RawMessage }
			}
		}
		if err := json.Unmarshal(render.OpenAPI(s, true), &doc); err != nil {
			t.Fatal(err)
		}
		return doc.Components.Schemas
	}
	check := func(s *listing.Site, name string, body []byte) {
		has, documented := members(t, body), members(t, schemas(s)[name].Properties)
		if !slices.Equal(has, documented) {
			t.Errorf("%s: documented %v, there are %v", name, documented, has)
		}
	}
	for name, schema := range map[string]string{"property": "Property", "summary": "PropertySummary"} {
		_, body := render.Body(render.JSON, sample(t, name))
		check(listingtest.Site(), schema, body)
	}
	n := int64(1)
	_, page := render.Body(render.JSON, sample(t, "page"))
	counted, err := render.Excerpt{Count: &n}.OfPage(string(page))
	if err != nil {
		t.Fatal(err)
	}
	check(listingtest.Site(), "PropertyPage", counted)
	for _, s := range render.Samples(listingtest.EverySite()) {
		schema, ok := map[string]string{"every-row": "Every2", "every-summary": "Every2Summary", "by-uuid-row": "ByUuid2", "by-uuid-summary": "ByUuid2Summary"}[s.Name]
		if ok {
			_, body := render.Body(render.JSON, s.Queryset)
			check(listingtest.EverySite(), schema, body)
		}
	}
	check(listingtest.Site(), "Problem", render.Error(render.JSON, problems()["request"]))
}

// members returns the names of an object's members in their order.
func members(t require, object []byte) (names []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := d.Token(); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatalf("%v", err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return names
}
