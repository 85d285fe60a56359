package readthrough_test

import (
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// A miss has read 100; 101 is committed and its purge applied; then comes the fill.
func TestStaleFillIsRejected(t *testing.T) {
	t.Parallel()
	guarded(t, func(t *testing.T, twin bool) bool {
		d := listing100(t, deployment.Options{})
		d.Invalidate()
		gate := deployment.NewGate()
		slow := ask(d, d.API(gate.Install, when(twin, anyFill())), folsom, render.JSON)
		read := <-gate.Reads
		raise(d)
		read.Resume()
		if answer := slow.wait(); !twin {
			wantStatus(d, answer, notStored)
		}
		return isStale(d, folsom, render.JSON)
	})
}

// One process fills one query twice, in two formats, with a purge between the two
// leases: the second lease does not serve the first fill.
func TestFillNeedsTheLeaseOfItsOwnAttempt(t *testing.T) {
	t.Parallel()
	guarded(t, func(t *testing.T, twin bool) bool {
		d := listing100(t, deployment.Options{})
		d.Invalidate()
		gate := deployment.NewGate()
		api := d.API(gate.Install, when(twin, deployment.Tamper{
			Script: "fill", Old: holdsLease, New: "redis.call('EXISTS', KEYS[4]) == 0",
		}))
		first := ask(d, api, folsom, render.JSON)
		firstRead := <-gate.Reads
		raise(d)
		second := ask(d, api, folsom, render.HTML)
		secondRead := <-gate.Reads
		firstRead.Resume()
		a := first.wait()
		secondRead.Resume()
		b := second.wait()
		if !twin {
			wantStatus(d, a, notStored)
			wantStatus(d, b, stored)
		}
		return isStale(d, folsom, render.JSON)
	})
}

// A query is filled after the invalidator last looked at registrations, and then
// changed. (Beats, which look too, are 12 s apart.)
func TestChangeFindsAQueryThatIsNotYetKnown(t *testing.T) {
	t.Parallel()
	guarded(t, func(t *testing.T, twin bool) bool {
		d := listing100(t, deployment.Options{Bound: time.Minute})
		var tampers []deployment.Tamper
		if twin { // an invalidator that never reads what is new before it matches
			tampers = append(tampers, deployment.Tamper{Script: "registrations", Old: "if #found == 0 then", New: "if true then"})
		}
		d.Invalidate(tampers...)
		wantStatus(d, d.API().Get(folsom, render.JSON), stored)
		raise(d)
		return isStale(d, folsom, render.JSON)
	})
}

// Redis is flushed during a fill: the fill is refused, and nothing is a hit before
// a beat of the epoch that follows.
func TestFlushDuringAFill(t *testing.T) {
	t.Parallel()
	for name, twin := range map[string]bool{"guarded": false, "twin": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := listing100(t, deployment.Options{Redis: redistest.Start(t)})
			d.Invalidate()
			gate := deployment.NewGate()
			filler, other := d.API(gate.Install, when(twin, anyFill(), deployment.Tamper{
				Script: "fill", Old: "fence[1] ~= ARGV[2] or fence[2] ~= ARGV[3]", New: "false",
			})), d.API()
			slow := ask(d, filler, folsom, render.JSON)
			read := <-gate.Reads
			epoch := d.Beat(0).Epoch
			d.Must(d.Redis.FlushAll(d.Context()).Err())
			read.Resume()
			slow.wait()
			if kept := d.Redis.Exists(d.Context(), d.Space.View("json", folsom)).Val() == 1; kept != twin {
				t.Errorf("the fill was stored: %t, want %t", kept, twin)
			}
			d.Await("a hit in the next epoch", func() bool {
				answer, beat := other.Get(folsom, render.JSON), d.Beat(0)
				if answer.CacheStatus != hit {
					return false
				}
				if beat == nil || beat.Epoch == epoch {
					t.Fatal("a hit without a new beat")
				}
				return true
			})
		})
	}
}

// A read takes longer than its lease, another process takes over: only that one
// stores, and both answers are right.
func TestSlowFillIsOvertaken(t *testing.T) {
	t.Parallel()
	guarded(t, func(t *testing.T, twin bool) bool {
		d := listing100(t, deployment.Options{})
		d.Invalidate()
		gate := deployment.NewGate()
		short := func(p *deployment.Process) { p.Limits.Lease = 10 * time.Millisecond }
		slow := ask(d, d.API(gate.Install, short, when(twin, anyFill())), folsom, render.JSON)
		read := <-gate.Reads
		d.Await("the end of the lease", func() bool {
			return d.Redis.Exists(d.Context(), d.Space.Lease(folsom)).Val() == 0
		})
		raise(d)
		second := d.API()
		answer := second.Get(folsom, render.JSON)
		wantStatus(d, answer, stored)
		if answer.Body != second.Fresh(folsom, render.JSON) {
			t.Error("the second answer is not the database's")
		}
		read.Resume()
		if answer := slow.wait(); !twin {
			wantStatus(d, answer, notStored)
			if !strings.Contains(answer.Body, `"price":100.00`) {
				t.Errorf("the overtaken answer is not what it read: %s", answer.Body)
			}
		}
		return isStale(d, folsom, render.JSON)
	})
}

// A lease ends by itself while its fill is under way.
func TestFillAfterItsLeaseIsRejected(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	gate := deployment.NewGate()
	slow := ask(d, d.API(gate.Install, func(p *deployment.Process) { p.Limits.Lease = time.Millisecond }), folsom, render.JSON)
	read := <-gate.Reads
	d.Await("the end of the lease", func() bool {
		return d.Redis.Exists(d.Context(), d.Space.Lease(folsom)).Val() == 0
	})
	read.Resume()
	wantStatus(d, slow.wait(), notStored)
	wantStatus(d, d.API().Get(folsom, render.JSON), stored)
}

// pausedRender stops renderings as HTML once they are made.
type pausedRender struct{ made, resume chan struct{} }

func (r pausedRender) install(p *deployment.Process) {
	made := p.Render
	p.Render = func(f render.Format, qs listing.Queryset) (int, []byte) {
		status, body := made(f, qs)
		if f == render.HTML {
			r.made <- struct{}{}
			<-r.resume
		}
		return status, body
	}
}

// A view is rendered from a queryset in Redis that is purged before the view is
// stored.
func TestViewOfAPurgedQuerysetIsNotStored(t *testing.T) {
	t.Parallel()
	guarded(t, func(t *testing.T, twin bool) bool {
		d := listing100(t, deployment.Options{})
		d.Invalidate()
		wantStatus(d, d.API().Get(folsom, render.JSON), stored)
		paused := pausedRender{make(chan struct{}), make(chan struct{})}
		slow := ask(d, d.API(paused.install, when(twin, deployment.Tamper{
			Script: "store_view", Old: "redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1]", New: "false",
		})), folsom, render.HTML)
		<-paused.made
		raise(d)
		close(paused.resume)
		if answer := slow.wait(); !twin {
			wantStatus(d, answer, rendered)
		}
		return isStale(d, folsom, render.HTML)
	})
}

// A page of two is purged and filled again with other rows. A change within the
// new page, but behind the old one, must find it.
func TestPageIsJudgedByItsNewWindow(t *testing.T) {
	t.Parallel()
	const page = "properties?sort=price&limit=2"
	keepWindow := []deployment.Tamper{
		{Script: "acquire", Old: "redis.call('HDEL', KEYS[3], ARGV[3])", New: ""},
		{Script: "fill", Old: "redis.call('HSET', KEYS[3]", New: "redis.call('HSETNX', KEYS[3]"},
	}
	guarded(t, func(t *testing.T, twin bool) bool {
		d := deployment.New(t, deployment.Options{})
		d.Exec(`insert into properties (id, title, property_type, price, city)
			select n, 'A house', 'Condo', 10 * n, 'FOLSOM' from generate_series(1, 5) as n`)
		var tampers []deployment.Tamper
		if twin {
			tampers = append(tampers, deployment.Tamper{Script: "purge", Old: "redis.call('HDEL', KEYS[3], unpack(queries))", New: ""})
		}
		d.Invalidate(tampers...)
		api := d.API(when(twin, keepWindow...))
		wantStatus(d, api.Get(page, render.JSON), stored)             // 10 and 20, 30 is ahead
		d.AwaitApplied(d.Exec("delete from properties where id = 2")) //
		wantStatus(d, api.Get(page, render.JSON), stored)             // 10 and 30, 40 is ahead
		d.AwaitApplied(d.Exec("update properties set title = 'Its new title' where id = 3"))
		return isStale(d, page, render.JSON)
	})
}

// A read takes longer than B. A request that comes then starts a read of its
// own: joined to the old one, it would be shown data older than B. The twin's
// process believes in a bound of an hour.
func TestRequestDoesNotJoinAnOldLoad(t *testing.T) {
	t.Parallel()
	guarded(t, func(t *testing.T, twin bool) bool {
		stale := joinsAnOldLoad(t, twin)
		for attempts := 1; twin && !stale && attempts < 5; attempts++ { // on a busy machine it may come too late to join
			stale = joinsAnOldLoad(t, twin)
		}
		return stale
	})
}

func joinsAnOldLoad(t *testing.T, twin bool) (stale bool) {
	const bound = 200 * time.Millisecond
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	gate := deployment.NewGate()
	api := d.API(gate.Install, func(p *deployment.Process) {
		p.Off, p.Bound = true, bound
		if twin {
			p.Bound = time.Hour
		}
	})
	first := ask(d, api, folsom, render.JSON)
	old := <-gate.Reads
	<-time.After(bound + time.Millisecond) // the age that the test is about
	raise(d)
	second := ask(d, api, folsom, render.JSON)
	if !twin {
		select {
		case read := <-gate.Reads: // its own
			read.Resume()
			answer := second.wait()
			old.Resume()
			first.wait()
			return !strings.Contains(answer.Body, `"price":101.00`)
		case <-time.After(time.Minute):
			t.Error("the request waits for the old load")
			old.Resume()
			first.wait()
			(<-gate.Reads).Resume() // for it does not take that one's answer
			return !strings.Contains(second.wait().Body, `"price":101.00`)
		}
	}
	d.Await("the second request to bypass", func() bool {
		return api.Metrics.Cache(telemetry.View, telemetry.Bypass).Value() == 2
	})
	<-time.After(time.Second) // that it joins shows nowhere
	old.Resume()
	first.wait()
	select {
	case answer := <-second.answer:
		return !strings.Contains(answer.Body, `"price":101.00`)
	case read := <-gate.Reads: // it came too late to join
		read.Resume()
		second.wait()
		return false
	}
}
