package readthrough_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// An excerpt is made of answers that are cached under their queries, and so is removed with them: an
// edit reaches it in the process, too. One with a count is made of two, and not kept there.
func TestExcerptsAreFresh(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Exec("insert into properties (id, title, property_type, price, city) values (2, 'Another', 'Condo', 200, 'FOLSOM')")
	d.Invalidate()
	s := d.API().Serve()
	get := func(target string) (body, status string) {
		d.Helper()
		answer, err := http.Get(s.URL + target)
		d.Must(err)
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		d.Must(err)
		return string(b), answer.Header.Get("Cache-Status")
	}
	for _, c := range []struct{ target, hit, before, edit, after string }{
		{
			"/v1/properties?fields=price&ids=1,3", "freshlist-l1; hit", `{"items":[{"price":100.00}],"next":null,"prev":null}`,
			"update properties set price = 101 where id = 1", `{"items":[{"price":101.00}],"next":null,"prev":null}`,
		},
		{
			"/v1/properties?ids=1,3&fields=id", "freshlist-l1; hit", `{"items":[{"id":1}],"next":null,"prev":null}`,
			"insert into properties (id, title, property_type, price, city) values (3, 'A third', 'Condo', 50, 'RIO')", `{"items":[{"id":3},{"id":1}],"next":null,"prev":null}`,
		},
		{
			"/v1/properties/2?fields=title", "freshlist-l1; hit", `{"title":"Another"}`,
			"update properties set title = 'Other' where id = 2", `{"title":"Other"}`,
		},
		{
			"/v1/properties?count=true&fields=id&city=FOLSOM&limit=1&sort=price", "freshlist-view; hit, freshlist-l1; fwd=miss", `"count":2}`,
			"delete from properties where id = 2", `{"items":[{"id":1}],"next":null,"prev":null,"count":1}`,
		},
	} {
		var body, status string
		d.Await("a hit of "+c.target, func() bool {
			body, status = get(c.target)
			return status == c.hit
		})
		if !strings.HasSuffix(body, c.before+"\n") {
			t.Errorf("%s is %s, want %s", c.target, body, c.before)
		}
		applied := d.Exec(c.edit)
		d.AwaitApplied(applied)
		d.Await("the edit in "+c.target, func() bool {
			body, _ = get(c.target)
			return body == c.after+"\n"
		})
	}
}
