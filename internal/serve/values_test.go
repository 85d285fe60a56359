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

// A column that somebody has given another type, while capture is not installed, shows its
// values as PostgreSQL has them, or the answer says which column does not fit. It is never
// an error of ours, and never a rounded value.
func TestRetypedColumns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alter, value string // the new type and the value of listing 17
		shown        string // in the answer; "" if that is 503
	}{
		"bedrooms":           {"bedrooms type integer", "40000", ""},
		"bedrooms that fit":  {"bedrooms type integer", "4", "4"},
		"bedrooms in halves": {"bedrooms type numeric", "2.5", ""},
		"bedrooms of text":   {"bedrooms type text", "'many'", ""},
		"living_area":        {"living_area type bigint", "3000000000", ""},
		"living_area fits":   {"living_area type bigint", "3000", "3000"},
		"price":              {"price type numeric(20,4)", "1.2345", ""},
		"price in millions":  {"price type numeric(20,4)", "9999999999999999.99", ""},
		"price beyond all":   {"price type numeric", "1e30", ""},
		"price without end":  {"price type numeric", "'infinity'", ""},
		"price that fits":    {"price type numeric(20,4)", "1.2300", "1.23"},
		"price as float":     {"price type double precision", "1.1", ""},
		"price as integer":   {"price type integer", "7", ""},
		"bathrooms":          {"bathrooms type numeric(6,2)", "2.25", ""},
		"bathrooms of many":  {"bathrooms type numeric(6,1)", "4000", ""},
		"latitude":           {"latitude type real", "38.6", ""},
		"longitude":          {"longitude type numeric", "1.000000000000000000001", ""},
		"created_at":         {"created_at type timestamp", "'2020-01-01'", ""},
		"updated_at":         {"updated_at type date", "'2020-01-01'", ""},
		"city":               {"city type varchar(90)", "'x'", `"x"`},
		"city as bytes":      {`city type bytea using 'x'`, "'x'", ""},
		"status":             {"status type integer using 1", "1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			column, _, _ := strings.Cut(c.alter, " ")
			a := start(t)
			a.exec(listingtest.DropChecks)
			a.exec("drop schema if exists freshlist cascade")
			a.exec("alter table properties alter column status drop default")
			a.exec("alter table properties alter column " + c.alter)
			a.exec("update properties set " + column + " = " + c.value + " where id = 17")
			member17 := func(r answer) string { return member(t, r, column) }
			routes := []string{"/v1/properties/17", "/properties/17", "/v1/properties?limit=100", "/", "/v1/properties/summary"}
			for _, q := range columnOf(t, column).Queries {
				routes = append(routes, "/v1/"+q)
			}
			for _, route := range routes {
				r := a.get(route)
				a.misfit(t, r, column, route == "/v1/properties/17" && c.shown == "")
			}
			one := a.get("/v1/properties/17")
			if c.shown != "" && (one.StatusCode != http.StatusOK || member17(one) != c.shown) {
				t.Errorf("listing 17: %d %s, want %s of %s", one.StatusCode, one.body, column, c.shown)
			}
			patched := a.write("PATCH", "/v1/properties/17", `{"title": "new"}`)
			a.misfit(t, patched, column, c.shown == "")
		})
	}
}

func columnOf(t *testing.T, name string) listingtest.Column {
	t.Helper()
	for _, c := range listingtest.Columns() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no column %s", name)
	return listingtest.Column{}
}

// misfit makes sure that an answer is right or says which column does not fit; must, that it
// is the latter.
func (a *api) misfit(t *testing.T, r answer, column string, must bool) {
	t.Helper()
	path := r.Request.URL.Path
	switch {
	case r.StatusCode == http.StatusOK && !must:
	case r.StatusCode != http.StatusServiceUnavailable, r.Header.Get("Retry-After") == "", !strings.Contains(r.body, column),
		!strings.Contains(r.body, "invalidator install"):
		t.Errorf("%s %s: %d %s, want 503 that names %s", r.Request.Method, path, r.StatusCode, r.body, column)
	}
	if status := r.Header.Get("Cache-Status"); strings.Contains(status, "stored") || strings.Contains(status, "hit") {
		t.Errorf("%s: %s", path, status)
	}
}
