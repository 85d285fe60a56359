package readthrough_test

import (
	"context"
	"testing"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const folsom = "properties?city=FOLSOM"

// What Cache-Status says, as the contract has it.
const (
	hit       = "freshlist-view; hit"
	queryset  = "freshlist-queryset; hit, freshlist-view; fwd=miss; stored"
	stored    = "freshlist-queryset; fwd=miss; stored, freshlist-view; fwd=miss; stored"
	notStored = "freshlist-queryset; fwd=miss, freshlist-view; fwd=miss"
	collapsed = "freshlist-queryset; fwd=miss; collapsed, freshlist-view; fwd=miss; collapsed"
	rendered  = "freshlist-queryset; hit, freshlist-view; fwd=miss"
	noBeat    = "freshlist-view; fwd=bypass; detail=no-beat"
	off       = "freshlist-view; fwd=bypass; detail=off"
)

// listing100 makes a deployment with one listing in Folsom, at a price of 100.
func listing100(t *testing.T, o deployment.Options) *deployment.Deployment {
	t.Helper()
	d := deployment.New(t, o)
	d.Exec("insert into properties (id, title, property_type, price, city) values (1, 'A house', 'Condo', 100, 'FOLSOM')")
	return d
}

// raise commits a price of 101 and waits until it has been applied.
func raise(d *deployment.Deployment) {
	d.Helper()
	d.AwaitApplied(d.Exec("update properties set price = 101 where id = 1"))
}

// pending is a request under way.
type pending struct {
	d      *deployment.Deployment
	answer chan readthrough.Answer
	err    chan error
}

// ask begins a request.
func ask(d *deployment.Deployment, api *deployment.API, query string, f render.Format) *pending {
	d.Helper()
	p := &pending{d, make(chan readthrough.Answer, 1), make(chan error, 1)}
	request := readthrough.Request{Query: d.Query(query), Format: f}
	ctx := context.WithoutCancel(d.Context())
	go func() {
		answer, err := api.Cache.Get(ctx, request)
		p.answer <- answer
		p.err <- err
	}()
	return p
}

// wait returns the answer.
func (p *pending) wait() readthrough.Answer {
	p.d.Helper()
	answer := <-p.answer
	p.d.Must(<-p.err)
	return answer
}

// wantStatus compares a Cache-Status.
func wantStatus(d *deployment.Deployment, a readthrough.Answer, want string) {
	d.Helper()
	if a.CacheStatus != want {
		d.Errorf("Cache-Status is %q, want %q", a.CacheStatus, want)
	}
}

// isStale asks an API process of its own, which has the product's scripts, and
// compares its answer with the database.
func isStale(d *deployment.Deployment, query string, f render.Format) bool {
	d.Helper()
	api := d.API()
	return api.Get(query, f).Body != api.Fresh(query, f)
}

// guarded runs a scenario, which must not end with a stale answer, and its twin
// without the guard, which must.
func guarded(t *testing.T, scenario func(t *testing.T, twin bool) (stale bool)) {
	t.Helper()
	for name, twin := range map[string]bool{"guarded": false, "twin": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if stale := scenario(t, twin); stale != twin {
				t.Errorf("a stale answer is served: %t, want %t", stale, twin)
			}
		})
	}
}

// when returns the tampers of a twin.
func when(twin bool, tampers ...deployment.Tamper) func(*deployment.Process) {
	return func(p *deployment.Process) {
		if twin {
			p.Tampers = tampers
		}
	}
}

// holdsLease is the guard of fill against a lease that has gone.
const holdsLease = "redis.call('GET', KEYS[4]) ~= ARGV[1] .. ARGV[2]"

// anyFill lets every fill through.
func anyFill() deployment.Tamper {
	return deployment.Tamper{Script: "fill", Old: holdsLease, New: "false"}
}
