package serve_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A running API can be asked as well, and more often:
//
//	go test ./internal/serve -run RandomRequests -requests 10000 -target http://127.0.0.1:8080 -token "$WRITE_TOKEN"
//
// It creates, changes and deletes rows there.
var (
	requests = flag.Int("requests", 600, "how many random requests are made from the OpenAPI document")
	target   = flag.String("target", "", "the address of an API to ask, instead of one of the test's own")
	bearer   = flag.String("token", token, "its write token")
)

// Whatever is asked for that the document describes, or nearly does, is answered as it says, and
// nothing fails.
func TestRandomRequests(t *testing.T) {
	t.Parallel()
	a := &api{t: t}
	if *target == "" {
		a = start(t)
	} else {
		to, err := url.Parse(*target)
		if err != nil {
			t.Fatal(err)
		}
		a.http = httptest.NewServer(httputil.NewSingleHostReverseProxy(to))
		t.Cleanup(a.http.Close)
	}
	d := readDocument(t, []byte(a.get("/openapi.json").body))
	d.lenient = true
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	maker := requestMaker{document: d, random: rand.New(rand.NewPCG(seed, 0))}
	operations := d.operations()
	statuses := map[int]int{}
	for range *requests {
		o := operations[maker.random.IntN(len(operations))]
		r := maker.request(o)
		answer := a.request(o.method, r.target, r.body, r.headers...)
		statuses[answer.StatusCode]++
		if answer.StatusCode >= 500 {
			t.Errorf("%s %s: %d %s", o.method, r.target, answer.StatusCode, answer.body)
		}
		d.check(o.template, answer)
		if t.Failed() {
			t.Fatalf("the request: %+v", r)
		}
	}
	t.Logf("answers by status: %v", statuses)
}

// operation is a method of a path of the document.
type operation struct {
	template, method string
	parameters       []map[string]any
}

// operations returns all of the document's, in one order.
func (d *document) operations() (all []operation) {
	for _, template := range slices.Sorted(maps.Keys(d.object("paths"))) {
		item := d.object("paths", template)
		for _, method := range slices.Sorted(maps.Keys(item)) {
			if method == "parameters" {
				continue
			}
			o := operation{template: template, method: strings.ToUpper(method)}
			own, _ := item[method].(map[string]any)["parameters"].([]any)
			shared, _ := item["parameters"].([]any)
			for _, p := range append(slices.Clone(shared), own...) {
				o.parameters = append(o.parameters, d.resolve(p))
			}
			all = append(all, o)
		}
	}
	return all
}

// resolve returns an object of the document, or what it refers to.
func (d *document) resolve(v any) map[string]any {
	object, _ := v.(map[string]any)
	if ref, ok := object["$ref"].(string); ok {
		return d.object(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return object
}

// madeRequest is what requestMaker makes.
type madeRequest struct {
	target, body string
	headers      []string
}

// requestMaker makes requests of operations, some of them not quite right.
type requestMaker struct {
	*document
	random *rand.Rand
}

func (m *requestMaker) oneIn(n int) bool { return m.random.IntN(n) == 0 }

func (m *requestMaker) request(o operation) (made madeRequest) {
	path, query := o.template, []string{}
	for _, p := range o.parameters {
		name, schema := p["name"].(string), m.resolve(p["schema"])
		switch in := p["in"]; {
		case in == "path":
			value := m.text(schema)
			if value == "" {
				value = "0" // or it would be another address
			}
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
		case !m.oneIn(1 + len(o.parameters)/2):
		case in == "query":
			query = append(query, url.QueryEscape(name)+"="+url.QueryEscape(m.text(schema)))
		case in == "header":
			made.headers = append(made.headers, name+": "+m.header(name, schema))
		}
	}
	if m.oneIn(20) {
		query = append(query, "unheard_of=1")
	}
	if made.target = path; len(query) > 0 {
		made.target += "?" + strings.Join(query, "&")
	}
	if o.method != "GET" && !m.oneIn(10) {
		made.headers = append(made.headers, "Authorization: Bearer "+*bearer)
	}
	content := m.object("paths", o.template, strings.ToLower(o.method), "requestBody", "content")
	if len(content) == 0 {
		return made
	}
	media := slices.Sorted(maps.Keys(content))[m.random.IntN(len(content))]
	body, _ := json.Marshal(m.value(m.resolve(content[media].(map[string]any)["schema"])))
	if m.oneIn(20) {
		media = "text/plain"
	}
	made.headers = append(made.headers, "Content-Type: "+media)
	if made.body = string(body); m.oneIn(20) {
		made.body = made.body[:m.random.IntN(len(made.body))]
	}
	return made
}

// odd are texts that have broken parsers before.
var odd = []string{"0", "-1", "1e400", "9223372036854775808", "NaN", "x", "ä", "\xff", "a\x00b", "'", "1,2", "", "true", "null", strings.Repeat("9", 200)}

// text spells a value as a parameter.
func (m *requestMaker) text(schema map[string]any) string {
	if m.oneIn(15) {
		return odd[m.random.IntN(len(odd))]
	}
	switch v := m.value(schema).(type) {
	case string:
		return v
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = fmt.Sprint(v[i])
		}
		return strings.Join(items, ",")
	default:
		text, _ := json.Marshal(v)
		return string(text)
	}
}

// header makes the value of a header: what the schema says in a pattern or in words.
func (m *requestMaker) header(name string, schema map[string]any) string {
	values := map[string][]string{
		"If-None-Match": {`"x"`, "*", `W/"y", "z"`, ""}, "If-Match": {`"x"`, "*", "x"}, "Accept-Encoding": {"gzip", "identity", "gzip;q=0, *"},
		"Cache-Control": {"no-cache", "max-age=0"}, "Consistency-Token": {"3", "9000000000000000000", "x"},
		"X-Request-Id": {"a-b.c:1", "a b"}, "Idempotency-Key": {"k-1", `"k-2"`, strconv.Itoa(m.random.Int()), "two words"},
	}[name]
	if values == nil {
		return "x"
	}
	return values[m.random.IntN(len(values))]
}

// value makes a value that a schema allows, or nearly.
func (m *requestMaker) value(schema map[string]any) any {
	kind := m.kind(schema["type"])
	if list, ok := schema["enum"].([]any); ok {
		return list[m.random.IntN(len(list))]
	}
	switch kind {
	case "null":
		return nil
	case "boolean":
		return m.oneIn(2)
	case "integer":
		return m.number(schema)
	case "number":
		return float64(m.number(schema)) + float64(m.random.IntN(4))/4
	case "array":
		list := []any{}
		for range max(integer(schema["minItems"], 0), m.random.IntN(4)) {
			list = append(list, m.value(m.resolve(schema["items"])))
		}
		return list
	case "object":
		return m.members(schema)
	}
	return m.word(schema)
}

// kind chooses one of the types of a schema.
func (m *requestMaker) kind(of any) string {
	switch of := of.(type) {
	case string:
		return of
	case []any:
		return of[m.random.IntN(len(of))].(string)
	}
	return ""
}

// number makes a whole number, mostly a small one.
func (m *requestMaker) number(schema map[string]any) int64 {
	least, most := int64(integer(schema["minimum"], 1)), int64(integer(schema["maximum"], 1<<31-1))
	if !m.oneIn(8) {
		most = min(most, max(least, 0)+70)
	}
	return least + m.random.Int64N(max(1, most-least))
}

func integer(v any, otherwise int) int {
	number, ok := v.(json.Number)
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseFloat(string(number), 64)
	if err != nil {
		return otherwise
	}
	return int(n)
}

func (m *requestMaker) word(schema map[string]any) string {
	switch schema["format"] {
	case "date":
		return "2024-02-29"
	case "date-time":
		return "2024-02-29T12:00:00Z"
	case "uuid":
		return "123e4567-e89b-12d3-a456-426614174000"
	}
	words := []string{"FOLSOM", "Condo", "A quiet street", "\"", "\\", "🏡", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>", strings.Repeat("long ", 30)}
	return words[m.random.IntN(len(words))]
}

// members makes an object: what must be there, mostly, and some of what may.
func (m *requestMaker) members(schema map[string]any) map[string]any {
	made := map[string]any{}
	required, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		must := slices.Contains(required, any(name))
		if must && !m.oneIn(30) || !must && m.oneIn(3) {
			made[name] = m.value(m.resolve(properties[name]))
		}
	}
	if m.oneIn(30) {
		made["unheard of"] = 1
	}
	return made
}
