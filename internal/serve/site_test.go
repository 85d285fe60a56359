package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
)

// startEvery starts an API on the tables that have a column of every type.
func startEvery(t *testing.T) *api {
	t.Helper()
	owner := pgtest.Shared(t).Clone(t, "serve_every", func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		_, err = conn.Exec(ctx, listingtest.EverySQL)
		return err
	})
	return startOn(t, owner, owner, func(o *serve.Options) {
		o.Site = listingtest.EverySite()
		o.Reads.(*readthrough.Cache).Site = listingtest.EverySite
	})
}

// full is a row with a value in every column that can be written, and so that each comes back
// as it was sent.
const full = `{"key":"a/b, c?","small":-3,"whole":7,"big":9223372036854775807,"exact":0.125,"exact18":0.000000000000000001,` +
	`"wide":123456789012345678901234567890.12345,"hundreds":1200,"real":0.5,"double":-1e-07,"flag":true,"day":"2024-02-29",` +
	`"moment":"2024-02-29T12:34:56.789000","uid":"123e4567-e89b-12d3-a456-426614174000","condition":"it's, \"odd\"",` +
	`"words":"a \\ \u0007 b","bytewise":"ä b","loose":"Ä","short":"12345678","fixed":"1234","tags":["a",null,"b,c"],"numbers":[1,2],` +
	`"uids":["123e4567-e89b-12d3-a456-426614174000"],"amounts":[1.25],"conditions":["new"],"floats":[0.5],"address":"10.0.0.1",` +
	`"kind":"x","percent":50,"amount":99.50,"latitude":38.5,"longitude":-121.25,"details":{"a": [1, null, "b"]},"SELECT":5}`

// A row of every type is created, read in every way, changed and deleted; the answers keep the
// document.
func TestEveryTypeIsServed(t *testing.T) {
	t.Parallel()
	a := startEvery(t)
	d := newDocument(t, listingtest.EverySite())
	const list, row, page, own = "/v1/every", "/v1/every/{key}", "/", "/every/{key}"

	created := a.write("POST", list, full)
	d.check(list, created)
	if created.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", created.StatusCode, created.body)
	}
	location := created.Header.Get("Location")
	if location != "/v1/every/a%2Fb%2C%20c%3F" {
		t.Errorf("Location %s", location)
	}
	var sent, got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(full), &sent); err != nil {
		t.Fatal(err)
	}
	created.as(t, &got)
	for name, value := range sent {
		if want := compact(t, value); compact(t, got[name]) != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
	if string(got["doubled"]) != "-6" || string(got["serial"]) != "1" {
		t.Errorf("what PostgreSQL computes is %s and %s", got["doubled"], got["serial"])
	}
	read := a.get(location)
	d.check(row, read)
	if read.body != created.body || read.Header.Get("ETag") != created.Header.Get("ETag") {
		t.Errorf("a read shows another row than the write:\n%s%s", read.body, created.body)
	}
	bare := a.write("POST", list, `{"key": "summary"}`)
	d.check(list, bare)
	if got := bare.Header.Get("Location"); got != "/v1/every/%73ummary" {
		t.Errorf("the row called summary is at %s", got)
	}
	d.check(row, a.get("/v1/every/%73ummary"))
	d.check("/v1/every/summary", a.get("/v1/every/summary"))
	d.check(list, a.get(list))
	d.check(page, a.get("/"))
	d.check(own, a.get("/every/a%2Fb%2C%20c%3F"))
	d.check(own, a.get("/every/%73ummary"))

	for _, table := range []*listing.Table{listingtest.Every(), listingtest.ByUUID()} {
		for _, o := range table.Orders {
			d.check("/v1/"+table.Name, a.get("/v1/"+table.Name+"?sort="+o.Name))
		}
	}
	for _, query := range []string{
		"min_small=-3&max_small=-3", "whole=7", "exact18=0.000000000000000001", "min_wide=1", "hundreds=1200", "flag=true", "min_day=2024-02-29&max_day=2024-02-29",
		"uid=123e4567-e89b-12d3-a456-426614174000", "condition=new", "loose=ä", "short=12345678", "fixed=1234", "tags=a", "numbers=1,2", "amounts=1.25",
		"kind=x", "serial=1", "min_percent=50", "bbox=-122,38,-121,39", "q=b", "max_selected=5", "floats=0.5", "conditions=new",
	} {
		r := a.get(list + "?" + query)
		d.check(list, r)
		if r.StatusCode != 200 || query != "condition=new" && !strings.Contains(r.body, `"key":"a/b, c?"`) {
			t.Errorf("%s: %d %.200s", query, r.StatusCode, r.body)
		}
		d.check("/v1/every/summary", a.get("/v1/every/summary?"+query))
		if page := a.get("/?" + query); page.StatusCode != 200 {
			t.Errorf("the page of %s: %d", query, page.StatusCode)
		}
	}

	same := a.write("PATCH", location, "{}", "If-Match: "+read.Header.Get("ETag"))
	d.check(row, same)
	if same.body != read.body {
		t.Errorf("a patch of nothing: %d %s", same.StatusCode, same.body)
	}
	for name, value := range sent {
		if name == "key" {
			continue
		}
		body := fmt.Sprintf(`{"%s": %s}`, name, value)
		d.check(row, a.write("PATCH", location, body))
		if listingtest.Every().Columns[columnNamed(t, name)].NotNull {
			continue
		}
		patched := a.write("PATCH", location, fmt.Sprintf(`{"%s": null}`, name))
		d.check(row, patched)
		if patched.StatusCode != 200 || member(t, patched, name) != "null" {
			t.Errorf("%s cannot be taken away: %d %s", name, patched.StatusCode, patched.body)
		}
	}
	d.check(row, a.get(location))
	d.check(row, a.write("DELETE", location, ""))
	d.check(row, a.get(location))

	house := a.write("POST", "/v1/by-uuid", `{"id": "123E4567-e89b-12d3-a456-426614174000", "name": "A house", "latitude": 38.5}`)
	d.check("/v1/by-uuid", house)
	if got := house.Header.Get("Location"); got != "/v1/by-uuid/123e4567-e89b-12d3-a456-426614174000" {
		t.Errorf("Location %s: %s", got, house.body)
	}
	d.check("/v1/by-uuid/{id}", a.get(house.Header.Get("Location")))
	d.check("/by-uuid/{id}", a.get(strings.TrimPrefix(house.Header.Get("Location"), "/v1")))
	d.check("/by-uuid", a.get("/by-uuid"))
	a.get("/v1/by-uuid/123E4567-e89b-12d3-a456-426614174000").problem(t, 404)
}

// compact writes a JSON value in its one spelling.
func compact(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func columnNamed(t *testing.T, member string) int {
	t.Helper()
	for i, c := range listingtest.Every().Table.Columns {
		if c.Member == member {
			return i
		}
	}
	t.Fatalf("no member %s", member)
	return 0
}

// Each rule of a type, broken alone: 422, and the fault says what would be right.
func TestEveryTypesRules(t *testing.T) {
	t.Parallel()
	a := startEvery(t)
	a.write("POST", "/v1/every", `{"key": "k"}`)
	for member, want := range map[string]string{
		`"small": 32768`:                    "must be a whole number from -32768 to 32767",
		`"small": 1.5`:                      "must be a whole number from -32768 to 32767",
		`"big": 9223372036854775808`:        "must be a whole number from -9223372036854775808 to 9223372036854775807",
		`"exact": 0.0001`:                   "with at most 3 decimals",
		`"exact": 100001`:                   "a number from",
		`"exact18": 1`:                      "a number from",
		`"wide": "1"`:                       "must be a number",
		`"wide": 1e99999999`:                "must be a number",
		`"hundreds": 1250`:                  "must be a number that fits numeric(5,-2)",
		`"hundreds": 1e9`:                   "must be a number that fits numeric(5,-2)",
		`"real": 1e39`:                      "must be a number that fits real",
		`"double": 1e400`:                   "must be a number",
		`"double": "NaN"`:                   "must be a number",
		`"flag": 1`:                         "must be true or false",
		`"flag": "true"`:                    "must be true or false",
		`"day": "2024-02-30"`:               "must be a date",
		`"day": 5`:                          "must be a date",
		`"moment": "yesterday"`:             "must be a date and time",
		`"uid": "x"`:                        "must be a UUID",
		`"condition": "old"`:                "must be new, as good as new, worn or it's, \"odd\"",
		`"condition": null`:                 "must not be null",
		`"words": null`:                     "must not be null",
		`"bytewise": "blue"`:                "must be red, green or ä b",
		`"short": "123456789"`:              "must be a text of at most 8 characters",
		`"fixed": "12345"`:                  "must be a text of at most 4 characters",
		`"tags": "a"`:                       "must be an array",
		`"tags": [1]`:                       "must be an array whose elements are each a text without a NUL",
		`"tags": ["a\u0000"]`:               "must be an array whose elements are each a text without a NUL",
		`"numbers": [1, 2147483648]`:        "must be an array whose elements are each a whole number from -2147483648 to 2147483647",
		`"amounts": [0.001]`:                "must be an array whose elements are each a number from -9999.99 to 9999.99 with at most 2 decimals",
		`"conditions": ["old"]`:             "must be an array whose elements are each new",
		`"details": {"a": "\u0000"}`:        "must be JSON without a NUL",
		`"instant": "2024-01-01T00:00:00Z"`: "is not for clients to write",
		`"serial": 5`:                       "is not for clients to write",
		`"doubled": 5`:                      "is not for clients to write",
		`"key": "other"`:                    "is not for clients to write",
		`"hidden": 5`:                       "is no member of an every",
		`"smal": 5`:                         "is no member of an every; did you mean small?",
		`"percent": 101`:                    "must be",
		`"amount": -1`:                      "must be",
		`"latitude": true`:                  "must be a number",
		`"address": "no address"`:           "",
		`"details": {"a": "\\u0000"}, "small": "x"`: "must be a whole number",
	} {
		r := a.write("PATCH", "/v1/every/k", "{"+member+"}")
		r.problem(t, 422)
		var p problem
		if err := json.Unmarshal([]byte(r.body), &p); err != nil {
			t.Fatal(err)
		}
		if want != "" && (len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Detail, want)) {
			t.Errorf("%s: %+v, want %s", member, p.Errors, want)
		}
	}
	if names := a.write("POST", "/v1/every", "{}").problem(t, 422); len(names) != 1 || names[0] != "key" {
		t.Errorf("a row without a key: %q", names)
	}
	if names := a.write("POST", "/v1/every", `{"key": "k"}`).problem(t, 422); len(names) != 1 || names[0] != "key" {
		t.Errorf("a key that is there: %q", names)
	}
}

// A key stands in a path as one part, however it is escaped.
func TestKeysInPaths(t *testing.T) {
	t.Parallel()
	a := startEvery(t)
	for _, key := range []string{"summary", "a/b", "100%", "%2F", "..", ".", "a b+c", "ä", "?", "a#b", ";,:@&=+$", "%73ummary", "a\u2028b"} {
		body, err := json.Marshal(map[string]string{"key": key})
		if err != nil {
			t.Fatal(err)
		}
		r := a.write("POST", "/v1/every", string(body))
		at := r.Header.Get("Location")
		for _, path := range []string{at, strings.TrimPrefix(at, "/v1"), "/v1/every/" + everyByte(key)} {
			if got := a.get(path); got.StatusCode != 200 {
				t.Errorf("%q at %s: %d", key, path, got.StatusCode)
			}
		}
		if got := a.write("DELETE", at, ""); got.StatusCode != 204 {
			t.Errorf("DELETE %s: %d %s", at, got.StatusCode, got.body)
		}
	}
	for _, path := range []string{"/v1/every/a/b", "/every/a/b", "/v1/every/%00", "/v1/every/%ff"} {
		if got := a.get(path); got.StatusCode != 404 {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
}

// everyByte escapes each byte of a text.
func everyByte(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

// The list's own address leads to that of the site.
func TestHomeHasOneAddress(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.http.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := a.get("/properties?city=FOLSOM")
	if r.StatusCode != http.StatusFound || r.Header.Get("Location") != "/?city=FOLSOM" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	if page := a.get("/?city=FOLSOM&utm_source=x"); !strings.Contains(page.body, `<link rel="canonical" href="/?city=FOLSOM">`) {
		t.Errorf("the page lacks its address: %.800s", page.body)
	}
}

// other returns the site that ships with another list: without the column of the city.
func other(t *testing.T) *listing.Site {
	t.Helper()
	d, err := description.Decode(listingtest.Site().Description.Encode())
	if err != nil {
		t.Fatal(err)
	}
	p := &d.Tables[0]
	p.Name = "homes"
	d.Site.Home = "homes"
	return listing.NewSite(d)
}

// A site is exchanged while it is read: every request gets the answer of the one or the other.
func TestSitesAreExchanged(t *testing.T) {
	t.Parallel()
	first, second := listingtest.Site(), other(t)
	a := start(t, func(o *serve.Options) {
		o.Reads = reads(func(_ context.Context, r readthrough.Request) (readthrough.Answer, error) {
			return readthrough.Answer{Status: 200, Body: r.Query.String() + " of " + r.Query.Table.Site.Identity, ETag: "x"}, nil
		})
	})
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for name, site := range map[string]*listing.Site{"properties": first, "homes": second} {
					r := a.get("/v1/" + name)
					if r.StatusCode != 404 && (r.StatusCode != 200 || r.body != name+" of "+site.Identity) {
						t.Errorf("/v1/%s: %d %s", name, r.StatusCode, r.body)
					}
				}
				if r := a.get("/"); r.StatusCode != 200 || r.body != "properties of "+first.Identity && r.body != "homes of "+second.Identity {
					t.Errorf("/: %d %s", r.StatusCode, r.body)
				}
			}
		})
	}
	for i := range 20 {
		a.server.SetSite([]*listing.Site{second, first}[i%2])
		a.get("/openapi.json")
	}
	close(done)
	readers.Wait()
}

// What the process keeps of a site is not served once another one is, not even where a fill
// of the former ends later.
func TestNothingIsKeptOfAnotherSite(t *testing.T) {
	t.Parallel()
	held, release := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	a := start(t, func(o *serve.Options) {
		o.L1MaxBytes, o.L1Life = 1<<20, time.Hour
		o.Reads = reads(func(_ context.Context, r readthrough.Request) (readthrough.Answer, error) {
			if hold.CompareAndSwap(true, false) {
				close(held)
				<-release
			}
			return readthrough.Answer{
				Status: 200, Body: r.Query.Table.Site.Identity, CacheStatus: "freshlist-view; hit", Until: time.Now().Add(time.Hour), Origin: new(readthrough.Origin),
			}, nil
		})
	})
	a.server.PurgeSubscriber().Connected(true)
	first, second := listingtest.Site(), other(t)
	a.get("/")
	if r := a.get("/"); !strings.HasPrefix(r.Header.Get("Cache-Status"), "freshlist-l1; hit") {
		t.Fatalf("no hit: %v", r.Header)
	}
	hold.Store(true)
	slow := make(chan answer)
	go func() { slow <- a.get("/?limit=7") }()
	<-held
	a.server.SetSite(second)
	if r := a.get("/"); r.body != second.Identity {
		t.Errorf("kept of the other site: %s %v", r.body, r.Header)
	}
	close(release)
	if r := <-slow; r.body != first.Identity {
		t.Errorf("a request that had begun: %s", r.body)
	}
	for range 2 {
		if r := a.get("/?limit=7"); r.body != second.Identity {
			t.Errorf("kept by a fill of the other site: %s %v", r.body, r.Header)
		}
	}
	if got := a.server.Site(); got != second {
		t.Errorf("serving %s", got.Identity)
	}
}

// A server that does not know yet what is listed says so, and learns it.
func TestSiteThatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	known := make(chan struct{})
	a := start(t, func(o *serve.Options) {
		o.Site = nil
		o.Describe = func(context.Context) (*description.Description, error) {
			select {
			case <-known:
				return listingtest.Site().Description, nil
			default:
				return nil, database.ErrUnavailable
			}
		}
	})
	for _, target := range []string{"/", "/v1/properties", "/properties/17"} {
		if r := a.get(target); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", target, r.StatusCode, r.body)
		}
	}
	if r := a.get("/", "Accept: text/html"); r.StatusCode != 503 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("for people: %d %v", r.StatusCode, r.Header)
	}
	if r := a.get("/healthz"); r.StatusCode != 200 {
		t.Errorf("/healthz: %d", r.StatusCode)
	}
	close(known)
	await(t, func() bool { return a.get("/v1/properties/17").StatusCode == 200 })
}

// await waits for something to become so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); {
		if time.Now().After(end) {
			t.Fatal("it did not become so")
		}
		time.Sleep(time.Millisecond)
	}
}

// A read whose table has changed with the description is answered by the new one: no reader
// sees an error.
func TestReadAcrossAnotherDescription(t *testing.T) {
	t.Parallel()
	second := other(t)
	var installed atomic.Bool
	a := start(t, func(o *serve.Options) {
		o.Describe = func(context.Context) (*description.Description, error) {
			if installed.Load() {
				return second.Description, nil
			}
			return listingtest.Site().Description, nil
		}
		o.Reads = reads(func(_ context.Context, r readthrough.Request) (readthrough.Answer, error) {
			if r.Query.Table.Name == "properties" {
				return readthrough.Answer{}, &database.MisfitError{Table: r.Query.Table, Columns: []string{"city"}}
			}
			return readthrough.Answer{Status: 200, Body: r.Query.String(), ETag: "x"}, nil
		})
	})
	if r := a.get("/"); r.StatusCode != 503 {
		t.Errorf("a table that does not fit: %d %s", r.StatusCode, r.body)
	}
	installed.Store(true)
	if r := a.get("/"); r.StatusCode != 200 || r.body != "homes" {
		t.Errorf("after another description: %d %s", r.StatusCode, r.body)
	}
}

// A sign of another description has it read once, not once for each sign.
func TestSignsOfAnotherDescription(t *testing.T) {
	t.Parallel()
	second := other(t)
	var asked atomic.Int64
	a := start(t, func(o *serve.Options) {
		o.Describe = func(context.Context) (*description.Description, error) {
			asked.Add(1)
			return second.Description, nil
		}
	})
	for range 100 {
		a.server.OtherDescription()
	}
	await(t, func() bool { return a.server.Site().Identity == second.Identity })
	if n := asked.Load(); n > 50 {
		t.Errorf("%d times asked", n)
	}
	if r := a.get("/v1/homes/17"); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}
