package invalidate_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// startStandby starts an invalidator and does not wait. It ends when stop is called, or with the test.
func startStandby(d *deployment.Deployment, spare int) (_ *invalidate.Invalidator, stop func()) {
	d.Helper()
	i := invalidate.New(invalidate.Config{
		DatabaseURL: d.Database.Invalidator, Redis: d.Client(max(d.Bound/2, time.Second)), Space: d.Space, Bound: d.Bound,
		Log: slog.New(slog.NewTextHandler(d.Output(), nil)), Metrics: telemetry.NewInvalidator(),
	})
	i.SetSpare(spare)
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = i.Run(ctx) // it returns nil when ctx is done
	}()
	stop = func() { cancel(); <-done }
	d.Cleanup(stop)
	return i, stop
}

func awaitKnown(d *deployment.Deployment, i *invalidate.Invalidator, queries int) {
	d.Helper()
	d.Await(fmt.Sprint("a standby to know queries: ", queries), func() bool { return i.Report().Live == queries })
}

// A standby reads ahead which queries are live. When it leads it reads the rest, and purges all.
func TestStandbyReadsAhead(t *testing.T) {
	t.Parallel()
	eachPartitioning(t, func(t *testing.T, partitions int) {
		const many = 700 // more than one call reads
		d := deployment.New(t, deployment.Options{Partitions: partitions})
		first := d.Invalidate()
		listings(d, "FOLSOM", 1, 2)
		next := d.Standby()
		ahead := views("properties?city=FOLSOM&min_price=%d", many)
		fill(d, ahead)
		awaitKnown(d, next.Invalidator, many)
		read := next.Metrics.Registrations.Value()
		first.Stop()
		next.AwaitBeat(d)
		if more := next.Metrics.Registrations.Value() - read; more > 20 { // the last fills may have come later
			t.Errorf("%d registrations have been read after the standby knew all queries", more)
		}
		fill(d, []string{folsom})
		d.AwaitApplied(d.Exec("update properties set price = price + 1 where id = 2"))
		if n := present(d, append(ahead, folsom)); n != 0 {
			t.Errorf("%d queries are still there", n)
		}
	})
}

// A standby is not told which queries have gone. Once it knows very many more than are live it begins again.
func TestStandbyForgetsWhatIsGone(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Invalidate()
	listings(d, "FOLSOM", 1, 2)
	next, _ := startStandby(d, 20)
	gone := views("properties?city=FOLSOM&min_price=%d", 100)
	fill(d, append(gone, "properties/99"))
	awaitKnown(d, next, 101)
	d.AwaitApplied(d.Exec("update properties set price = price + 1 where id = 2"))
	awaitKnown(d, next, 1)
}

// BenchmarkTakeover measures how long it takes from the end of a leader to the first beat of the next one, with
// up to 1,000,000 live queries: of a standby that has read ahead, and of a process that has just been started. It
// takes some minutes and 4 GB of memory:
//
//	go test -run '^$' -bench Takeover -benchtime 1x -timeout 30m ./internal/invalidate
func BenchmarkTakeover(b *testing.B) {
	for _, live := range []int{10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(live), func(b *testing.B) {
			for b.Loop() {
				d := deployment.New(b, deployment.Options{Bound: time.Second, Redis: redistest.Start(b)})
				d.Invalidate().Stop()
				registerMany(d, live)
				locks := d.Connect() // keeps others from leading
				d.Must(locks.QueryRow(b.Context(), "select pg_advisory_lock($1)", schema.LeaderLock).Scan(nil))
				began := time.Now()
				warm, stop := startStandby(d, aheadSpare)
				for warm.Report().Live < live {
					<-time.After(time.Millisecond)
				}
				b.ReportMetric(time.Since(began).Seconds(), "ahead-s")
				began = time.Now()
				d.Must(locks.Close(b.Context()))
				b.ReportMetric(firstBeat(warm).Sub(began).Seconds(), "warm-s")
				stop()
				began = time.Now()
				cold, stop := startStandby(d, aheadSpare)
				b.ReportMetric(firstBeat(cold).Sub(began).Seconds(), "cold-s")
				stop()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

const aheadSpare = 10_000

// firstBeat waits for the first beat of an invalidator, and returns when that was.
func firstBeat(i *invalidate.Invalidator) time.Time {
	for i.Metrics.Beats.Value() == 0 {
		<-time.After(time.Millisecond)
	}
	return time.Now()
}

// registerMany makes very many queries live at once, past the scripts, with something small cached of each.
func registerMany(d *deployment.Deployment, live int) {
	d.Helper()
	const batch = 1000
	for from := 0; from < live; from += batch {
		pipe := d.Redis.Pipeline()
		for n := from + 1; n <= from+batch; n++ {
			low := 1000 * (n / 500)
			query := fmt.Sprintf("properties?city=CITY_%d&min_price=%d&max_price=%d", n%500, low, low+5000)
			pipe.Set(d.Context(), d.Space.Queryset(query), "", 0)
			pipe.ZAdd(d.Context(), d.Space.Live(0), redis.Z{Score: float64(n), Member: query})
		}
		pipe.HIncrBy(d.Context(), d.Space.Fence(0), "registered", batch)
		pipe.HIncrBy(d.Context(), d.Space.Fence(0), "live", batch)
		_, err := pipe.Exec(d.Context())
		d.Must(err)
	}
}
