package readthrough_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// slowSource is a Source whose reads for a fill last until enough, or their time is up.
type slowSource struct {
	readthrough.Source
	enough func() bool
}

func (s slowSource) ReadWithOrigin(ctx context.Context, q listing.Query) (listing.Queryset, string, error) {
	qs, epoch, err := s.Source.ReadWithOrigin(ctx, q)
	for tick := time.NewTicker(time.Millisecond); !s.enough() && ctx.Err() == nil; <-tick.C {
	}
	return qs, epoch, err
}

// Hundreds of requests to several processes for one purged query are one read of
// the database, which lasts until every process is in want of it. The twin has no
// leases, so that each process reads, and once: a fill is refused to none.
func TestStampedeIsOneRead(t *testing.T) {
	t.Parallel()
	const processes, requests = 4, 100
	for name, twin := range map[string]bool{"guarded": false, "twin": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := listing100(t, deployment.Options{Bound: time.Minute})
			d.Invalidate()
			var apis []*deployment.API
			reads := func() (n uint64) {
				for _, api := range apis {
					n += api.Metrics.DatabaseReads.Value()
				}
				return n
			}
			enough := func() bool {
				for _, api := range apis {
					if api.Metrics.Cache(telemetry.View, telemetry.Miss).Value() == 0 {
						return false
					}
				}
				return !twin || reads() >= processes
			}
			for range processes {
				apis = append(apis, d.API(when(twin, deployment.Tamper{
					Script: "acquire", Old: "  return {'HELD'}\n", New: "",
				}, anyFill()), func(p *deployment.Process) {
					p.Source = slowSource{p.Source, enough}
					p.FillWait = time.Minute // for a fill on a busy machine
				}))
			}
			wantStatus(d, d.API().Get(folsom, render.JSON), stored)
			raise(d)

			var all []*pending
			for range requests {
				for _, api := range apis {
					all = append(all, ask(d, api, folsom, render.JSON))
				}
			}
			for _, p := range all {
				if body := p.wait().Body; !strings.Contains(body, `"price":101.00`) {
					t.Fatalf("an answer is stale: %s", body)
				}
			}
			if got, want := reads(), map[bool]uint64{false: 1, true: processes}[twin]; got != want {
				t.Errorf("%d reads of the database, want %d", got, want)
			}
		})
	}
}

// The other processes and formats say what they did, and stored nothing twice.
func TestWhatCacheStatusSays(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	gate := deployment.NewGate()
	filler, waiter := d.API(gate.Install), d.API(func(p *deployment.Process) { p.FillWait = time.Minute })
	first := ask(d, filler, folsom, render.JSON)
	read := <-gate.Reads
	second := ask(d, waiter, folsom, render.JSON)
	d.Await("the second request to miss", func() bool {
		return waiter.Metrics.Cache(telemetry.View, telemetry.Miss).Value() == 1
	})
	read.Resume()
	wantStatus(d, first.wait(), stored)
	if s := second.wait().CacheStatus; s != collapsed && s != queryset {
		t.Errorf("the waiter's Cache-Status is %q", s)
	}
	wantStatus(d, waiter.Get(folsom, render.HTML), queryset)
	wantStatus(d, waiter.Get(folsom, render.HTML), hit)
	wantStatus(d, d.API(func(p *deployment.Process) { p.Off = true }).Get(folsom, render.JSON), off)
	if reads := waiter.Metrics.DatabaseReads.Value(); reads != 0 {
		t.Errorf("the waiter read the database %d times", reads)
	}
}

// A panic while several requests wait for one load is the error of each, and not the
// end of the process.
func TestPanicInASharedLoad(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	for _, off := range []bool{false, true} {
		api := d.API(func(p *deployment.Process) {
			p.Off = off
			p.Render = func(render.Format, listing.Queryset) (int, []byte) { panic("no such template") }
		})
		_, err := api.Cache.Get(t.Context(), readthrough.Request{Query: d.Query(folsom), Format: render.JSON})
		if err == nil || !strings.Contains(err.Error(), "no such template") {
			t.Errorf("cache off %t: error %v", off, err)
		}
	}
}
