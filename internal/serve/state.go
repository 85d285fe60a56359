package serve

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/telemetry"
)

const (
	examineEvery   = time.Second
	examineTimeout = time.Second
	epochTime      = 100 * time.Millisecond // for an epoch to begin
	trafficEvery   = time.Minute
)

// watch keeps the state and the description right while nobody asks, and logs what passed
// through the cache, until the function that it returns is called.
func (s *Server) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		every(ctx, examineEvery, func() {
			s.examine(ctx)
			s.State.LogDue()
		})
	})
	running.Go(func() { s.watchDescription(ctx) })
	running.Go(func() {
		var before traffic
		every(ctx, trafficEvery, func() { before = s.logTraffic(ctx, before) })
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// every calls f now, and then once every d, until ctx is done.
func every(ctx context.Context, d time.Duration, f func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for ctx.Err() == nil {
		f()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

// examine finds out why the cache is not used, or that it is.
func (s *Server) examine(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	why, detail := s.Examine(ctx)
	if why == cachestate.NoBeat && s.State.Present().Reason == cachestate.OK {
		// A new epoch removes the beats of the last one, and has its own in a moment.
		select {
		case <-ctx.Done():
		case <-time.After(epochTime):
			why, detail = s.Examine(ctx)
		}
	}
	if ctx.Err() != context.Canceled { // then the errors say nothing
		s.State.Set(why, detail)
	}
}

// traffic is what has been counted at the levels of the cache, nearest the client first.
type traffic [len(trafficLevels)]struct{ hits, misses, bypasses uint64 }

var trafficLevels = [...]telemetry.Level{telemetry.L1, telemetry.View, telemetry.Queryset}

// logTraffic logs what has been counted since before, if there is anything, with what
// Redis counts itself. It returns what has been counted until now.
func (s *Server) logTraffic(ctx context.Context, before traffic) (now traffic) {
	attrs := make([]slog.Attr, 0, len(now)+1)
	for i, level := range trafficLevels {
		count := func(r telemetry.Result) uint64 { return s.Metrics.Cache(level, r).Value() }
		now[i].hits, now[i].misses, now[i].bypasses = count(telemetry.Hit), count(telemetry.Miss), count(telemetry.Bypass)
		hits, misses := now[i].hits-before[i].hits, now[i].misses-before[i].misses
		attrs = append(attrs, slog.Group(level.String(), "hits", hits, "misses", misses, "ratio", rounded(hitRatio(hits, misses)),
			"bypasses", now[i].bypasses-before[i].bypasses))
	}
	if now == before {
		return now
	}
	if k, err := s.keyspace.get(ctx, s.KeyspaceStats); err == nil {
		attrs = append(attrs, slog.Group("redis_keyspace", "hits", k.Hits, "misses", k.Misses, "ratio", rounded(hitRatio(k.Hits, k.Misses))))
	}
	s.Log.LogAttrs(ctx, slog.LevelInfo, "cache traffic of the last minute", attrs...)
	return now
}

// hitRatio is 0 if there was nothing to hit.
func hitRatio(hits, misses uint64) float64 {
	if hits == 0 {
		return 0
	}
	return float64(hits) / float64(hits+misses)
}

// rounded is a ratio as a log shows it.
func rounded(ratio float64) float64 { return math.Round(1e4*ratio) / 1e4 }
