package invalidate_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// listed is how many listings a test has: enough for the pages of the workload.
const listed = 4000

// workload is the live queries of a busy site: city x price range x bedrooms x
// pages, at most 300.
func workload(api *deployment.API, d *deployment.Deployment) []string {
	d.Helper()
	var queries []string
	for i, city := range workloadCities() {
		for j, prices := range []string{"&max_price=150000", "&min_price=150000&max_price=250000", "&min_price=200000&max_price=300000", "&min_price=250000", "&max_price=350000"} {
			for k, bedrooms := range []string{"", "&min_bedrooms=3", "&max_bedrooms=3"} {
				first := "properties?city=" + city + prices + bedrooms
				if (i+j+k)%2 == 0 {
					first += "&sort=price"
				}
				queries = append(queries, pages(d, api, first, 4)...)
			}
		}
	}
	return queries[:min(len(queries), 300)]
}

func workloadCities() []string {
	return []string{"SACRAMENTO", "ELK_GROVE", "ROSEVILLE", "CITRUS_HEIGHTS", "FOLSOM", "ANTELOPE", "RANCHO_CORDOVA"}
}

// pages returns the first n pages of a list.
func pages(d *deployment.Deployment, api *deployment.API, first string, n int) []string {
	d.Helper()
	queries := []string{canonical(d, first)}
	for len(queries) < n {
		qs, err := api.Reader.Read(d.Context(), d.Query(queries[len(queries)-1]))
		d.Must(err)
		next, ok := qs.NextQuery()
		if !ok {
			break
		}
		queries = append(queries, next.String())
	}
	return queries
}

// canonical spells a query the one way.
func canonical(d *deployment.Deployment, text string) string {
	d.Helper()
	return d.Query(text).String()
}

// tally is what a run of edits came to.
type tally struct{ edits, stale, removed, needless int }

// differential makes random single-row edits and reads every query again after
// each, comparing each answer with the database and each removed one with what it
// was before. It ends early once an answer is stale.
func differential(d *deployment.Deployment, api *deployment.API, queries []string, rows, edits int, random *rand.Rand) (t tally) {
	d.Helper()
	before := readAll(d, api, queries)
	for t.edits < edits && t.stale == 0 {
		t.edits++
		d.AwaitApplied(edit(d, rows, random))
		there := cached(d, queries...)
		now := readAll(d, api, queries)
		for i, q := range queries {
			if now[i].shown != now[i].fresh {
				t.stale++
			}
			if !there[q] {
				t.removed++
				if now[i].shown == before[i].shown {
					t.needless++
				}
			}
		}
		before = now
	}
	return t
}

// edit changes the price, a text or the city of one of so many listings.
func edit(d *deployment.Deployment, rows int, random *rand.Rand) (xid uint64) {
	d.Helper()
	id := 1 + random.IntN(rows)
	switch random.IntN(4) {
	case 0:
		return d.Exec("update properties set title = $2 where id = $1", id, fmt.Sprint("House ", random.Uint64()))
	case 1:
		return d.Exec("update properties set description = $2 where id = $1", id, fmt.Sprint("Has ", random.Uint64()))
	case 2:
		return d.Exec("update properties set city = $2 where id = $1", id, workloadCities()[random.IntN(len(workloadCities()))])
	default:
		return d.Exec("update properties set price = round(price * $2::numeric) where id = $1", id, fmt.Sprintf("%.2f", 0.8+0.4*random.Float64()))
	}
}

// answer is what the cache shows of a query, and what the database has.
type answer struct{ shown, fresh string }

func readAll(d *deployment.Deployment, api *deployment.API, queries []string) []answer {
	d.Helper()
	const readers = 4
	answers := make([]answer, len(queries))
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			for i := r; i < len(queries); i += readers {
				q := d.Query(queries[i])
				shown, err1 := api.Cache.Get(d.Context(), readthrough.Request{Query: q})
				qs, err2 := api.Reader.Read(d.Context(), q)
				if err1 != nil || err2 != nil {
					d.Errorf("read %s: %v, %v", queries[i], err1, err2)
				}
				_, body := render.Body(render.JSON, qs)
				answers[i] = answer{shown.Body, string(body)}
			}
		})
	}
	wg.Wait()
	return answers
}

// Nothing is stale, at least 95 % of the reads are hits, and at most 5 % of the
// removals are needless.
func TestRandomEditsAgainstTheDatabase(t *testing.T) {
	t.Parallel()
	randomEdits(t, listed, 40)
}

// BenchmarkRandomEdits is the same at the size of a large site:
//
//	go test -run '^$' -bench RandomEdits -benchtime 1000x -timeout 30m ./internal/invalidate
func BenchmarkRandomEdits(b *testing.B) {
	got, hits := randomEdits(b, 100_000, b.N)
	b.ReportMetric(float64(got.stale), "stale")
	b.ReportMetric(100*hits, "hit-%")
	b.ReportMetric(float64(got.removed), "removed")
	b.ReportMetric(float64(got.needless), "needless")
	b.ReportMetric(0, "ns/op")
}

// randomEdits makes some edits of so many listings, reading all of the workload after
// each, and returns what that came to and the ratio of hits.
func randomEdits(t testing.TB, rows, edits int) (got tally, hits float64) {
	d := deployment.New(t, deployment.Options{Partitions: 3})
	d.Seed(rows)
	d.Invalidate()
	api := d.API()
	queries := workload(api, d)
	readAll(d, api, queries)
	hit, miss := api.Metrics.Cache(telemetry.View, telemetry.Hit), api.Metrics.Cache(telemetry.View, telemetry.Miss)
	hadHits, hadMisses := hit.Value(), miss.Value()

	got = differential(d, api, queries, rows, edits, rand.New(rand.NewPCG(11, 300)))
	hadHits, hadMisses = hit.Value()-hadHits, miss.Value()-hadMisses
	hits = float64(hadHits) / float64(hadHits+hadMisses)
	t.Logf("%d queries, %d edits: %d removals, %d of them needless; %.2f %% hits", len(queries), got.edits, got.removed, got.needless, 100*hits)
	if len(queries) < 200 || edits > 20 && got.removed < got.edits/2*listed/rows {
		t.Errorf("%d queries and %d removals prove little", len(queries), got.removed)
	}
	if got.stale > 0 {
		t.Errorf("%d answers are stale after %d edits", got.stale, got.edits)
	}
	if hits < 0.95 {
		t.Errorf("%.2f %% hits, want 95", 100*hits)
	}
	if 20*got.needless > got.removed {
		t.Errorf("%d of %d removals were needless, want at most 5 %%", got.needless, got.removed)
	}
	return got, hits
}

// The twin: an invalidator that never learns which queries are live.
func TestRandomEditsFindAnInvalidatorThatDoesNotKnow(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(listed)
	d.Invalidate(deployment.Tamper{Script: "registrations", Old: "if #found == 0 then", New: "if true then"})
	api := d.API()
	if got := differential(d, api, workload(api, d)[:100], listed, 30, rand.New(rand.NewPCG(11, 300))); got.stale == 0 {
		t.Errorf("nothing was stale after %d edits", got.edits)
	}
}
