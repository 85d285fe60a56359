package invalidate_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// install installs a description, and waits for the first beat of its epoch.
func install(d *deployment.Deployment, f schema.File) *listing.Site {
	d.Helper()
	before := d.Beat(0)
	done, err := schema.InstallFile(d.Context(), d.Connect(), f)
	d.Must(err)
	site := listing.NewSite(done.Description)
	d.Await("a beat of another epoch", func() bool { b := d.Beat(0); return b != nil && (before == nil || b.Epoch != before.Epoch) })
	var epoch, described string
	d.Must(d.Connect().QueryRow(d.Context(), "select freshlist.epoch(), freshlist.described()").Scan(&epoch, &described))
	if described != site.Identity || epoch != d.Beat(0).Epoch {
		d.Errorf("epoch %s is of description %s; beats are of epoch %s, installed is %s", epoch, described, d.Beat(0).Epoch, site.Identity)
	}
	return site
}

// of has an API process work by one description.
func of(site *listing.Site) func(*deployment.Process) {
	return func(p *deployment.Process) { p.Site = func() *listing.Site { return site } }
}

// The description changes while an invalidator leads and API processes read: the same leader
// goes on with the new one. What was cached by the former never counts again, not even when
// that comes back; and each change is matched by the present one.
func TestDescriptionChangedWhileLeading(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Invalidate()
	d.AwaitApplied(d.Exec(`insert into properties (id, title, property_type, price, city, postal_code)
		select n, 'House ' || n, 'Condo', 1000 * n, case when n <= 3 then 'FOLSOM' else 'GALT' end, '9563' || n from generate_series(1, 6) as n`))
	const postal, dear = "properties?postal_code=95631", "properties?max_price=3000"
	properties, former := schema.File{Name: "properties.yaml", Text: listingtest.PropertiesListings}, d.Site
	first := d.API(of(former))
	warm(d, first, "properties", folsom, galt, postal, dear)

	// The default order is another one, and nobody can ask for a postal code.
	changed := strings.NewReplacer("postal_code:   {filter: any-of}", "postal_code:   {on: item}", "newest: created_at", "newest: price").Replace(properties.Text)
	present := install(d, schema.File{Name: "other.yaml", Text: changed})
	if _, err := present.Parse(postal); err == nil || present.Identity == former.Identity {
		t.Fatal("the description is as before")
	}
	for _, q := range []string{"properties", folsom, galt, postal, dear} {
		if a := first.Get(q, render.JSON); a.CacheStatus == hit || a.Body != first.Fresh(q, render.JSON) {
			t.Errorf("%s by the former description: %s, %s", q, a.CacheStatus, a.Body)
		}
	}
	d.Site = present // of Query from here on
	second := d.API(of(present))
	warm(d, second, "properties", folsom, galt, dear)
	d.AwaitApplied(d.Exec("update properties set price = 7000 where id = 1"))
	if there := cached(d, "properties", folsom, galt, dear); there["properties"] || there[folsom] || there[dear] || !there[galt] {
		t.Errorf("after an edit in Folsom there is %v", there)
	}
	warm(d, second, "properties", folsom, galt, dear)
	d.AwaitApplied(d.Exec("update properties set postal_code = '95630' where id = 1"))
	if there := cached(d, "properties", folsom, galt, dear); !there["properties"] || !there[folsom] || !there[galt] {
		t.Errorf("after an edit of what lists do not show there is %v", there)
	}

	// Back again: the first process caches anew.
	d.Site = former
	if again := install(d, properties); again.Identity != former.Identity {
		t.Error("the former description has another identity")
	}
	for _, q := range []string{"properties", folsom, galt, postal, dear} {
		d.Await("a hit of "+q, func() bool {
			a := first.Get(q, render.JSON)
			if fresh := first.Fresh(q, render.JSON); a.Body != fresh {
				t.Fatalf("%s: %s\n got %s\nwant %s", q, a.CacheStatus, a.Body, fresh)
			}
			return a.CacheStatus == hit
		})
	}
}

// Tables that are described no more are not watched, others are, by the same invalidator.
func TestTablesOfAnotherDescription(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Invalidate()
	listings(d, "FOLSOM", 1, 3)
	first := d.API(of(d.Site))
	warm(d, first, folsom)
	d.Exec(listingtest.EverySQL)
	d.Site = install(d, schema.File{Name: "every.yaml", Text: listingtest.EveryListings})
	d.AwaitApplied(d.Exec(`insert into "Every Type" ("Key", small) values ('a', 1), ('b', 2); insert into by_uuid (id, name) values ('00000000-0000-0000-0000-000000000007', 'x')`))
	second := d.API(of(d.Site))
	queries := []string{"every", "every/a", "every/b", "every?min_small=2", "by-uuid", "by-uuid?name=x"}
	warmJSON := func() {
		for _, q := range queries {
			d.Await("a hit of "+q, func() bool { return second.Get(q, render.JSON).CacheStatus == hit })
		}
	}
	warmJSON()
	d.AwaitApplied(d.Exec(`update "Every Type" set small = 3 where "Key" = 'b'; update properties set price = 1`))
	for q, there := range cached(d, queries...) {
		if shows := q == "every" || q == "every/b" || q == "every?min_small=2"; there == shows {
			t.Errorf("%s is there: %t", q, there)
		}
	}
	warmJSON()
	d.AwaitApplied(d.Exec("truncate by_uuid"))
	for q, there := range cached(d, queries...) {
		if there == strings.HasPrefix(q, "by-uuid") {
			t.Errorf("%s is there: %t", q, there)
		}
	}

	// And back: tables that are described no more can go, and nobody minds.
	d.Site = install(d, schema.File{Name: "properties.yaml", Text: listingtest.PropertiesListings})
	d.Exec(`drop table "Every Type"; drop table by_uuid`)
	warm(d, first, folsom)
	d.AwaitApplied(d.Exec("update properties set price = 2"))
	if body := first.Get(folsom, render.JSON).Body; body != first.Fresh(folsom, render.JSON) {
		t.Errorf("%s is stale: %s", folsom, body)
	}
}

// A marker of a description that is not the stored one is none to go on from.
func TestMarkerOfAnotherDescription(t *testing.T) {
	t.Parallel()
	var log logged
	d := deployment.New(t, deployment.Options{Log: &log})
	d.Invalidate().Stop()
	d.Exec("update freshlist.marker set description = 'another'")
	d.Invalidate()
	var described string
	d.Must(d.Connect().QueryRow(t.Context(), "select freshlist.described()").Scan(&described))
	if begun := log.lines("reason=capture_changed"); described != d.Site.Identity || len(begun) != 1 {
		t.Errorf("the marker is of %q; epochs that have begun: %q", described, begun)
	}
}

// A query of a description that is not the leader's is taken to be touched by every change.
func TestQueryOfAnotherDescription(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Invalidate()
	listings(d, "FOLSOM", 1, 3)
	api := d.API()
	warm(d, api, folsom, galt)
	const unknown = "homes?colour=red"
	number, err := d.Redis.HIncrBy(t.Context(), d.Space.Fence(0), "registered", 1).Result() // as acquire does it
	d.Must(err)
	d.Must(d.Redis.ZAdd(t.Context(), d.Space.Live(0), redis.Z{Score: float64(number), Member: unknown}).Err())
	d.Must(d.Redis.HIncrBy(t.Context(), d.Space.Fence(0), "live", 1).Err())
	heard := d.Listen()
	d.Exec("update properties set price = price + 1 where id = 1")
	heard.Until(unknown)
}
