package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

const (
	redisBudget = 100 * time.Millisecond // for one call; then the page is served without Redis
	leaseTime   = 5 * time.Second        // for one fill
	drainTime   = 10 * time.Second       // for the requests that have begun when the process is told to stop
)

// serveAPI serves until ctx is done.
func serveAPI(ctx context.Context, getenv config.Getenv, stderr io.Writer) (err error) {
	c, err := config.LoadAPI(getenv)
	if err != nil {
		return err
	}
	log := telemetry.NewLogger(stderr, c.Log)
	metrics := telemetry.NewAPI()
	pool, err := database.Open(database.Config{
		URL: c.DatabaseURL.Reveal(), Application: "freshlist-api", MaxConns: c.DatabaseMaxConns, Timeout: c.RequestTimeout,
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	rdb, err := cache.Connect(c.RedisURL.Reveal(), redisBudget)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	if warning, err := cache.CheckServer(ctx, rdb); err != nil || warning != "" {
		log.WarnContext(ctx, "the cache may be unusable; reads go on from PostgreSQL", "warning", warning, "error", err)
	}
	server := serve.New(serve.Options{
		Reads:      reads(c, rdb, pool, metrics),
		Writes:     database.NewWriter(pool),
		Ready:      pool.Ping,
		WriteToken: c.WriteToken.Reveal(),
		Timeout:    c.RequestTimeout,
		Keyspace: func(ctx context.Context) (serve.Keyspace, error) {
			k, err := cache.ReadKeyspace(ctx, rdb)
			return serve.Keyspace(k), err
		},
		Metrics: metrics,
		Log:     log,
	})
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen on HTTP_ADDR: %w", err)
	}
	log.InfoContext(ctx, "serving", "address", listener.Addr().String(), "cache", c.Cache)
	return server.Run(ctx, listener, drainTime)
}

// reads makes the way from a request to an answer: Redis, and behind it PostgreSQL.
func reads(c config.API, rdb *redis.Client, pool *database.Pool, metrics *telemetry.API) *readthrough.Cache {
	space := rediskey.Space{Prefix: c.RedisPrefix, Partitions: c.RedisPartitions}
	limits := cache.Limits{Lease: leaseTime, View: c.ViewTTL, Queryset: c.QuerysetTTL, Live: c.LiveMax}
	return readthrough.New(readthrough.Config{
		Store:   cache.NewReader(rdb, space, render.BuildTag(), limits),
		Source:  database.NewReader(pool, metrics.DatabaseReads.Inc),
		Render:  body,
		Metrics: metrics,
		Bound:   c.StalenessBound,
		Timeout: c.RequestTimeout,
		Off:     !c.Cache,
	})
}

// body renders a queryset in a format of the cache.
func body(f readthrough.Format, qs listing.Queryset) (status int, text []byte) {
	if f == readthrough.HTML {
		return render.Body(render.HTML, qs)
	}
	return render.Body(render.JSON, qs)
}
