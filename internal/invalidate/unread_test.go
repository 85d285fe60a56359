package invalidate_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// A change that nobody understands empties the cache, is told once, and is no end: the
// edits after it are purged for as ever.
func TestChangesThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	for name, captured := range map[string]string{
		"a number with too many places": "row(1, now(), now(), null, null, null, null, 0.001, null, 't', 'Condo', 'sold', 'GALT', null)",
		"a number out of range":         "row(1, now(), now(), null, null, null, null, 1e15, null, 't', 'Condo', 'sold', 'GALT', null)",
		"no key":                        "row(null, now(), now(), null, null, null, null, 1, null, 't', 'Condo', 'sold', 'GALT', null)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logged
			d := deployment.New(t, deployment.Options{Log: &log})
			d.Seed(0)
			i := d.Invalidate()
			api := d.API()
			for _, q := range []string{"properties", "properties/7", "properties/summary?city=GALT"} {
				api.Get(q, render.JSON)
			}
			xid := d.Exec("insert into freshlist.properties_changes (xid, new_row) select pg_current_xact_id(), " + captured + "::freshlist.properties_row from generate_series(1, 3)")
			d.AwaitApplied(xid)
			if there := cached(d, "properties", "properties/7", "properties/summary?city=GALT"); there["properties"] || there["properties/7"] || there["properties/summary?city=GALT"] {
				t.Errorf("still cached: %v", there)
			}
			if n := i.Metrics.UnreadChanges.Value(); n != 1 {
				t.Errorf("%v changes were counted as not understood, want 1 for the transaction", n)
			}
			if lines := log.lines("not understood"); len(lines) != 1 || !strings.Contains(lines[0], fmt.Sprintf("transaction %d:", xid)) {
				t.Errorf("logged %q, want one line that names transaction %d", lines, xid)
			}
			api.Get("properties/7", render.JSON)
			d.AwaitApplied(d.Exec("update properties set price = 12 where id = 7"))
			if got := api.Get("properties/7", render.JSON).Body; !strings.Contains(got, `"price":12.00`) {
				t.Errorf("after an edit: %s", got)
			}
		})
	}
}

// logged is a log that can be looked at.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// lines returns the lines that have a text in them.
func (l *logged) lines(with string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, with) {
			found = append(found, line)
		}
	}
	return found
}
