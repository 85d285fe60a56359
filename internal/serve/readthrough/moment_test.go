package readthrough_test

import (
	"context"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

const momentHit = "freshlist-moment; hit, " + noBeat

func patient(p *deployment.Process) { p.FillWait = time.Minute }

// Without an invalidator four API processes read each query once in B, all together, while
// somebody edits; and no answer is older than B.
func TestNoInvalidator(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: 2 * time.Second})
	queries := []string{folsom, "properties/1", "properties/summary?city=FOLSOM"}
	var apis []*deployment.API
	for range 4 {
		apis = append(apis, d.API(patient))
	}
	const first = 100
	began, enough := time.Now(), make(chan struct{})
	var mu sync.Mutex
	committed := []time.Time{began} // by the price, from the first one on
	older := func(price int, begun time.Time) bool {
		mu.Lock()
		defer mu.Unlock()
		next := price - first + 1
		return next < len(committed) && begun.Sub(committed[next]) > d.Bound
	}
	var editing, reading sync.WaitGroup
	editing.Go(func() {
		for price := first + 1; ; price++ {
			d.Exec("update properties set price = $1 where id = 1", price)
			mu.Lock()
			committed = append(committed, time.Now())
			mu.Unlock()
			select {
			case <-enough:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	for _, api := range apis {
		reading.Go(func() {
			for n := 0; time.Since(began) < d.Bound*3/2 || api.Metrics.Moments.Value() == 0; n++ {
				query, begun := queries[n%len(queries)], time.Now()
				a := api.Get(query, render.JSON)
				if price := shown(a.Body); price < first {
					t.Errorf("%s shows no price: %s", query, a.Body)
					return
				} else if older(price, begun) {
					t.Errorf("%s shows price %d, which was not there any more over %v before: %s", query, price, d.Bound, a.CacheStatus)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	reading.Wait()
	took := time.Since(began)
	close(enough)
	editing.Wait()
	reads, moments := uint64(0), uint64(0)
	for _, api := range apis {
		reads += api.Metrics.DatabaseReads.Value()
		moments += api.Metrics.Moments.Value()
	}
	if most := uint64(len(queries)) * uint64(1+took/d.Bound); reads > most {
		t.Errorf("%d reads of the database in %v, want at most %d", reads, took, most)
	}
	t.Logf("%d edits, %d moments, %d reads of the database in %v", len(committed)-1, moments, reads, took)
}

var priceShown = regexp.MustCompile(`"price":[^0-9]*([0-9]+)`)

// shown returns the price that an answer shows: that of the listing, or of the summary.
func shown(body string) int {
	found := priceShown.FindStringSubmatch(body)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// A moment is of a time before its read, and not of when it was stored.
func TestAMomentIsOfBeforeItsRead(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Second})
	gate := deployment.NewGate()
	slow, other := d.API(patient, gate.Install), d.API(patient)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = slow.Cache.Get(t.Context(), readthrough.Request{Query: d.Query("properties/1"), Format: render.JSON})
	}()
	read := <-gate.Reads // it has its rows
	d.Exec("update properties set price = 2 where id = 1")
	begun := time.Now()
	time.Sleep(d.Bound / 2)
	read.Resume()
	<-answered
	time.Sleep(time.Until(begun.Add(d.Bound + d.Bound/4)))
	if a := other.Get("properties/1", render.JSON); shown(a.Body) != 2 {
		t.Errorf("an answer older than B: %s", a.CacheStatus)
	}
}

// Who must see his own write has no part in moments, nor who wants what is read after he has asked.
func TestATokenSharesNoMoment(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	api := d.API(patient)
	wantStatus(d, api.Get(folsom, render.JSON), noBeat)
	wantStatus(d, api.Get(folsom, render.JSON), momentHit)
	token := d.Exec("update properties set price = 2 where id = 1")
	for _, r := range []readthrough.Request{{Token: token}, {Alone: true}, {NoStore: true}} {
		r.Query, r.Format = d.Query(folsom), render.JSON
		if a, err := api.Cache.Get(t.Context(), r); err != nil || shown(a.Body) != 2 {
			t.Errorf("%+v: not of after the edit: %s, %v", r, a.CacheStatus, err)
		}
	}
	wantStatus(d, api.Get(folsom, render.JSON), momentHit)
}

// elsewhere is a Source whose reads are of another server than its state.
type elsewhere struct{ readthrough.Source }

func (s elsewhere) ReadWithServer(ctx context.Context, q listing.Query) (listing.Queryset, string, error) {
	qs, server, err := s.Source.ReadWithServer(ctx, q)
	return qs, server + "0", err
}

// What a session with another server has given, as with an old primary, is nobody else's answer.
func TestAMomentIsOfTheServerThatWasRead(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	stray := d.API(patient, func(p *deployment.Process) { p.Source = elsewhere{p.Source} })
	other := d.API(patient)
	wantStatus(d, stray.Get(folsom, render.JSON), noBeat)
	wantStatus(d, other.Get(folsom, render.JSON), noBeat)
	wantStatus(d, other.Get(folsom, render.JSON), momentHit)
}

// Moments need no right to the epoch. But while policies decide which rows a role sees, its answers
// are not everybody's.
func TestNoMomentUnderRowSecurity(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute})
	const policy = "create policy cheap on properties using (price < 1000); alter table properties enable row level security"
	const revoke = "revoke execute on function freshlist.epoch() from freshlist_api"
	for _, c := range []struct {
		query, before, second string
	}{
		{folsom, revoke, momentHit},
		{"properties/1", policy, noBeat},
		{"properties/2", "grant execute on function freshlist.epoch() to freshlist_api", noBeat},
	} {
		d.Exec(c.before)
		api := d.API(patient)
		wantStatus(d, api.Get(c.query, render.JSON), noBeat)
		wantStatus(d, api.Get(c.query, render.JSON), c.second)
	}
}

// While as many queries are live as may be, the others have moments. They are never kept in the process.
func TestMomentsOfWhatDoesNotGoIn(t *testing.T) {
	t.Parallel()
	d := listing100(t, deployment.Options{Bound: time.Minute, Live: 1})
	d.Invalidate()
	api := d.API(patient)
	wantStatus(d, api.Get(folsom, render.JSON), stored)
	wantStatus(d, api.Get("properties/1", render.JSON), notStored)
	a := api.Get("properties/1", render.JSON)
	wantStatus(d, a, "freshlist-moment; hit, "+notStored)
	if !a.Until.IsZero() || a.Origin != nil || a.Registered {
		t.Errorf("taken for proved: %+v", a)
	}
}
