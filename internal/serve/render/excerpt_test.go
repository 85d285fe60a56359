package render_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// An excerpt of a page or a row has, of each row, the wanted members as they were rendered and in
// their order, whatever is in them; and the page's links lead to excerpts.
func TestExcerpts(t *testing.T) {
	t.Parallel()
	for _, site := range sites() {
		for _, s := range render.Samples(site) {
			q := s.Queryset.Query
			status, body := render.Body(render.JSON, s.Queryset)
			if q.Kind == listing.SummaryKind || status != 200 {
				continue
			}
			whole := rows(t, q.Kind, body)
			for keep, wanted := range [][]string{q.Table.Members(q.Kind)[:1], everySecond(q.Table.Members(q.Kind))} {
				n := int64(keep)
				e := render.Excerpt{Fields: wanted, Count: &n}
				made, err := e.OfPage(string(body))
				if q.Kind == listing.RowKind {
					made, err = e.OfRow(string(body))
				}
				if err != nil {
					t.Fatalf("%s: %v", s.Name, err)
				}
				for i, row := range rows(t, q.Kind, made) {
					if got := members(t, row); !slices.Equal(got, wanted) {
						t.Errorf("%s: %q, want %q", s.Name, got, wanted)
					}
					var part, all map[string]json.RawMessage
					decode(t, row, &part)
					decode(t, whole[i], &all)
					for name, value := range part {
						if string(value) != string(all[name]) {
							t.Errorf("%s: %s is %s, want %s", s.Name, name, value, all[name])
						}
					}
				}
				if q.Kind == listing.PageKind {
					checkLinks(t, s.Name, e, string(body), string(made))
				}
			}
			if again, err := (render.Excerpt{}).OfPage(string(body)); q.Kind == listing.PageKind && (err != nil || string(again) != string(body)) {
				t.Errorf("%s: nothing wanted makes %s of %s (%v)", s.Name, again, body, err)
			}
		}
	}
}

// checkLinks compares the links of an excerpt with those of the whole page.
func checkLinks(t *testing.T, name string, e render.Excerpt, whole, made string) {
	t.Helper()
	next, prev := render.Links(whole)
	gotNext, gotPrev := render.Links(made)
	if gotNext != e.Address(next) || gotPrev != e.Address(prev) {
		t.Errorf("%s: links to %q and %q, of the whole to %q and %q", name, gotNext, gotPrev, next, prev)
	}
	if next != "" && !strings.HasSuffix(gotNext, "&"+e.Query()) {
		t.Errorf("%s: %s does not ask for %s", name, gotNext, e.Query())
	}
}

func TestExcerptAddress(t *testing.T) {
	t.Parallel()
	n := int64(3)
	e := render.Excerpt{Fields: listing.Fields{"a,b", "c d"}, Count: &n}
	for address, want := range map[string]string{
		"": "", "/v1/x": `/v1/x?fields=a%5C%2Cb,c+d&count=true`, "/v1/x?y=1": `/v1/x?y=1&fields=a%5C%2Cb,c+d&count=true`,
	} {
		if got := e.Address(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	for _, s := range render.Samples(sites()[0]) {
		if s.Queryset.Query.Kind == listing.SummaryKind {
			_, body := render.Body(render.JSON, s.Queryset)
			if n, err := render.CountOf(string(body)); err != nil || n != s.Queryset.Summary.Count {
				t.Errorf("%s: %d, want %d (%v)", s.Name, n, s.Queryset.Summary.Count, err)
			}
		}
	}
	if n, err := render.CountOf("{\"count\":5}\n"); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := render.CountOf(`{"items":[]}`); err == nil {
		t.Error("no summary has a count")
	}
}

// rows returns the rows in a body.
func rows(t *testing.T, k listing.Kind, body []byte) []json.RawMessage {
	t.Helper()
	if k == listing.RowKind {
		return []json.RawMessage{body}
	}
	var page struct{ Items []json.RawMessage }
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return page.Items
}

func everySecond(names []string) (some []string) {
	for i := 1; i < len(names); i += 2 {
		some = append(some, names[i])
	}
	return some
}
