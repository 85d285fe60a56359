package csvimport_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/csvimport"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// What an import changes is not in cached answers any more; what it cannot touch stays. Capture
// sees two bulk changes: of the rows that were added, and of those that were changed.
func TestCachedAnswersChange(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: time.Minute})
	invalidator, api := d.Invalidate(), d.API()
	d.AwaitApplied(d.Exec("insert into properties (title, property_type, price, city) values ('a', 'Condo', 100, 'GALT'), ('b', 'Condo', 100, 'LOOMIS')"))
	queries := []string{"properties?city=GALT", "properties?city=FOLSOM", "properties?city=LOOMIS", "properties/1"}
	bodies := map[string]string{}
	for _, q := range queries {
		api.Get(q, render.JSON)
		bodies[q] = string(api.Get(q, render.JSON).Body)
	}
	before := invalidator.Metrics.ChangesApplied.Value()
	var file strings.Builder
	file.WriteString("id,title,property_type,price,city\n1,a,Condo,200,GALT\n2,b,Condo,100,LOOMIS\n")
	for n := range 10_500 {
		fmt.Fprintf(&file, ",c %d,Condo,%d,FOLSOM\n", n, n)
	}
	conn := d.Connect()
	s, err := csvimport.Import(t.Context(), conn, d.Site.Home(), strings.NewReader(file.String()), csvimport.Options{File: "f.csv"})
	if err != nil || s.Added != 10_500 || s.Changed != 1 || s.Same != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	d.AwaitApplied(d.Exec("select pg_current_xact_id()"))
	for _, q := range queries {
		got, fresh := string(api.Get(q, render.JSON).Body), api.Fresh(q, render.JSON)
		if got != fresh {
			t.Errorf("%s is\n%s\nnot\n%s", q, got, fresh)
		}
		if stays := strings.HasSuffix(q, "LOOMIS"); (got == bodies[q]) != stays {
			t.Errorf("%s stays the same: %v", q, !stays)
		}
	}
	d.Await("the changes to be counted", func() bool { return invalidator.Metrics.ChangesApplied.Value() > before })
	if n := invalidator.Metrics.ChangesApplied.Value() - before; n > 2 {
		t.Errorf("the import is %d changes", n)
	}
}
