package render_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/serve/render"
)

// document reads the OpenAPI document.
func document(t *testing.T) (doc map[string]any) {
	t.Helper()
	if err := json.Unmarshal(render.OpenAPI(), &doc); err != nil {
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

// Every reference leads somewhere, and every component is referred to.
func TestOpenAPIReferences(t *testing.T) {
	t.Parallel()
	doc := document(t)
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
		}
	}
}

// The documented parameters of a list are those that a query has.
func TestOpenAPIParameters(t *testing.T) {
	t.Parallel()
	doc := document(t)
	values, err := url.ParseQuery(sample(t, "page-last").Query.RawQuery()) // which has all
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/v1/properties"} {
		var documented []string
		for _, p := range at(t, doc, "paths", path, "get", "parameters").([]any) {
			ref := p.(map[string]any)["$ref"].(string)
			parameter := at(t, doc, strings.Split(ref, "/")[1:]...)
			if at(t, parameter, "in") == "query" {
				documented = append(documented, at(t, parameter, "name").(string))
			}
		}
		slices.Sort(documented)
		if has := slices.Sorted(maps.Keys(values)); !slices.Equal(documented, has) {
			t.Errorf("%s: documented %v, there are %v", path, documented, has)
		}
	}
}

// The members of each body stand in the document, in the same order.
func TestOpenAPIMembers(t *testing.T) {
	t.Parallel()
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Properties json.RawMessage }
		}
	}
	if err := json.Unmarshal(render.OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	for name, schema := range map[string]string{"property": "Property", "page": "Page", "summary": "Summary"} {
		_, body := render.Body(render.JSON, sample(t, name))
		has, documented := members(t, body), members(t, doc.Components.Schemas[schema].Properties)
		if !slices.Equal(has, documented) {
			t.Errorf("%s: documented %v, there are %v", schema, documented, has)
		}
	}
	has := members(t, render.Error(render.JSON, problems()["request"]))
	if documented := members(t, doc.Components.Schemas["Problem"].Properties); !slices.Equal(has, documented) {
		t.Errorf("Problem: documented %v, there are %v", documented, has)
	}
}

// members returns the names of an object's members in their order.
func members(t *testing.T, object []byte) (names []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := d.Token(); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}
