package rediscache_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// priced is a cache on a server of its own, whose CPU and memory are looked at.
type priced struct {
	*testing.B
	rdb    *redis.Client
	space  rediskey.Space
	reader *rediscache.Reader
	purger *rediscache.Purger
	origin string
}

func newPriced(b *testing.B) *priced {
	b.Helper()
	p := &priced{B: b, rdb: redistest.Start(b).Client(b), space: rediskey.Space{Prefix: "freshlist", Partitions: 1}}
	p.reader = rediscache.NewReader(p.rdb, p.space, build, rediscache.Limits{
		Lease: time.Minute, View: time.Hour, Queryset: time.Hour, Live: 10_000_000,
	})
	p.purger = rediscache.NewPurger(p.rdb, p.space, time.Minute, func(context.Context) error { return nil })
	leader := rediscache.Leader{Term: 1, Epoch: rediscache.NewEpoch(), Server: "start", Database: "7/5"}
	p.origin = leader.Epoch + " " + leader.Server + " " + leader.Database
	p.must(p.purger.BeginEpoch(b.Context(), leader, rediscache.NewGenerations(1)))
	clock, err := p.purger.ReadClock(b.Context())
	p.must(err)
	p.must(p.purger.PublishBeat(b.Context(), rediscache.Proof{Noted: clock.Noted, Applied: "10:20:"}))
	return p
}

func (p *priced) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// info returns the sum of numbers that Redis tells of itself.
func (p *priced) info(section string, names ...string) (sum float64) {
	p.Helper()
	text, err := p.rdb.Info(p.Context(), section).Result()
	p.must(err)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		for _, wanted := range names {
			if name == wanted {
				n, err := strconv.ParseFloat(value, 64)
				p.must(err)
				sum += n
			}
		}
	}
	return sum
}

// cpu returns the CPU time that Redis takes for something, in microseconds.
func (p *priced) cpu(do func()) float64 {
	p.Helper()
	before := p.info("cpu", "used_cpu_sys", "used_cpu_user")
	do()
	return 1e6 * (p.info("cpu", "used_cpu_sys", "used_cpu_user") - before)
}

func query16(n int) string { return "properties?city=" + fmt.Sprintf("CITY%07d", n) }

// each calls do for the numbers below n, sixteen at a time, as the requests of a process come.
func (p *priced) each(n int, do func(n int) error) {
	p.Helper()
	var all sync.WaitGroup
	failed := make(chan error, 16)
	for worker := range 16 {
		all.Go(func() {
			for i := worker; i < n; i += 16 {
				if err := do(i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		p.Fatal(err)
	default:
	}
}

// fill caches n queries: rows of 3 KB, a view of 6 KB and its gzip of 1.5 KB each.
func (p *priced) fill(n int) {
	p.Helper()
	rows, body, zipped := []byte(strings.Repeat("r", 3<<10)), strings.Repeat("v", 6<<10), strings.Repeat("z", 3<<9)
	p.each(n, func(i int) error {
		lease, _, err := p.reader.Acquire(p.Context(), query16(i))
		if err != nil {
			return err
		}
		return p.reader.Fill(p.Context(), lease, rediscache.Entry{
			Origin: p.origin, Window: "1/1/2/2|,4|*", Queryset: rows, Format: "json",
			View: rediscache.View{Status: 200, ETag: tag, Body: body, Gzip: zipped},
		})
	})
}

// BenchmarkCosts measures what a unit of work costs Redis in CPU and memory, each at three sizes: what
// is linear can be counted together for more than one machine can show. docs/scaling.md does that.
func BenchmarkCosts(b *testing.B) {
	for _, live := range []int{1_000, 4_000, 16_000} {
		b.Run(fmt.Sprintf("query/live=%d", live), func(b *testing.B) {
			for b.Loop() {
				p := newPriced(b)
				units := float64(live)
				memory := p.info("memory", "used_memory")
				b.ReportMetric(p.cpu(func() { p.fill(live) })/units, "us/fill")
				b.ReportMetric((p.info("memory", "used_memory")-memory)/units, "bytes/query")
				b.ReportMetric(p.cpu(func() {
					p.each(live, func(i int) error {
						found, err := p.reader.Lookup(b.Context(), "json", query16(i))
						if err == nil && found.View == nil {
							err = fmt.Errorf("%s is not found", query16(i))
						}
						return err
					})
				})/units, "us/look")
				p.each(live, func(i int) error {
					m, err := p.reader.Moment(b.Context(), "json", query16(i), "here", time.Minute)
					if err == nil {
						err = p.reader.KeepMoment(b.Context(), m, rediscache.View{Status: 200, ETag: tag, Body: strings.Repeat("v", 6<<10)})
					}
					return err
				})
				b.ReportMetric(p.cpu(func() {
					p.each(live, func(i int) error {
						m, err := p.reader.Moment(b.Context(), "json", query16(i), "here", time.Minute)
						if err == nil && m.View == nil {
							err = fmt.Errorf("no moment of %s", query16(i))
						}
						return err
					})
				})/units, "us/moment")
				known := 0
				b.ReportMetric(p.cpu(func() {
					p.must(p.purger.Registrations(b.Context(), func(rediscache.Registration) { known++ }))
				})/units, "us/registration")
				if known < live {
					b.Fatalf("%d registrations, want %d", known, live)
				}
				var all []string
				for i := range live {
					all = append(all, query16(i))
				}
				b.ReportMetric(p.cpu(func() { p.must(p.purger.Purge(b.Context(), all, ignore)) })/units, "us/purge")
				if left, err := p.rdb.ZCard(b.Context(), p.space.Live(0)).Result(); err != nil || left != 0 {
					b.Fatalf("%d queries are left, %v", left, err)
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
	for _, subscribers := range []int{10, 100, 1_000} {
		b.Run(fmt.Sprintf("purge/subscribers=%d", subscribers), func(b *testing.B) {
			for b.Loop() {
				p := newPriced(b)
				const calls, large, names = 100, 10, 100 // calls of one query, and some of many
				purge := func(calls, names int) func() {
					var all []string
					for i := range names {
						all = append(all, query16(i))
					}
					return func() {
						for range calls {
							p.must(p.purger.Purge(b.Context(), all, ignore))
						}
					}
				}
				one, many := p.cpu(purge(calls, 1))/calls, p.cpu(purge(large, names))/large
				var subscriptions []*redis.PubSub
				for range subscribers {
					s := p.rdb.Subscribe(b.Context(), p.space.Purged(0))
					_, err := s.Receive(b.Context())
					p.must(err)
					subscriptions = append(subscriptions, s)
				}
				heard := func(messages int, do func()) func() {
					return func() {
						var all sync.WaitGroup
						for _, s := range subscriptions {
							all.Go(func() {
								for range messages {
									if _, err := s.ReceiveMessage(b.Context()); err != nil {
										b.Error(err)
										return
									}
								}
							})
						}
						do()
						all.Wait()
					}
				}
				one = p.cpu(heard(calls, purge(calls, 1)))/calls - one
				many = p.cpu(heard(large, purge(large, names)))/large - many
				b.ReportMetric(one/float64(subscribers), "us/call/subscriber")
				b.ReportMetric((many-one)/(names-1)/float64(subscribers), "us/name/subscriber")
				for _, s := range subscriptions {
					p.must(s.Close())
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
