package invalidate_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// joined returns a deployment of homes, agents and photos, with rows of the others inside each.
func joined(t testing.TB, o deployment.Options) *deployment.Deployment {
	t.Helper()
	d := deployment.New(t, o)
	d.Exec(listingtest.JoinedSQL)
	done, err := schema.InstallFile(t.Context(), d.Connect(), schema.File{Name: "joined.yaml", Text: listingtest.JoinedListings})
	d.Must(err)
	d.Site = listing.NewSite(done.Description)
	d.Exec(`
		insert into joined_agents (code, name, office) values ('a', 'Ann', 1), ('b', 'Bob', 1), ('c', 'Cem', 2);
		insert into joined_homes (id, title, price, listed, agent, seller, next_to) values
			(1, 'One', 100, '2024-01-01Z', 'a', 'c', 4), (2, 'Two', 200, '2024-01-02Z', 'gone', null, null),
			(3, 'Three', 300, '2024-01-03Z', 'a', 'a', 3), (4, 'Four', 400, '2024-01-04Z', 'b', 'gone', 1), (5, 'Five', null, '2024-01-05Z', null, null, 1);
		insert into joined_photos (id, home, position, url) select ('00000000-0000-0000-0000-00000000000' || n)::uuid, 1 + n / 2, n, 'u' || n
			from generate_series(0, 7) as n`)
	return d
}

const aPhoto = "photos/00000000-0000-0000-0000-000000000001"

// joinedPages are answers that show inner rows, and some that do not.
var joinedPages = []string{
	"homes", "homes?sort=price&limit=2", "homes?min_price=400", "homes/1", "homes/2", "homes/9", "homes/summary",
	"agents", "agents/a", "agents/gone", "photos", aPhoto,
}

// What an edit of rows that are shown inside others removes, to the entry: nothing that did not
// look for them.
func TestEditOfInnerRowsRemovesWhatShowsThem(t *testing.T) {
	t.Parallel()
	eachPartitioning(t, func(t *testing.T, partitions int) {
		d := joined(t, deployment.Options{Partitions: partitions})
		d.Invalidate()
		api := d.API()
		for _, test := range []struct {
			edit string
			gone []string
		}{
			{"update joined_agents set name = 'Anna' where code = 'a'", []string{"homes", "homes?sort=price&limit=2", "homes/1", "agents", "agents/a"}},
			{"update joined_agents set phone = '1' where code = 'a'", []string{"agents/a"}},
			{"update joined_agents set office = 7, unused = 'x' where code = 'a'", nil},
			{"update joined_agents set name = 'Cemal' where code = 'c'", []string{"homes/1", "agents"}},
			{"insert into joined_agents (code, name) values ('gone', 'Ben')", []string{
				"homes", "homes?sort=price&limit=2", "homes/2", "agents", "agents/gone",
			}},
			{"update joined_photos set url = 'new' where id = '00000000-0000-0000-0000-000000000006'", []string{"homes", "homes?min_price=400", "photos"}},
			{"update joined_photos set caption = 'new' where home = 1", []string{aPhoto}},
			{"update joined_photos set position = 99 where id = '00000000-0000-0000-0000-000000000006'", []string{"homes", "homes?min_price=400"}},
			{"update joined_photos set home = 1 where id = '00000000-0000-0000-0000-000000000006'", []string{
				"homes", "homes?sort=price&limit=2", "homes?min_price=400", "homes/1",
			}},
			{"update joined_photos set home = 9 where id = '00000000-0000-0000-0000-000000000004'", []string{"homes", "homes/9"}},
			{"update joined_homes set agent = 'b' where id = 4", nil},
			{"update joined_homes set agent = 'c' where id = 4", []string{"homes", "homes?min_price=400", "agents"}},
			{"update joined_homes set seller = 'c' where id = 2", []string{"homes/2"}},
			{"update joined_homes set title = 'Vier' where id = 4", []string{
				"homes", "homes?sort=price&limit=2", "homes?min_price=400", "homes/1", "agents",
			}},
			{"delete from joined_homes where id = 5", []string{"homes", "homes/1", "homes/summary"}},
			{"update joined_photos set home = 3 where home = 1 and position > 50; update joined_photos set home = 1 where home = 3", []string{
				"homes", "homes?sort=price&limit=2", "homes/1",
			}},
			{"truncate joined_photos", []string{
				"homes", "homes?sort=price&limit=2", "homes?min_price=400", "homes/1", "homes/2", "homes/9", "photos", aPhoto,
			}},
		} {
			warm(d, api, joinedPages...)
			d.AwaitApplied(d.Exec(test.edit))
			there := cached(d, joinedPages...)
			maps.DeleteFunc(there, func(_ string, there bool) bool { return there })
			gone := slices.Sorted(maps.Keys(there))
			slices.Sort(test.gone)
			if !slices.Equal(gone, test.gone) {
				t.Errorf("%s: gone are\n%q, want\n%q", test.edit, gone, test.gone)
			}
			for _, q := range joinedPages {
				if body := api.Get(q, render.JSON).Body; body != api.Fresh(q, render.JSON) {
					t.Errorf("%s: %s is stale: %s", test.edit, q, body)
				}
			}
		}
	})
}

// An edit of inner rows, of the outer row's joining column, or of both, while an answer is being
// read: what was read is not stored.
func TestInnerRowsEditedDuringARead(t *testing.T) {
	t.Parallel()
	d := joined(t, deployment.Options{})
	d.Invalidate()
	gate := deployment.NewGate()
	api, reader := d.API(), d.API(gate.Install)
	for _, q := range []string{"homes/1", "homes?sort=price&limit=2"} {
		for n, edit := range []string{
			"update joined_photos set home = 1 where id = '00000000-0000-0000-0000-000000000007'",
			"update joined_photos set home = 4 where id = '00000000-0000-0000-0000-000000000007'",
			"delete from joined_agents where code = 'a'",
			"insert into joined_agents (code, name) values ('a', 'Ann')",
			"update joined_homes set agent = 'c' where id = 1",
			"update joined_agents set name = name || '!' where code = 'c'",
			"update joined_homes set agent = 'a' where id = 1",
		} {
			warm(d, api, q)                                                                                 // with the covers of an earlier answer
			d.AwaitApplied(d.Exec(fmt.Sprint("update joined_homes set price = 50 + ", n, " where id = 1"))) // which is gone
			done := make(chan string)
			go func() { done <- reader.Get(q, render.JSON).Body }()
			read := <-gate.Reads
			d.AwaitApplied(d.Exec(edit))
			read.Resume()
			<-done
			if body := api.Get(q, render.JSON).Body; body != api.Fresh(q, render.JSON) {
				t.Errorf("%s, while %s is read: %s", edit, q, body)
			}
			if n, err := d.Redis.Exists(t.Context(), d.Space.Lease(q)).Result(); err != nil || n > 0 {
				t.Errorf("%s, while %s is read: the lease is left, %v", edit, q, err)
			}
		}
	}
}

// Random edits of inner and outer rows, in one transaction and in two: photos move between homes,
// homes get other agents, agents come and go. Nothing is stale.
func TestRandomEditsOfInnerAndOuterRows(t *testing.T) {
	t.Parallel()
	d := joined(t, deployment.Options{Partitions: 2})
	d.Invalidate()
	api, past := d.API(), d.Connect()
	random := rand.New(rand.NewPCG(1, 2))
	id := func() int { return 1 + random.IntN(6) }
	code := func() string { return []string{"'a'", "'b'", "'gone'", "null"}[random.IntN(4)] }
	edits := []func() string{
		func() string {
			return fmt.Sprintf("update joined_photos set home = nullif(%d, 6) where position = %d", id(), random.IntN(8))
		},
		func() string {
			return fmt.Sprintf("update joined_photos set home = %d where home = %d", id(), id())
		},
		func() string {
			return fmt.Sprintf("update joined_photos set position = position + %d where home = %d", 1-2*random.IntN(2), id())
		},
		func() string {
			return fmt.Sprintf("update joined_photos set url = 'v%d' where position = %d", random.IntN(1000), random.IntN(8))
		},
		func() string {
			return fmt.Sprintf("insert into joined_photos (id, home, position, url) values (gen_random_uuid(), %d, %d, 'new')", id(), random.IntN(8))
		},
		func() string {
			return fmt.Sprintf("delete from joined_photos where position = %d and url = 'new'", random.IntN(8))
		},
		func() string {
			return fmt.Sprintf("update joined_agents set name = 'N%d' where code = %s", random.IntN(1000), code())
		},
		func() string {
			return fmt.Sprintf("delete from joined_agents where code = %s", code())
		},
		func() string {
			return fmt.Sprintf("insert into joined_agents (code, name) values (coalesce(%s, 'c'), 'New') on conflict do nothing", code())
		},
		func() string {
			return fmt.Sprintf("update joined_homes set agent = %s, seller = %s where id = %d", code(), code(), id())
		},
		func() string {
			return fmt.Sprintf("update joined_homes set next_to = nullif(%d, 6) where id = %d", id(), id())
		},
		func() string {
			return fmt.Sprintf("update joined_homes set title = 'T%d', price = %d where id = %d", random.IntN(1000), 100*id(), id())
		},
		func() string { return fmt.Sprintf("delete from joined_homes where id = %d", id()) },
		func() string {
			return fmt.Sprintf("insert into joined_homes (id, title, agent, next_to) values (%d, 'New', %s, %d) on conflict do nothing", id(), code(), id())
		},
	}
	for range 50 {
		for _, q := range joinedPages {
			if random.IntN(3) > 0 {
				api.Get(q, render.JSON)
			}
		}
		tx, err := past.Begin(t.Context())
		d.Must(err)
		for range 1 + random.IntN(3) {
			edit := edits[random.IntN(len(edits))]()
			_, err := tx.Exec(t.Context(), edit)
			d.Must(err)
		}
		for _, q := range joinedPages {
			if random.IntN(3) == 0 {
				api.Get(q, render.JSON) // the transaction is open
			}
		}
		between := make(chan uint64)
		edit := edits[random.IntN(len(edits))]()
		go func() { between <- d.Exec(edit) }() // perhaps of rows that the transaction has locked
		d.Must(tx.Commit(t.Context()))
		<-between
		d.AwaitApplied(d.Exec(edits[random.IntN(len(edits))]()))
		for _, q := range joinedPages {
			if body := api.Get(q, render.JSON).Body; body != api.Fresh(q, render.JSON) {
				t.Fatalf("%s is stale: %s, want %s", q, body, api.Fresh(q, render.JSON))
			}
		}
	}
}
