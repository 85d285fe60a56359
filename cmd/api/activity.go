package main

import (
	"context"
	"crypto/rand"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/serve"
)

// showActivity writes what this process has counted to Redis, until the function that it returns
// is called.
func showActivity(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, server *serve.Server, address string) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	host, _ := os.Hostname() // "" if it has no name
	self := activity.Process{
		ID: rand.Text(), Host: host, PID: os.Getpid(), Address: address, Version: cli.Version(), Started: time.Now(),
	}
	var running sync.WaitGroup
	running.Go(func() {
		server.ShowActivity(ctx, self, func(ctx context.Context, row activity.Process) error {
			return rediscache.WriteProcess(ctx, rdb, space, row)
		})
	})
	return func() {
		cancel()
		running.Wait()
	}
}
