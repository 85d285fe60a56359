package main

import (
	"context"
	"crypto/rand"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// activityEvery is how often the process writes its row of counters. One takes about 0.1 ms, most
// of it waiting.
const activityEvery = time.Second

// showActivity writes what this process has counted to Redis, for commands and the dashboard,
// until the function that it returns is called. Whether it succeeds matters to nobody else: that
// Redis is down is said elsewhere.
func showActivity(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, m *telemetry.API, state *cachestate.State, address string) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	host, _ := os.Hostname() // "" if it has no name
	self := activity.Process{
		ID: rand.Text(), Host: host, PID: os.Getpid(), Address: address, Version: cli.Version(), Started: time.Now(),
	}
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(activityEvery)
		defer tick.Stop()
		for before := (telemetry.Reading{}); ctx.Err() == nil; {
			now := m.Read(before)
			row, present := now.Process, state.Present()
			row.ID, row.Host, row.PID, row.Address, row.Version, row.Started = self.ID, self.Host, self.PID, self.Address, self.Version, self.Started
			row.At, row.Caching, row.Reason = time.Now(), present.Reason == cachestate.OK, present.Reason.String()
			_ = rediscache.WriteProcess(ctx, rdb, space, row)
			before = now
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}
