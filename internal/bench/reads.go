package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// connections is how many clients read at once.
const connections = 16

// page is what the hits are measured with: a page of twenty, some 5 kB.
const page = "/v1/properties?city=FOLSOM"

// reads compares hits with handlers that have nothing to decide, and misses with the
// same API without a cache.
func (b *bench) reads(ctx context.Context) error {
	_, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	if err := b.hits(ctx, api, "L1 hit / constant Echo handler", "freshlist-l1; hit", false, atLeast(.95)); err != nil {
		return err
	}
	remote, err := b.api(ctx, "L1_MAX_BYTES=0")
	if err != nil {
		return err
	}
	if err := b.hits(ctx, remote, "Redis hit / Echo handler with a bare GET", "freshlist-view; hit", true, atLeast(.90)); err != nil {
		return err
	}
	return b.misses(ctx, api)
}

// hits compares an API process, all of whose answers are hits of one kind, with a
// baseline that sends the same bytes.
func (b *bench) hits(ctx context.Context, api *process, what, status string, fromRedis bool, target *Target) error {
	ours, err := dial(api.addr, connections)
	if err != nil {
		return err
	}
	defer ours.close()
	size, err := warm(ctx, ours, page, status)
	if err != nil {
		return err
	}
	baseline, err := b.baseline(ctx, api, fromRedis)
	if err != nil {
		return err
	}
	theirs, err := dial(baseline.addr, connections)
	if err != nil {
		return err
	}
	defer theirs.close()
	if a, err := theirs.do(get(page)); err != nil || a.size != size {
		return errors.Join(err, fmt.Errorf("the baseline sends %d bytes, freshlist %d", a.size, size))
	}
	request := get(page)
	rate := func(l *load, cached bool) func() (float64, error) {
		return func() (float64, error) {
			t, err := l.run(time.Now().Add(b.slice()), func() []byte { return request })
			if err == nil && cached && float64(t.hits) < .99*float64(t.answers) {
				err = fmt.Errorf("%d of %d answers are no hits", t.answers-t.hits, t.answers)
			}
			return t.rate(), err
		}
	}
	p, err := alternate(b.times(12, 2), rate(ours, true), rate(theirs, true))
	if err != nil {
		return err
	}
	b.add(what, ratio, p.ratio(), target, "%.0f/s, %.0f/s; %d bytes, %d connections",
		p.ours.median(), p.theirs.median(), size, connections)
	return nil
}

// warm asks until the answer is a hit of one kind, and returns its size.
func warm(ctx context.Context, l *load, target, status string) (size int, err error) {
	err = await(ctx, 10*time.Second, target+" is a "+status, func() (bool, error) {
		a, err := l.do(get(target))
		size = a.size
		return string(a.cacheStatus) == status, err
	})
	return size, err
}

// baselineKey is what the baseline's handler gets from Redis.
const baselineKey = "bench:answer"

// baseline starts a handler that answers as the API has just answered.
func (b *bench) baseline(ctx context.Context, api *process, fromRedis bool) (*process, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+api.addr+page, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Header.Del("Connection") // of this request only
	text, err := json.Marshal(map[string]any{"Status": response.StatusCode, "Header": response.Header, "Body": body})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, fmt.Sprintf("answer-%d.json", b.started))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	env := []string{"BASELINE_ANSWER=" + file}
	if fromRedis {
		env = append(env, "BASELINE_KEY="+baselineKey)
		if err := b.rdb.Set(ctx, baselineKey, body, 0).Err(); err != nil {
			return nil, err
		}
	}
	return b.start(ctx, "baseline", b.programs.baseline, "HTTP_ADDR", page, env)
}

// misses compares queries that nobody has asked before, which are registered, read
// and stored, with the same ones read without a cache.
func (b *bench) misses(ctx context.Context, api *process) error {
	off, err := b.api(ctx, "CACHE=off")
	if err != nil {
		return err
	}
	requests := requestsOf(ranges(b.times(5000, 300)))
	rate := func(p *process, purge bool) func() (float64, error) {
		return func() (float64, error) {
			if purge {
				if err := b.purgeAll(ctx); err != nil {
					return 0, err
				}
			}
			l, err := dial(p.addr, connections)
			if err != nil {
				return 0, err
			}
			defer l.close()
			t, err := l.run(time.Now().Add(time.Minute), inOrder(requests))
			if err == nil && (t.answers < len(requests) || t.hits > 0) {
				err = fmt.Errorf("%d answers, %d hits to %d queries", t.answers, t.hits, len(requests))
			}
			return t.rate(), err
		}
	}
	p, err := alternate(b.times(8, 2), rate(api, true), rate(off, false))
	if err != nil {
		return err
	}
	b.add("miss, stored / the same query with CACHE=off", ratio, p.ratio(), atLeast(.60), "%.0f/s, %.0f/s; %d distinct queries, %d connections",
		p.ours.median(), p.theirs.median(), len(requests), connections)
	return nil
}

// inOrder hands out requests one after the other.
func inOrder(requests [][]byte) func() []byte {
	i := 0
	return func() []byte {
		if i == len(requests) {
			return nil
		}
		i++
		return requests[i-1]
	}
}

func requestsOf(targets []string) [][]byte {
	requests := make([][]byte, len(targets))
	for i, target := range targets {
		requests[i] = get(target)
	}
	return requests
}
