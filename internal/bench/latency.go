package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// latency measures how soon a commit reaches Redis and the caches of API processes
// when nothing else happens, and so the invalidator sleeps.
func (b *bench) latency(ctx context.Context) error {
	_, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	p, err := b.newProber(ctx, api)
	if err != nil {
		return err
	}
	defer p.close()
	var delays sample
	random := rand.New(rand.NewPCG(7, 8))
	for range b.times(400, 10) {
		// Longer than the invalidator stays awake after a change, and in no step with its beats.
		one, err := p.series(ctx, 1, 35*time.Millisecond+time.Duration(random.IntN(10_000))*time.Microsecond)
		if err != nil {
			return err
		}
		delays = append(delays, one...)
	}
	b.percentiles("commit to gone from Redis and L1, idle", delays, atMost(1), atMost(5), "")
	return nil
}

// percentiles reports the median and the 99th percentile of a sample.
func (b *bench) percentiles(what string, delays sample, median, p99 *Target, detail string) {
	b.put(Row{What: what + ": p50", Unit: milliseconds, Value: delays.median(), Target: median, Detail: detail}, delays)
	b.put(Row{What: what + ": p99", Unit: milliseconds, Value: delays.quantile(.99), Target: p99,
		Detail: fmt.Sprintf("slowest of %d: %s", len(delays), figure(delays.quantile(1), milliseconds))}, delays)
}

// What the invalidator has to do with while many queries are live.
const (
	liveQueries     = 100_000
	commitsASecond  = 2000
	refillsASecond  = 200 // of queries that have been purged, at most
	refillers       = 2   // clients that do so
	manyLiveSeconds = 24
)

// manyLive measures the invalidator's memory with many live queries, and how soon
// commits are applied when many come.
func (b *bench) manyLive(ctx context.Context) error {
	invalidator, api, err := b.pair(ctx, "L1_MAX_BYTES=16MiB")
	if err != nil {
		return err
	}
	want := b.times(liveQueries, 1000)
	if err := b.fill(ctx, invalidator, api, want); err != nil {
		return err
	}
	memory := func() (sample, error) {
		rss, err := invalidator.metric(ctx, "process_resident_memory_bytes")
		return sample{rss / (1 << 20)}, err
	}
	before, err := memory()
	if err != nil {
		return err
	}
	if err := b.commitsBeside(ctx, api); err != nil {
		return err
	}
	after, err := memory()
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("memory of the invalidator, %d live queries", want), megabytes, sample{math.Max(before[0], after[0])}, atMost(150),
		"resident: %.0f MB once known, %.0f MB after the commits", before[0], after[0])
	return nil
}

// fill makes so many queries live, and returns when the invalidator knows them.
func (b *bench) fill(ctx context.Context, invalidator, api *process, queries int) error {
	l, err := dial(api.addr, connections)
	if err != nil {
		return err
	}
	defer l.close()
	// Two listings a page: the values are small, and edits touch a few queries each.
	if _, err := l.run(time.Now().Add(3*time.Minute), inOrder(requestsOf(filters(queries, "&limit=2")))); err != nil {
		return err
	}
	live, err := b.live(ctx)
	if err == nil && live < int64(queries)*99/100 {
		err = fmt.Errorf("%d queries are live, not %d", live, queries)
	}
	if err != nil {
		return err
	}
	return await(ctx, time.Minute, "the invalidator knows all live queries", func() (bool, error) {
		n, err := invalidator.liveQueries(ctx)
		return int64(n) >= live, err
	})
}

// commitsBeside measures latency while writers commit at a fixed rate. What they
// purge is read again, as readers would.
func (b *bench) commitsBeside(ctx context.Context, api *process) error {
	p, err := b.newProber(ctx, api)
	if err != nil {
		return err
	}
	defer p.close()
	script, err := b.script("update.sql", fmt.Sprintf(updateOne, probed+1, b.rows))
	if err != nil {
		return err
	}
	stop, err := p.refill(api)
	if err != nil {
		return err
	}
	delays, rate, err := p.beside(ctx, 5*time.Millisecond, func() (float64, error) {
		return b.pgbench(ctx, captured, script, "off", fmt.Sprint("--rate=", commitsASecond), fmt.Sprint("--time=", b.times(manyLiveSeconds, 1)))
	})
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	live, err := b.live(ctx)
	if err != nil {
		return err
	}
	b.percentiles(fmt.Sprintf("commit to gone, %d commits/s, %d live queries", commitsASecond, b.times(liveQueries, 1000)), delays, nil, atMost(20),
		fmt.Sprintf("%.0f commits/s came about; %d queries live at the end", rate, live))
	return nil
}

// refill reads again what the prober hears to be purged, a bounded number each second,
// until the function that it returns is called, which returns the first error.
func (p *prober) refill(api *process) (stop func() error, err error) {
	queries := make(chan string, 100_000)
	next := func() []byte {
		select {
		case query := <-queries:
			return get("/v1/" + query)
		default:
			return nil
		}
	}
	var stops []func() error
	stop = func() error {
		p.tell(nil)
		var failed []error
		for _, stop := range stops {
			failed = append(failed, stop())
		}
		return errors.Join(failed...)
	}
	for range refillers {
		one, err := steadily(api, time.Second*refillers/refillsASecond, next)
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		stops = append(stops, one)
	}
	p.tell(queries)
	return stop, nil
}
