package invalidate_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/schema"
)

// shipped returns a deployment of what ships: its description, and its sample.
func shipped(t testing.TB) *deployment.Deployment {
	t.Helper()
	d := deployment.New(t, deployment.Options{})
	done, err := schema.InstallFile(t.Context(), d.Connect(), schema.Shipped())
	d.Must(err)
	d.Site = listing.NewSite(done.Description)
	d.Seed(0)
	return d
}

// An agent's new name removes exactly the pages and properties that show the agent, and a photo, added,
// moved or gone, those that show its property.
func TestEditsOfAgentsAndPhotos(t *testing.T) {
	t.Parallel()
	d := shipped(t)
	d.Invalidate()
	e := editor{Deployment: d, api: d.API(), conn: d.Connect(), heard: d.Listen(), random: rand.New(rand.NewPCG(15, 3))}
	for _, city := range workloadCities()[:4] {
		for _, rest := range []string{"", "&sort=price", "&min_bedrooms=3&sort=-price"} {
			e.queries = append(e.queries, pages(d, e.api, "properties?city="+city+rest, 3)...)
		}
		e.queries = append(e.queries, "properties/summary?city="+city)
	}
	for id := 1; id <= 930; id += 31 {
		e.queries = append(e.queries, fmt.Sprint("properties/", id))
	}
	e.queries = append(e.queries, "agents", "agents/1", "agents/2", "agents/3", "agents/summary", "photos?property_id=1", "photos?property_id=32,63")
	const agents, photos = "(select id from agents order by id limit 1 offset %d)", "(select id from photos order by id limit 1 offset %d)"
	for _, edit := range []struct {
		what string
		sql  func(n int) string
	}{
		{"an agent's name", func(n int) string {
			return fmt.Sprintf("update agents set name = name || '!' where id = "+agents, n)
		}},
		{"an agent's email", func(n int) string {
			return fmt.Sprintf("update agents set email = 'new' || %d where id = "+agents, n, n)
		}},
		{"a photo added", func(n int) string {
			return fmt.Sprintf("insert into photos (property_id, position, image) values (%d, 9, '<svg/>')", 1+31*n)
		}},
		{"a photo moved", func(n int) string {
			return fmt.Sprintf("update photos set property_id = %d where id = "+photos, 32+31*n, 7*n)
		}},
		{"a photo gone", func(n int) string {
			return fmt.Sprintf("delete from photos where id = "+photos, 50*n)
		}},
		{"another agent", func(n int) string {
			return fmt.Sprintf("update properties set agent_id = (select min(id) from agents where id <> agent_id) where id = %d", 1+31*n)
		}},
	} {
		got := removals{why: map[string]int{}}
		for n := range 5 {
			e.apply(&got, edit.what, edit.sql(n))
		}
		t.Logf("%s: %d edits, %d of %d removals needless", edit.what, got.edits, got.needless, got.removed)
		if got.stale > 0 || got.needless > 0 || got.removed == 0 || got.removed >= got.edits*len(e.queries)/2 {
			t.Errorf("%s: %d stale answers, %d removals of %d queries by %d edits, needless are %v", edit.what, got.stale, got.removed, len(e.queries), got.edits, got.why)
		}
	}
}

// An edit of columns that no description uses is captured by nothing: not by a statement of one row, nor of
// many, in none of the tables.
func TestEditsOfUnusedColumnsLeaveNoChange(t *testing.T) {
	t.Parallel()
	d := shipped(t)
	d.Exec(`alter table properties add column internal text; alter table agents add column internal text; alter table photos add column internal text`)
	d.Invalidate().Stop() // it would take changes away
	for _, table := range []string{"properties", "agents", "photos"} {
		changes := func() (n int) {
			t.Helper()
			d.Must(d.Connect().QueryRow(t.Context(), "select count(*) from freshlist."+table+"_changes").Scan(&n))
			return n
		}
		d.Exec("delete from freshlist." + table + "_changes") // those of the sample
		for _, where := range []string{"where id = (select min(id) from " + table + ")", "", "where false"} {
			d.Exec("update " + table + " set internal = internal || 'x' " + where)
			d.Exec("update " + table + " set internal = 'x' " + where)
			d.Exec("update " + table + " set internal = null, id = id " + where)
		}
		if n := changes(); n != 0 {
			t.Errorf("%s: %d changes are captured of edits that change nothing that is used", table, n)
		}
		used := map[string]string{"properties": "price = price + 1", "agents": "name = name || '!'", "photos": "caption = caption || '!'"}[table]
		d.Exec("update " + table + " set internal = 'y', " + used + " where id = (select min(id) from " + table + ")")
		if n := changes(); n != 1 {
			t.Errorf("%s: %d changes are captured of an edit of one row", table, n)
		}
	}
}
