package invalidate_test

import (
	"fmt"
	"testing"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/serve/render"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	hit    = "freshlist-view; hit"
	folsom = "properties?city=FOLSOM"
	galt   = "properties?city=GALT"
)

// formats are the two forms of every query.
var formats = [...]render.Format{render.JSON, render.HTML}

// listings inserts listings first to last of a city, at a price of 1000 times
// their id.
func listings(d *deployment.Deployment, city string, first, last int) {
	d.Helper()
	d.AwaitApplied(d.Exec(`insert into properties (id, title, description, property_type, price, city, bedrooms)
		select n, 'House ' || n, 'As it is', 'Condo', 1000 * n, $1, n % 5 from generate_series($2::bigint, $3) as n`, city, first, last))
}

// warm asks for queries in both formats until each is a hit.
func warm(d *deployment.Deployment, api *deployment.API, queries ...string) {
	d.Helper()
	for _, q := range queries {
		for _, f := range formats {
			d.Await(fmt.Sprintf("a hit of %s as %s", q, f), func() bool { return api.Get(q, f).CacheStatus == hit })
		}
	}
}

// cached returns which of the queries have a view in Redis, in either format.
func cached(d *deployment.Deployment, queries ...string) map[string]bool {
	d.Helper()
	there := map[string]bool{}
	for _, q := range queries {
		n, err := d.Redis.Exists(d.Context(), d.Space.View("json", q), d.Space.View("html", q)).Result()
		d.Must(err)
		there[q] = n > 0
	}
	return there
}

// eachPartitioning runs a test on one partition of Redis, and on three.
func eachPartitioning(t *testing.T, test func(t *testing.T, partitions int)) {
	t.Helper()
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprintf("partitions=%d", partitions), func(t *testing.T) {
			t.Parallel()
			test(t, partitions)
		})
	}
}
