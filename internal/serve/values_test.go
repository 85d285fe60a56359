package serve_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// oddRoutes are all reads that show the listing that the test edits, or are ordered or
// filtered by what it holds.
func oddRoutes(c listingtest.Column) []string {
	routes := []string{"/v1/properties/17", "/properties/17", "/v1/properties", "/", "/v1/properties/summary"}
	for _, q := range c.Queries {
		routes = append(routes, "/v1/"+q)
		if rest, ok := strings.CutPrefix(q, "properties?"); ok {
			routes = append(routes, "/?"+rest)
		}
	}
	return routes
}

// Whatever a column holds, every read answers 200, and so do writes: of another column,
// which leaves the odd value as it is, under the tag that a read gave; of nothing, which
// leaves the row as it is; and of the column itself, which mends it.
func TestOddValues(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(listingtest.DropChecks)
	for _, c := range listingtest.Columns() {
		if c.Name == "id" {
			continue
		}
		for _, v := range c.Values {
			a.exec("update properties set " + c.Name + " = " + v + " where id = 17")
			for _, route := range oddRoutes(c) {
				if r := a.get(route, "Cache-Control: no-cache"); r.StatusCode != http.StatusOK {
					t.Fatalf("%s = %s: %s answers %d %s", c.Name, v, route, r.StatusCode, r.body)
				}
			}
			a.patchOdd(t, c, v)
		}
		if c.Writable == "" {
			continue
		}
		r := a.write("PATCH", "/v1/properties/17", `{"`+c.Name+`": `+c.Writable+`}`)
		if got := member(t, r, c.Name); r.StatusCode != http.StatusOK || got != c.Writable {
			t.Errorf("%s is %s after a patch to %s: %d", c.Name, got, c.Writable, r.StatusCode)
		}
	}
}

// Where somebody has dropped a NOT NULL, reads and writes still answer.
func TestNullInRequiredColumns(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, c := range listingtest.Columns() {
		if c.Name == "id" {
			continue
		}
		a.exec("alter table properties alter " + c.Name + " drop not null")
		a.exec("update properties set " + c.Name + " = null where id = 17")
		for _, route := range oddRoutes(c) {
			if r := a.get(route, "Cache-Control: no-cache"); r.StatusCode != http.StatusOK {
				t.Fatalf("%s is NULL: %s answers %d %s", c.Name, route, r.StatusCode, r.body)
			}
		}
		a.patchOdd(t, c, "null")
	}
}

// patchOdd patches a listing one of whose columns has an odd value.
func (a *api) patchOdd(t *testing.T, c listingtest.Column, v string) {
	t.Helper()
	read := a.get("/v1/properties/17", "Cache-Control: no-cache", "Authorization: Bearer "+token)
	same := a.write("PATCH", "/v1/properties/17", `{}`, "If-Match: "+read.Header.Get("ETag"))
	if same.StatusCode != http.StatusOK || same.body != read.body {
		t.Errorf("%s = %s: a patch of nothing: %d\n got %.1000s\nwant %.1000s", c.Name, v, same.StatusCode, same.body, read.body)
	}
	other, value := "price", "12.34"
	if c.Name == "price" {
		other, value = "bedrooms", "7"
	}
	r := a.write("PATCH", "/v1/properties/17", `{"`+other+`": `+value+`}`, "If-Match: "+read.Header.Get("ETag"))
	if r.StatusCode != http.StatusOK || member(t, r, other) != value {
		t.Fatalf("%s = %s: a patch of %s: %d %.1000s", c.Name, v, other, r.StatusCode, r.body)
	}
	if c.Name != "updated_at" && member(t, r, c.Name) != member(t, read, c.Name) {
		t.Errorf("%s = %s: a patch of %s made it %.200s", c.Name, v, other, member(t, r, c.Name))
	}
}

// member returns one member of an answer as it is written.
func member(t *testing.T, r answer, name string) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.body), &members); err != nil {
		t.Fatalf("%v: %.1000s", err, r.body)
	}
	return string(members[name])
}

// A listing is created and deleted under odd values, too: BEFORE triggers may set them.
func TestOddValuesOfTriggers(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(listingtest.DropChecks)
	a.exec(`create function spoil() returns trigger language plpgsql as $$ begin
			new.price = 'NaN'; new.latitude = 'NaN'; new.longitude = '-Infinity'; new.created_at = 'infinity'; new.bathrooms = 'NaN'; return new;
		end $$;
		create trigger spoil before insert or update on properties for each row execute function spoil()`)
	r := a.write("POST", "/v1/properties", house)
	if r.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	want := []string{`"NaN"`, `"NaN"`, `"-Infinity"`, `"infinity"`, `"NaN"`}
	var got []string
	for _, name := range []string{"price", "latitude", "longitude", "created_at", "bathrooms"} {
		got = append(got, member(t, r, name))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	at := r.Header.Get("Location")
	if r := a.write("PATCH", at, `{"title": "x"}`, "If-Match: "+r.Header.Get("ETag")); r.StatusCode != http.StatusOK {
		t.Errorf("PATCH: %d %s", r.StatusCode, r.body)
	}
	if r := a.write("DELETE", at, ""); r.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE: %d %s", r.StatusCode, r.body)
	}
}
