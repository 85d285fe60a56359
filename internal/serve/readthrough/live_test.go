package readthrough_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// A crawler asks for many more URLs than may be live, random ids among them: live
// stays within its limit, the known pages stay, and what has expired makes room.
func TestLiveQueriesAreBounded(t *testing.T) {
	t.Parallel()
	const most, crawled, crawlers = 300, 3000, 8
	d := deployment.New(t, deployment.Options{Live: most, Bound: time.Second})
	d.Seed(0)
	d.Invalidate()
	api := d.API()
	var known []string
	for city := range 20 {
		known = append(known, fmt.Sprintf("properties?city=CITY_%02d", city))
	}
	for _, q := range known {
		d.Await("room for a known page", func() bool {
			return api.Get(q, render.JSON).CacheStatus == stored || api.Get(q, render.JSON).CacheStatus == hit
		})
	}
	live := func() int64 { return d.Redis.ZCard(d.Context(), d.Space.Live(0)).Val() }

	crawler := d.API(func(p *deployment.Process) { p.Limits.View, p.Limits.Queryset = time.Second, time.Second })
	var wg sync.WaitGroup
	for c := range crawlers {
		random := rand.New(rand.NewPCG(uint64(c), 6))
		wg.Go(func() {
			for i := range crawled / crawlers {
				query := fmt.Sprintf("properties/%d", 1+random.Int64N(1<<40))
				if i%2 == 0 {
					query = fmt.Sprintf("properties?min_price=%d&limit=%d", random.IntN(1_000_000), 1+random.IntN(19))
				}
				if _, err := crawler.Cache.Get(d.Context(), readthrough.Request{Query: d.Query(query)}); err != nil {
					t.Errorf("get %s: %v", query, err)
				}
				if n := live(); n > most {
					t.Errorf("%d queries are live, want at most %d", n, most)
				}
			}
		})
	}
	wg.Wait()
	for _, q := range known {
		if d.Redis.Exists(d.Context(), d.Space.View("json", q)).Val() != 1 {
			t.Errorf("the known page %s has not stayed", q)
		}
		d.Await("a hit of a known page", func() bool { return api.Get(q, render.JSON).CacheStatus == hit })
	}
	d.Await("the expired queries to leave", func() bool { return live() == int64(len(known)) })
	d.Await("room for a new page", func() bool { return api.Get(folsom, render.JSON).CacheStatus == hit })
}

// Two builds with different templates share one Redis: neither ever serves the
// other's bytes, nor renders what the other stored. The twin's builds have one tag.
func TestTwoBuildsOnOneRedis(t *testing.T) {
	t.Parallel()
	for name, twin := range map[string]bool{"guarded": false, "twin": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := listing100(t, deployment.Options{})
			d.Invalidate()
			build := func(name, tag string) *deployment.API {
				return d.API(func(p *deployment.Process) {
					if !twin {
						p.Build = tag
					}
					made := p.Render
					p.Render = func(f render.Format, qs listing.Queryset) (int, []byte) {
						status, body := made(f, qs)
						return status, append([]byte(name+" "), body...)
					}
				})
			}
			apis := map[string]*deployment.API{"old": build("old", strings.Repeat("a", 16)), "new": build("new", strings.Repeat("b", 16))}
			foreign, hits := 0, 0
			for range 4 {
				for name, api := range apis {
					for _, f := range []render.Format{render.JSON, render.HTML, render.JSON} {
						answer := api.Get(folsom, f)
						if !strings.HasPrefix(answer.Body, name+" ") {
							foreign++
						}
						if answer.CacheStatus == hit {
							hits++
						}
					}
				}
			}
			if (foreign > 0) != twin {
				t.Errorf("%d answers are another build's", foreign)
			}
			if hits == 0 {
				t.Error("nothing was a hit")
			}
		})
	}
}
