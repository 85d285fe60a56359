package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
	"github.com/freshlist/freshlist/internal/tracing"
)

const (
	redisBudget = 100 * time.Millisecond // for one call; then the page is served without Redis
	leaseTime   = 5 * time.Second        // for one fill
	tokenShare  = 4                      // the part of the connections that reads with a token may have: one in so many
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
	state := cachestate.New(log, time.Now)
	metrics.ShowState(state)
	var cached *readthrough.Cache
	traces, err := startTracing(ctx, c, func() string { return cached.Database() }, log)
	if err != nil {
		return err
	}
	if traces != nil {
		defer traces.Close(ctx)
	}
	pool, err := database.Open(database.Config{
		Tracer: tracerOf(traces),
		URL:    c.DatabaseURL.Reveal(), Application: "freshlist-api", MaxConns: c.DatabaseMaxConns, Timeout: c.RequestTimeout,
		Log: log,
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	standbys, err := openStandbys(c, tracerOf(traces), log)
	if err != nil {
		return err
	}
	defer standbys.Close()
	rdb, err := rediscache.Connect(c.RedisURL.Reveal(), redisBudget, c.RedisTLS.Config())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	if traces != nil {
		if err := traces.Redis(rdb); err != nil {
			return err
		}
	}
	warnOfRedis(ctx, rdb, spaceOf(c), log)
	metrics.ShowPool(telemetry.PostgreSQL, func() (p telemetry.Pool) { p.Used, p.Idle, p.Limit, p.Waits = pool.Stats(); return p })
	metrics.ShowPool(telemetry.Redis, func() (p telemetry.Pool) { p.Used, p.Idle, p.Limit, p.Waits = rediscache.PoolStats(rdb); return p })
	described := &described{url: c.DatabaseURL}
	cached = reads(c, rdb, pool, standbys, metrics, described)
	metrics.ShowBreakers(cached.OpenBreakers)
	options := serve.Options{
		Site:       described.first(ctx, log),
		Describe:   described.read,
		Reads:      cached,
		State:      state,
		Examine:    cached.Examine,
		Writes:     database.NewWriter(pool),
		Ready:      pool.Ping,
		WriteToken: c.WriteToken.Reveal(),

		CORSOrigins:    c.CORSOrigins,
		RateLimit:      c.RateLimit,
		TrustedProxies: c.TrustedProxies,
		PrivateMetrics: c.MetricsAddr != "",
		DrainDelay:     c.DrainDelay,

		Timeout:    c.RequestTimeout,
		L1MaxBytes: l1Bytes(c),
		L1Life:     c.StalenessBound + c.RequestTimeout,
		Streams: serve.Streams{
			Max:    c.WatchMax,
			AtOnce: max(1, c.DatabaseMaxConns/2), // requests go on beside them
			Bound:  c.StalenessBound,
			Proved: cached.Proved,
		},
		KeyspaceStats: func(ctx context.Context) (rediscache.KeyspaceStats, error) {
			return rediscache.ReadKeyspaceStats(ctx, rdb)
		},
		Metrics: metrics,
		Log:     log,
	}
	if traces != nil {
		options.Traces = traces
	}
	server := serve.New(options)
	described.server.Store(server)
	defer server.Close()
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen on HTTP_ADDR: %w", err)
	}
	stopMetrics, err := serveMetrics(ctx, c.MetricsAddr, server.MetricsHandler(), log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer stopMetrics()
	if c.Cache {
		defer subscribe(ctx, rdb, spaceOf(c), server.PurgeSubscriber())()
	}
	defer showActivity(ctx, rdb, spaceOf(c), server, listener.Addr().String())()
	log.InfoContext(ctx, "serving", "address", listener.Addr().String(), "cache", c.Cache)
	return server.Run(ctx, listener, drainTime)
}

// startTracing returns the traces of the process; nil if none are made.
func startTracing(ctx context.Context, c config.API, database func() string, log *slog.Logger) (*tracing.Tracing, error) {
	if c.TracesURL == "" {
		return nil, nil
	}
	log.InfoContext(ctx, "making traces")
	return tracing.Start(ctx, tracing.Config{URL: c.TracesURL, Service: "freshlist-api", Version: cli.Version(), Database: database, Log: log})
}

// tracerOf returns what makes spans of statements; nil if nothing does.
func tracerOf(traces *tracing.Tracing) pgx.QueryTracer {
	if traces == nil {
		return nil
	}
	return traces.PostgreSQL()
}

// serveMetrics serves the metrics at an address of their own, if there is one, until the function
// that it returns is called.
func serveMetrics(ctx context.Context, addr string, h http.Handler, log *slog.Logger) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on METRICS_ADDR: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends by Close
	}()
	log.InfoContext(ctx, "serving metrics", "address", l.Addr().String())
	return func() {
		_ = server.Close()
		<-done
	}, nil
}

// warnOfRedis logs what is not as it should be with Redis. What the state will say anyway,
// such as that it is down, is left to that.
func warnOfRedis(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, log *slog.Logger) {
	warning, err := rediscache.CheckServer(ctx, rdb, space)
	var misfit *rediscache.Misfit
	if why, _ := cachestate.ReasonOf(err); why == cachestate.Unfit || errors.As(err, &misfit) || warning != "" {
		log.WarnContext(ctx, "the cache may be unusable; reads go on from PostgreSQL", "warning", warning, "error", err)
	}
}

// l1Bytes is the bound of the cache in this process: none where nothing is cached.
func l1Bytes(c config.API) int64 {
	if !c.Cache {
		return 0
	}
	return c.L1MaxBytes
}

// subscribe passes purges on until the function that it returns is called.
func subscribe(ctx context.Context, rdb redis.UniversalClient, space rediskey.Space, subscriber rediscache.PurgeSubscriber) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		rediscache.Subscribe(ctx, rdb, space, subscriber)
	}()
	return func() {
		cancel()
		<-done
	}
}

func spaceOf(c config.API) rediskey.Space {
	return rediskey.Space{Prefix: c.RedisPrefix, Partitions: c.RedisPartitions, Cluster: c.RedisCluster}
}

// openStandbys returns the pool of sessions with standbys, nil if there is no address of any.
func openStandbys(c config.API, tracer pgx.QueryTracer, log *slog.Logger) (*database.Pool, error) {
	if c.DatabaseReadURL == "" {
		return nil, nil
	}
	pool, err := database.Open(database.Config{
		Tracer: tracer,
		URL:    c.DatabaseReadURL.Reveal(), Application: "freshlist-api standby", MaxConns: c.DatabaseMaxConns, Timeout: c.RequestTimeout,
		Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("DATABASE_READ_URL: %w", err)
	}
	return pool, nil
}

// reads returns what answers requests: from Redis, or from PostgreSQL.
func reads(c config.API, rdb redis.UniversalClient, pool, standbys *database.Pool, metrics *telemetry.API, d *described) *readthrough.Cache {
	limits := rediscache.Limits{Lease: leaseTime, View: c.ViewTTL, Queryset: c.QuerysetTTL, Live: c.LiveMax, Standbys: standbys != nil}
	settings := readthrough.Config{
		Store:            rediscache.NewReader(rdb, spaceOf(c), render.BuildTag(), limits),
		Source:           database.NewReader(pool, metrics.DatabaseReads.Inc),
		Render:           render.Body,
		Metrics:          metrics,
		Site:             d.site,
		OtherDescription: d.other,
		Bound:            c.StalenessBound,
		Timeout:          c.RequestTimeout,
		Off:              !c.Cache,
		TokenReads:       max(1, c.DatabaseMaxConns/tokenShare),
	}
	if standbys != nil {
		settings.Standbys = database.NewStandbys(standbys, metrics.StandbyLag.Set)
	}
	return readthrough.New(settings)
}
