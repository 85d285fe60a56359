package serve_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/freshlist/freshlist/internal/serve"
)

const house = `{"title": "A house", "property_type": "Residential", "price": 350000.50, "city": "FOLSOM"}`

func TestCreate(t *testing.T) {
	t.Parallel()
	a := start(t)
	r := a.write("POST", "/v1/properties", `{"title": "Ünique \"house\"", "description": "x", "property_type": "Condo", "status": "pending",
		"price": 1e5, "city": "FOLSOM", "postal_code": "95630", "bedrooms": 3, "bathrooms": 2.5, "living_area": 1500,
		"latitude": 38.5, "longitude": -121.25}`)
	var p map[string]any
	r.as(t, &p)
	if r.StatusCode != http.StatusCreated {
		t.Errorf("status %d, want 201", r.StatusCode)
	}
	want := map[string]any{
		"title": "Ünique \"house\"", "description": "x", "property_type": "Condo", "status": "pending", "price": 100000.0,
		"city": "FOLSOM", "postal_code": "95630", "bedrooms": 3.0, "bathrooms": 2.5, "living_area": 1500.0,
		"latitude": 38.5, "longitude": -121.25,
	}
	for name, value := range want {
		if p[name] != value {
			t.Errorf("%s is %v, want %v", name, p[name], value)
		}
	}
	if p["created_at"] != p["updated_at"] || p["created_at"] == nil {
		t.Errorf("created_at %v, updated_at %v, want equal times", p["created_at"], p["updated_at"])
	}
	location := r.Header.Get("Location")
	if want := fmt.Sprintf("/v1/properties/%v", p["id"]); location != want {
		t.Errorf("Location %q, want %q", location, want)
	}
	read := a.get(location, "Consistency-Token: "+consistencyToken(t, r))
	if read.body != r.body || read.Header.Get("ETag") != r.Header.Get("ETag") {
		t.Errorf("a read shows another property or tag than the write:\n%s%s", read.body, r.body)
	}
	a.write("POST", "/v1/properties", house).as(t, &p)
	for name, value := range map[string]any{"description": "", "status": "for_sale", "bedrooms": nil, "postal_code": nil, "price": 350000.5} {
		if p[name] != value {
			t.Errorf("by default %s is %v, want %v", name, p[name], value)
		}
	}
}

// consistencyToken returns the transaction of a write.
func consistencyToken(t *testing.T, r answer) string {
	t.Helper()
	token := r.Header.Get("Consistency-Token")
	if xid, err := strconv.ParseUint(token, 10, 64); err != nil || xid < 3 {
		t.Errorf("Consistency-Token %q, want a transaction id", token)
	}
	return token
}

// The token is the id of the transaction that wrote the row.
func TestTokenIsTheTransaction(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, r := range []answer{
		a.write("POST", "/v1/properties", house),
		a.write("PATCH", "/v1/properties/17", `{"bedrooms": 9}`),
	} {
		var p struct {
			ID int64 `json:"id"`
		}
		r.as(t, &p)
		var xmin string
		err := a.database.QueryRow(t.Context(), `select p.xmin::text from properties p where id = $1`, p.ID).Scan(&xmin)
		if token := consistencyToken(t, r); err != nil || xmin != token {
			t.Errorf("token %s, but the row is of transaction %s (%v)", token, xmin, err)
		}
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	a := start(t)
	var before, after map[string]any
	a.get("/v1/properties/17").as(t, &before)
	r := a.request("PATCH", "/v1/properties/17", `{"price": 1.5, "postal_code": null, "bathrooms": 0}`,
		"Authorization: Bearer "+token, "Content-Type: application/merge-patch+json; charset=utf-8")
	r.as(t, &after)
	for name, was := range before {
		want := was
		switch name {
		case "price":
			want = 1.5
		case "postal_code":
			want = nil
		case "bathrooms":
			want = 0.0
		case "updated_at":
			if after[name] == was {
				t.Errorf("updated_at is still %v", was)
			}
			continue
		}
		if after[name] != want {
			t.Errorf("%s is %v, want %v", name, after[name], want)
		}
	}
	if read := a.get("/v1/properties/17"); read.body != r.body {
		t.Errorf("a read shows another property:\n%s%s", read.body, r.body)
	}
	for _, same := range []string{`{}`, `{"price": 1.50}`, `{"price": 1.5000000000}`, `{"price": 15e-1, "bathrooms": 0e500}`, `{"price": 0.015E+2}`, `{"postal_code": null}`} {
		if again := a.write("PATCH", "/v1/properties/17", same); again.StatusCode != 200 || again.body != r.body {
			t.Errorf("a patch to the same, %s: %d %s", same, again.StatusCode, again.body)
		}
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	a := start(t)
	r := a.request("DELETE", "/v1/properties/17", "", "Authorization: Bearer "+token)
	if r.StatusCode != http.StatusNoContent || r.body != "" {
		t.Errorf("%d %q, want 204", r.StatusCode, r.body)
	}
	consistencyToken(t, r)
	a.get("/v1/properties/17").problem(t, 404)
	a.write("DELETE", "/v1/properties/17", "").problem(t, 404)
	a.write("PATCH", "/v1/properties/17", "{}").problem(t, 404)
	for _, id := range []string{"0", "-1", "x", "1e3", "9223372036854775808"} {
		a.write("DELETE", "/v1/properties/"+id, "").problem(t, 404)
		a.write("PATCH", "/v1/properties/"+id, "{}").problem(t, 404)
	}
}

func TestWhoMayWrite(t *testing.T) {
	t.Parallel()
	a := start(t)
	writes := []struct{ method, target string }{
		{"POST", "/v1/properties"}, {"PATCH", "/v1/properties/17"}, {"DELETE", "/v1/properties/17"},
	}
	for _, w := range writes {
		for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + token + "x", "Basic " + token, token} {
			r := a.request(w.method, w.target, house, "Content-Type: application/json", "Authorization: "+authorization)
			r.problem(t, 401)
			if got := r.Header.Get("WWW-Authenticate"); got != "Bearer" {
				t.Errorf("%s: WWW-Authenticate %q, want Bearer", w.method, got)
			}
		}
	}
	closed := start(t, func(o *serve.Options) { o.WriteToken = "" })
	for _, w := range writes {
		for _, authorization := range []string{"", "Bearer ", "Bearer " + token} {
			closed.request(w.method, w.target, house, "Content-Type: application/json", "Authorization: "+authorization).problem(t, 403)
		}
	}
}

func TestBodyThatIsNoDraft(t *testing.T) {
	t.Parallel()
	a := start(t)
	for body, status := range map[string]int{
		"":                                  400,
		"{":                                 400,
		"null":                              400,
		"[]":                                400,
		`"x"`:                               400,
		`{"title": "x"} {}`:                 400,
		"{\"title\": \"\xff\"}":             400,
		strings.Repeat("[", 20_000):         400,
		strings.Repeat(" ", 64<<10) + house: 413,
		`{"title": "` + strings.Repeat("x", 64<<10) + `"}`: 413,
	} {
		a.write("POST", "/v1/properties", body).problem(t, status)
		a.write("PATCH", "/v1/properties/17", body).problem(t, status)
	}
	for _, headers := range [][]string{
		{},
		{"Content-Type: text/plain"},
		{"Content-Type: application/x-www-form-urlencoded"},
		{"Content-Type: application/merge-patch+json"},
		{"Content-Type: application/json", "Content-Encoding: gzip"},
		{"Content-Type: application/json; charset"},
	} {
		r := a.request("POST", "/v1/properties", house, append(headers, "Authorization: Bearer "+token)...)
		r.problem(t, 415)
		if got := r.Header.Get("Accept-Post"); got != "application/json" {
			t.Errorf("%q: Accept-Post %q", headers, got)
		}
	}
	r := a.request("PATCH", "/v1/properties/17", "{}", "Authorization: Bearer "+token, "Content-Type: application/json-patch+json")
	r.problem(t, 415)
	if got := r.Header.Get("Accept-Patch"); got != "application/merge-patch+json, application/json" {
		t.Errorf("Accept-Patch %q", got)
	}
}

// Each rule of the table, broken alone: 422, and errors names the column.
func TestBrokenRules(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, member := range []string{
		`"title": null`, `"title": ""`, `"city": " "`, `"property_type": "\t"`, `"title": "x\ud800"`, `"city": "\udc00\ud800"`,
		`"description": "\uD83D\u0041"`, `"title": "a", "title": "b"`, `"bedrooms": 1, "bedrooms": 1`, `"colour": 1, "colour": 2`,
		`"title": 5`, `"title": "a\u0000b"`, `"title": ["x"]`,
		`"description": null`, `"property_type": null`, `"city": null`, `"city": {}`,
		`"status": null`, `"status": "SOLD"`, `"status": 1`,
		`"price": null`, `"price": "5"`, `"price": -1`, `"price": 1.005`, `"price": 1000000000000`, `"price": 1e99999999`,
		`"postal_code": 95630`,
		`"bedrooms": -1`, `"bedrooms": 2.5`, `"bedrooms": 32768`, `"bedrooms": true`,
		`"bathrooms": 2.25`, `"bathrooms": 100`, `"bathrooms": "2"`,
		`"living_area": 0`, `"living_area": 2147483648`, `"living_area": 0.5`,
		`"latitude": 90.1`, `"latitude": "38"`, `"longitude": -180.5`, `"longitude": 1e400`,
		`"id": 5`, `"created_at": "2020-01-01T00:00:00Z"`, `"updated_at": null`,
		`"colour": "red"`, `"Title": "x"`, `"": 1`,
	} {
		quoted, _, _ := strings.Cut(member, ":")
		want := strings.Trim(quoted, `"`)
		bodies := map[string]string{"PATCH": "{" + member + "}", "POST": withMember(member, want)}
		for method, body := range bodies {
			target := "/v1/properties"
			if method == "PATCH" {
				target += "/17"
			}
			if names := a.write(method, target, body).problem(t, 422); !slices.Equal(names, []string{want}) {
				t.Errorf("%s %s: errors %q, want %q", method, member, names, want)
			}
		}
	}
	all := a.write("POST", "/v1/properties", `{"price": -1, "bedrooms": "x", "id": 1, "colour": "red"}`).problem(t, 422)
	slices.Sort(all)
	if want := []string{"bedrooms", "city", "colour", "id", "price", "property_type", "title"}; !slices.Equal(all, want) {
		t.Errorf("errors %q, want %q", all, want)
	}
}

// withMember is a good body, but for a member.
func withMember(member, name string) string {
	var others map[string]any
	if err := json.Unmarshal([]byte(house), &others); err != nil {
		panic(err)
	}
	delete(others, name)
	rest, err := json.Marshal(others)
	if err != nil {
		panic(err)
	}
	return strings.TrimSuffix(string(rest), "}") + "," + member + "}"
}

// What is escaped as a pair is a character; a backslash before a u may be one itself.
func TestEscapesInBodies(t *testing.T) {
	t.Parallel()
	a := start(t)
	for sent, want := range map[string]string{
		`\ud83c\udfe0 x`: "🏠 x", `\\ud800`: `\ud800`, `\u00e4\\\"`: `ä\"`, `\ud83c\udfe0\ud83c\udfe0`: "🏠🏠",
	} {
		var p map[string]any
		a.write("PATCH", "/v1/properties/17", `{"title": "`+sent+`"}`).as(t, &p)
		if p["title"] != want {
			t.Errorf("%s is stored as %q, want %q", sent, p["title"], want)
		}
	}
}

// A value with a comma, or a backslash, is found by its spelling in a list, and in the summary's.
func TestCommasInValues(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(`update properties set city = case id when 1 then 'Washington, D.C.' when 2 then 'a\,b' when 3 then 'C:\x' when 4 then 'Washington' else city end`)
	for query, want := range map[string][]float64{
		`Washington\, D.C.`:              {1},
		`Washington, D.C.`:               {4},
		`Washington\, D.C.,Washington`:   {1, 4},
		`a\\\,b`:                         {2},
		`C:\x`:                           {3},
		`C:\\x,a\\\,b,Washington\, D.C.`: {1, 2, 3},
		`\,`:                             nil,
	} {
		var page list
		r := a.get("/v1/properties?sort=price&city=" + url.QueryEscape(query))
		r.as(t, &page)
		var ids []float64
		for _, item := range page.Items {
			ids = append(ids, item["id"].(float64))
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", query, ids, want)
		}
	}
	page := a.get("/?city=" + url.QueryEscape(`Washington\, D.C.`))
	if !strings.Contains(page.body, `value="Washington\, D.C."`) {
		t.Errorf("the page's form has another spelling: %s", page.body)
	}
}

// A trigger that returns NULL takes a change back without an error. The answer says so.
func TestTriggerThatRefuses(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(`create function refuse() returns trigger language plpgsql as $$begin return null; end$$;
		create trigger refuse before insert or update or delete on properties for each row execute function refuse()`)
	for _, r := range []answer{
		a.write("POST", "/v1/properties", house),
		a.write("PATCH", "/v1/properties/17", `{"price": 7}`),
		a.write("DELETE", "/v1/properties/17", ""),
	} {
		if r.problem(t, 422); !strings.Contains(r.body, "refused") {
			t.Errorf("%s: %s", r.Request.Method, r.body)
		}
	}
	a.write("PATCH", "/v1/properties/4711", `{"price": 7}`).problem(t, 404)
	a.write("DELETE", "/v1/properties/4711", "").problem(t, 404)
	if r := a.get("/v1/properties/17"); r.StatusCode != 200 {
		t.Errorf("the row: %d", r.StatusCode)
	}
}

// Writes have no parameters.
func TestWritesHaveNoParameters(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, r := range []answer{
		a.write("POST", "/v1/properties?dry_run=1", house),
		a.write("PATCH", "/v1/properties/17?dry_run=1", `{"price": 7}`),
		a.write("DELETE", "/v1/properties/17?dry_run=1", ""),
	} {
		if names := r.problem(t, 400); !slices.Equal(names, []string{"dry_run"}) {
			t.Errorf("%s: errors %q", r.Request.Method, names)
		}
	}
}

// A rule that only the table knows is reported by its name.
func TestRulesOfTheTableAlone(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(`alter table properties add constraint properties_city_listed check (city <> 'ATLANTIS')`)
	a.exec(`create unique index properties_title_once on properties (title) where title like 'once%'`)
	if names := a.write("PATCH", "/v1/properties/17", `{"city": "ATLANTIS"}`).problem(t, 422); !slices.Equal(names, []string{"city"}) {
		t.Errorf("a check: errors %q, want city", names)
	}
	a.write("PATCH", "/v1/properties/17", `{"title": "once"}`)
	if names := a.write("PATCH", "/v1/properties/18", `{"title": "once"}`).problem(t, 422); !slices.Equal(names, []string{"title"}) {
		t.Errorf("a unique index: errors %q, want title", names)
	}
	a.exec(`delete from properties where bedrooms is null`)
	a.exec(`alter table properties alter column bedrooms set not null`)
	if names := a.write("POST", "/v1/properties", house).problem(t, 422); !slices.Equal(names, []string{"bedrooms"}) {
		t.Errorf("not null: errors %q, want bedrooms", names)
	}
	a.exec(`create table visits (property bigint references properties)`)
	a.exec(`insert into visits values (18)`)
	if names := a.write("DELETE", "/v1/properties/18", "").problem(t, 422); !slices.Equal(names, []string{"id"}) {
		t.Errorf("a foreign key of another table: errors %q, want id", names)
	}
	a.exec(`create table cities (name text primary key); insert into cities select distinct city from properties;
		alter table properties add constraint properties_city_known foreign key (city) references cities`)
	if names := a.write("PATCH", "/v1/properties/18", `{"city": "Nowhere"}`).problem(t, 422); !slices.Equal(names, []string{"city"}) {
		t.Errorf("a foreign key: errors %q, want city", names)
	}
	a.exec(`create unique index properties_label on properties (lower(title), price)`)
	a.write("PATCH", "/v1/properties/18", `{"title": "same", "price": 5}`)
	if names := a.write("PATCH", "/v1/properties/19", `{"title": "SAME", "price": 5}`).problem(t, 422); !slices.Equal(names, []string{"title", "price"}) {
		t.Errorf("a unique index of an expression: errors %q, want title and price", names)
	}
	a.exec(`create function refuse() returns trigger language plpgsql as $$begin raise exception 'secret'; end$$;
		create trigger refuse before update on properties for each row execute function refuse()`)
	if r := a.write("PATCH", "/v1/properties/18", `{"price": 7}`); r.StatusCode != 422 || strings.Contains(r.body, "secret") {
		t.Errorf("a trigger's refusal: %d %s, want 422 without its text", r.StatusCode, r.body)
	}
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	a := start(t)
	tag := a.get("/v1/properties/17").Header.Get("ETag")
	packed := strings.TrimSuffix(tag, `"`) + `-gzip"`
	bare := strings.Trim(tag, `"`)
	for match, status := range map[string]int{
		tag: 200, packed: 200, "*": 200, `"x", ` + tag: 200, `, "x",, ` + tag + " ,": 200, `"a,b",` + tag: 200,
		// What compressing proxies make of the tag: nginx, HAProxy and CDNs weaken it, Apache and Caddy add to it.
		"W/" + tag: 200, "W/" + packed: 200, `"` + bare + `-br"`: 200, `W/"` + bare + `-zstd"`: 200, `"` + bare + `--gzip"`: 200,
		`"x"`: 412, `W/"x"`: 412, `"` + bare + `-x"`: 412, `"-gzip"`: 412, `""`: 412, `"` + bare[1:] + `"`: 412,
		"": 400, ",": 400, bare: 400, tag + " x": 400, tag + tag: 400, `"` + bare: 400, bare + `"`: 400, "w/" + tag: 400, "W/" + bare: 400,
		"*, " + tag: 400, "'" + bare + "'": 400, `"a b"`: 400,
	} {
		for method, body := range map[string]string{"PATCH": "{}", "DELETE": ""} {
			if method == "DELETE" && status == 200 {
				continue
			}
			r := a.write(method, "/v1/properties/17", body, "If-Match: "+match)
			if r.StatusCode != status {
				t.Errorf("%s, If-Match %s: %d, want %d", method, match, r.StatusCode, status)
			}
			if status == 400 && !slices.Equal(r.problem(t, 400), []string{"If-Match"}) {
				t.Errorf("If-Match %s: %s, want its name", match, r.body)
			}
		}
	}
	for match, status := range map[string]int{
		"*": 412, tag: 412, "W/" + tag: 412, packed: 412, `"x"`: 200, bare: 400, "": 400,
	} {
		if r := a.write("PATCH", "/v1/properties/17", "{}", "If-None-Match: "+match); r.StatusCode != status {
			t.Errorf("If-None-Match %s: %d, want %d", match, r.StatusCode, status)
		}
	}
	a.write("PATCH", "/v1/properties/4711", "{}", "If-None-Match: *").problem(t, 404)
	a.write("DELETE", "/v1/properties/17", "", "If-None-Match: *").problem(t, 412)
	changed := a.write("PATCH", "/v1/properties/17", `{"price": 5}`, "If-Match: "+tag)
	if changed.StatusCode != 200 || changed.Header.Get("ETag") == tag {
		t.Fatalf("%d with tag %s, want 200 and another tag", changed.StatusCode, changed.Header.Get("ETag"))
	}
	a.write("PATCH", "/v1/properties/17", `{"price": 6}`, "If-Match: "+tag).problem(t, 412)
	a.write("DELETE", "/v1/properties/17", "", "If-Match: "+tag).problem(t, 412)
	if r := a.write("DELETE", "/v1/properties/17", "", "If-Match: "+changed.Header.Get("ETag")); r.StatusCode != 204 {
		t.Errorf("DELETE with the present tag: %d, want 204", r.StatusCode)
	}
	a.write("DELETE", "/v1/properties/17", "", "If-Match: *").problem(t, 404)
}

// Of many writers that have seen the same state one wins: the precondition is
// checked under the row's lock.
func TestIfMatchUnderContention(t *testing.T) {
	t.Parallel()
	a := start(t)
	tag := a.get("/v1/properties/17").Header.Get("ETag")
	statuses := make([]int, 16)
	var writers sync.WaitGroup
	for i := range statuses {
		writers.Go(func() {
			statuses[i] = a.write("PATCH", "/v1/properties/17", fmt.Sprintf(`{"price": %d}`, i), "If-Match: "+tag).StatusCode
		})
	}
	writers.Wait()
	slices.Sort(statuses)
	if statuses[0] != 200 || statuses[1] != 412 || statuses[15] != 412 {
		t.Errorf("statuses %v, want one 200 and else 412", statuses)
	}
}
