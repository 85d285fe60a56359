package readthrough_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// askToken begins a request that must show what a transaction did.
func askToken(d *deployment.Deployment, api *deployment.API, query string, xid uint64) *pending {
	d.Helper()
	p := &pending{d, make(chan readthrough.Answer, 1), make(chan error, 1)}
	request := readthrough.Request{Query: d.Query(query), Format: render.JSON, Token: xid}
	ctx := context.WithoutCancel(d.Context())
	go func() {
		answer, err := api.Cache.Get(ctx, request)
		p.answer <- answer
		p.err <- err
	}()
	return p
}

const raised = "update properties set price = 101 where id = 1"

func wantRaised(d *deployment.Deployment, a readthrough.Answer) {
	d.Helper()
	if !strings.Contains(a.Body, `"price":101.00`) {
		d.Errorf("the answer does not show the transaction of its token (%s): %s", a.CacheStatus, a.Body)
	}
}

// A request with a token joins no read that is under way: that may have begun before its
// transaction.
func TestATokenSharesNoRead(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprint("cache off ", off), func(t *testing.T) {
			t.Parallel()
			d := listing100(t, deployment.Options{Bound: time.Minute})
			d.Invalidate()
			gate := deployment.NewGate()
			api := d.API(gate.Install, func(p *deployment.Process) { p.Off = off })
			asked := api.Metrics.Cache(telemetry.View, telemetry.Miss)
			if off {
				asked = api.Metrics.Cache(telemetry.View, telemetry.Bypass)
			}
			first := ask(d, api, folsom, render.JSON)
			old := <-gate.Reads
			xid := d.Exec(raised)
			d.AwaitApplied(xid)
			second := askToken(d, api, folsom, xid)
			d.Await("the second request to come", func() bool { return asked.Value() == 2 })
			old.Resume()
			first.wait()
			for {
				select {
				case read := <-gate.Reads: // its own
					read.Resume()
					continue
				case answer := <-second.answer:
					d.Must(<-second.err)
					wantRaised(d, answer)
				}
				break
			}
		})
	}
}

// A hit needs a beat that sees the token's transaction, however long the one that is there
// still lasts.
func TestATokenIsMoreThanABeat(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	i := d.Invalidate()
	api := d.API()
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	wantStatus(d, api.Get(folsom, render.JSON), hit)
	i.Stop()
	wantRaised(d, askToken(d, api, folsom, d.Exec(raised)).wait())
}

// past is what Redis held of a query before its listing was raised, beat included.
type past map[string]string

// rememberAndRaise caches folsom, keeps what of it is in Redis under some names, and then
// has the listing raised and that applied; the invalidator ends, so that nothing follows.
func rememberAndRaise(d *deployment.Deployment, names ...string) (was past, xid uint64) {
	d.Helper()
	i := d.Invalidate()
	wantStatus(d, d.API().Get(folsom, render.JSON), stored)
	was = past{}
	for _, name := range append(names, d.Space.Beat(0)) {
		value, err := d.Redis.Get(d.Context(), name).Result()
		d.Must(err)
		was[name] = value
	}
	xid = d.Exec(raised)
	d.AwaitApplied(xid)
	i.Stop()
	return was, xid
}

// comeBack makes Redis go back to the past.
func (p past) comeBack(d *deployment.Deployment) {
	d.Must(d.Redis.MSet(d.Context(), map[string]string(p)).Err())
}

// A request has seen a beat that knows its transaction, and waits for another process's
// fill, when Redis goes back to before both: the view and the beat that are there then are
// not what it may show.
func TestATokenOutlivesARollbackWhileItWaits(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	was, xid := rememberAndRaise(d, d.Space.View("json", folsom))
	generation, err := d.Redis.HGet(t.Context(), d.Space.Fence(0), "generation").Result()
	d.Must(err)
	d.Must(d.Redis.Set(t.Context(), d.Space.Lease(folsom), "somebody else's "+generation, time.Minute).Err())
	api := d.API(func(p *deployment.Process) { p.FillWait = 2 * time.Second })
	request := askToken(d, api, folsom, xid)
	d.Await("the request to miss", func() bool { return api.Metrics.Cache(telemetry.View, telemetry.Miss).Value() == 1 })
	was.comeBack(d)
	answer := request.wait()
	wantRaised(d, answer)
	if answer.CacheStatus != notStored {
		t.Errorf("the answer is %s: the request has not waited", answer.CacheStatus)
	}
}

// afterLook does something once, when the first look has been answered.
type afterLook struct {
	once sync.Once
	do   func()
}

func (a *afterLook) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (a *afterLook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (a *afterLook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if cmd.Name() == "mget" {
				a.once.Do(a.do)
			}
		}
		return err
	}
}

// The same, between the look at the view and the finding of the queryset.
func TestATokenOutlivesARollbackBeforeItsQueryset(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	was, xid := rememberAndRaise(d, d.Space.Queryset(folsom))
	back := &afterLook{do: func() { was.comeBack(d) }}
	api := d.API(func(p *deployment.Process) { p.Hooks = append(p.Hooks, back) })
	wantRaised(d, askToken(d, api, folsom, xid).wait())
}

// Reads for tokens are a bounded part of what the database is asked, and others do not wait for
// them.
func TestReadsForTokensTakeTurns(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	gate := deployment.NewGate()
	api := d.API(gate.Install, func(p *deployment.Process) { p.Off, p.TokenReads = true, 1 })
	xid := d.Exec(raised)
	var asked []*pending
	for range 3 {
		asked = append(asked, askToken(d, api, folsom, xid))
	}
	first := <-gate.Reads
	plain := ask(d, api, folsom, render.JSON)
	other := <-gate.Reads
	other.Resume()
	plain.wait()
	if n := api.Metrics.TokenReads.Value(); n != 1 {
		t.Errorf("%d reads for tokens at once, want 1", n)
	}
	first.Resume()
	for range 2 {
		(<-gate.Reads).Resume()
	}
	for _, p := range asked {
		answer := <-p.answer
		d.Must(<-p.err)
		wantRaised(d, answer)
	}
}
