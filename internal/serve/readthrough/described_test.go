package readthrough_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// redescribed is the deployment's site by another description: items have their members the
// other way round.
func redescribed(d *deployment.Deployment) *listing.Site {
	d.Helper()
	other, err := description.Decode(d.Site.Description.Encode())
	d.Must(err)
	t := &other.Tables[0]
	t.List, t.Item = slices.Clone(t.List), slices.Clone(t.Item)
	slices.Reverse(t.List)
	copy(t.Item, t.List)
	other, err = description.Decode(other.Encode())
	d.Must(err)
	return listing.NewSite(other)
}

// described is an API process whose requests are parsed by a description.
type described struct {
	*deployment.API
	d    *deployment.Deployment
	site atomic.Pointer[listing.Site]
	told atomic.Int64 // how often the process was told that the database has another one
}

func describe(d *deployment.Deployment, site *listing.Site, changes ...func(*deployment.Process)) *described {
	d.Helper()
	a := &described{d: d}
	a.site.Store(site)
	a.API = d.API(append(changes, func(p *deployment.Process) {
		p.Site, p.OtherDescription = a.site.Load, func() { a.told.Add(1) }
	})...)
	return a
}

func (a *described) request(query string, f render.Format) readthrough.Request {
	a.d.Helper()
	q, err := a.site.Load().Parse(query)
	a.d.Must(err)
	return readthrough.Request{Query: q, Format: f}
}

func (a *described) get(query string, f render.Format) readthrough.Answer {
	a.d.Helper()
	answer, err := a.Cache.Get(a.d.Context(), a.request(query, f))
	a.d.Must(err)
	return answer
}

// fresh is what the database has to say by the process' description.
func (a *described) fresh(query string, f render.Format) string {
	a.d.Helper()
	qs, err := a.Reader.Read(a.d.Context(), a.request(query, f).Query)
	a.d.Must(err)
	_, body := render.Body(f, qs)
	return string(body)
}

// A view and a queryset were stored in an epoch of one description. By another one the same text
// means something else, and the bytes of a row are other columns: it is answered from the
// database, the process is told, and those by the epoch's description go on.
func TestAnAnswerIsNotServedByAnotherDescription(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	api := d.API()
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	other := describe(d, redescribed(d))
	for _, f := range []render.Format{render.JSON, render.HTML} { // a view, and a queryset alone
		answer := other.get(folsom, f)
		wantStatus(d, answer, bypassFor("other-description"))
		if answer.Body != other.fresh(folsom, f) || !answer.Until.IsZero() {
			t.Errorf("by another description: %s", answer.Body)
		}
	}
	if other.told.Load() == 0 {
		t.Error("the process is not told that there is another description")
	}
	if why, detail := other.Examine(t.Context()); why.String() != "other-description" {
		t.Errorf("the reason is %v (%s)", why, detail)
	}
	wantStatus(d, api.Get(folsom, render.JSON), hit)
	if why, detail := api.Examine(t.Context()); why.String() != "ok" {
		t.Errorf("the reason is %v (%s)", why, detail)
	}
}

// believes is a Source that believes in the description of its process until it reads.
type believes struct {
	readthrough.Source
	identity string
}

func (s believes) ServerState(ctx context.Context, site *listing.Site) (database.ServerState, error) {
	got, err := s.Source.ServerState(ctx, site)
	got.Description = s.identity
	return got, err
}

func (s believes) AgreedState(ctx context.Context, site *listing.Site) (database.ServerState, error) {
	return s.ServerState(ctx, site)
}

// A process takes a lease in an epoch that it believes to be of its own description, since it was
// told so before another was installed. Its read says of which one the epoch is: the answer is
// not stored, though the epoch is right, and others can fill the query at once.
func TestWhatIsReadByAnotherDescriptionIsNotStored(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{})
	d.Invalidate()
	site := redescribed(d)
	other := describe(d, site, func(p *deployment.Process) { p.Source = believes{Source: p.Source, identity: site.Identity} })
	answer := other.get(folsom, render.JSON)
	wantStatus(d, answer, bypassFor("other-description"))
	if answer.Body != other.fresh(folsom, render.JSON) {
		t.Errorf("by another description: %s", answer.Body)
	}
	if kept := d.Redis.Exists(d.Context(), d.Space.Queryset(folsom), d.Space.View("json", folsom), d.Space.Lease(folsom)).Val(); kept != 0 {
		t.Errorf("%d keys are left of a read by another description", kept)
	}
	if other.told.Load() == 0 {
		t.Error("the process is not told that there is another description")
	}
	wantStatus(d, d.API().Get(folsom, render.JSON), stored)
}

// While a process changes its description, requests of one text by both are under way.
func TestARequestByAnotherDescriptionSharesNoLoad(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	gate := deployment.NewGate()
	api := describe(d, d.Site, gate.Install, func(p *deployment.Process) { p.Off = true })
	first := make(chan readthrough.Answer, 2)
	begin := func() {
		request := api.request(folsom, render.JSON)
		go func() {
			answer, err := api.Cache.Get(context.WithoutCancel(t.Context()), request)
			if err != nil {
				t.Error(err)
			}
			first <- answer
		}()
	}
	begin()
	old := <-gate.Reads
	api.site.Store(redescribed(d))
	begin()
	d.Await("the second request to bypass", func() bool { return api.Metrics.Cache(telemetry.View, telemetry.Bypass).Value() == 2 })
	select {
	case own := <-gate.Reads:
		own.Resume()
	case <-time.After(10 * time.Second): // it waits for the other's
		t.Error("a request waits for a load by another description")
	}
	old.Resume()
	bodies := []string{(<-first).Body, (<-first).Body}
	if bodies[0] == bodies[1] {
		t.Errorf("two descriptions have one answer: %s", bodies[0])
	}
}

// The installation of another description ends the hits of a process that has not loaded it,
// also of what it keeps itself. Every answer is right by the description of its request. Once it has
// loaded the new one, it fills and hits again.
func TestANewDescriptionIsInstalled(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Second})
	d.Invalidate()
	api := describe(d, d.Site)
	get := func() readthrough.Answer {
		t.Helper()
		answer := api.get(folsom, render.JSON)
		if answer.Body != api.fresh(folsom, render.JSON) {
			t.Fatalf("%s: %s", answer.CacheStatus, answer.Body)
		}
		return answer
	}
	d.Await("a hit", func() bool { return get().CacheStatus == hit })
	kept := get()
	text := strings.Replace(listingtest.PropertiesListings, "site: {name: Freshlist", "site: {name: Another", 1)
	_, err := schema.InstallFile(t.Context(), d.Connect(), schema.File{Name: "other.yaml", Text: text})
	d.Must(err)
	installed, err := schema.ReadDescription(t.Context(), d.Connect())
	d.Must(err)
	site := listing.NewSite(installed)
	if site.Identity == d.Site.Identity {
		t.Fatal("the description is the same")
	}
	d.Await("the other description", func() bool { return get().CacheStatus == bypassFor("other-description") })
	if api.told.Load() == 0 {
		t.Error("the process is not told that there is another description")
	}
	for range 50 {
		if status := get().CacheStatus; status != bypassFor("other-description") && status != noBeat {
			t.Errorf("Cache-Status is %q by the former description", status)
		}
	}
	if api.StillValid(kept.Origin, time.Now()) {
		t.Error("what was kept in the process still stands")
	}
	api.site.Store(site)
	d.Await("a hit by the new description", func() bool { return get().CacheStatus == hit })
}

// An installation takes the marker away. Until an epoch begins, the beat that is left is of the former one,
// and of no other deployment.
func TestNoEpochIsNoOtherDeployment(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	d.Invalidate().Stop()
	d.Exec("delete from freshlist.marker")
	if d.Beat(0) == nil {
		t.Fatal("no beat is left")
	}
	wantStatus(d, d.API().Get(folsom, render.JSON), noBeat)
}

// A column has gone: the answer says so, and the process is told that its description may be a
// former one. So is one that uses no cache.
func TestAMisfitMayBeAnotherDescription(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{false, true} {
		d := listing100(t, deployment.Options{})
		api := describe(d, d.Site, func(p *deployment.Process) { p.Off = off })
		d.Exec("alter table properties rename city to town")
		if _, err := api.Cache.Get(t.Context(), api.request(folsom, render.JSON)); err == nil {
			t.Error("a column that has gone is read")
		}
		if api.told.Load() == 0 {
			t.Error("the process is not told")
		}
	}
}
