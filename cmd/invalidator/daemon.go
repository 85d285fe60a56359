package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/audit"
	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/doctor"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/invalidate/dashboard"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
	"github.com/freshlist/freshlist/internal/telemetry"
	"github.com/freshlist/freshlist/internal/tracing"
)

// garbageRatio is how much garbage there may be before it is collected, in per cent of
// what is in use, unless GOGC says something else. What is in use is above all the index of
// live queries, which changes slowly. With 100,000 of them and 2,000 commits a second the
// process takes 124 to 132 MB (make bench, section live); with Go's default, 100, set by
// GOGC, one run took 164.
const garbageRatio = 50

// runDaemon invalidates until ctx is done.
func runDaemon(ctx context.Context, getenv config.Getenv, stderr io.Writer) (err error) {
	c, err := config.LoadInvalidator(getenv)
	if err != nil {
		return err
	}
	if getenv("GOGC") == "" {
		debug.SetGCPercent(garbageRatio)
	}
	log := telemetry.NewLogger(stderr, c.Log)
	rdb, err := rediscache.Connect(c.RedisURL.Reveal(), max(c.StalenessBound/2, 250*time.Millisecond), c.RedisTLS.Config())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	metrics := telemetry.NewInvalidator()
	metrics.ShowPool(telemetry.Redis, func() (p telemetry.Pool) { p.Used, p.Idle, p.Limit, p.Waits = rediscache.PoolStats(rdb); return p })
	options := invalidate.Config{
		DatabaseURL: c.DatabaseURL.Reveal(),
		Redis:       rdb,
		Space:       spaceOf(c),
		Bound:       c.StalenessBound,
		Log:         log,
		Metrics:     metrics,
	}
	if c.TracesURL != "" {
		traces, err := tracing.Start(ctx, tracing.Config{
			URL: c.TracesURL, Service: "freshlist-invalidator", Version: cli.Version(), Log: log,
		})
		if err != nil {
			return err
		}
		defer traces.Close(ctx)
		if err := traces.Redis(rdb); err != nil {
			return err
		}
		options.Traces, options.Tracer = traces, traces.PostgreSQL()
		log.InfoContext(ctx, "making traces")
	}
	daemon := invalidate.New(options)
	metrics.ShowState(daemon.State())
	defer goUntilReturn(ctx, daemon.Watch)()
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen on INVALIDATOR_ADDR: %w", err)
	}
	log.InfoContext(ctx, "starting", "address", listener.Addr().String(), "bound", c.StalenessBound.String())
	board := dashboard.New(dashboardOf(c, daemon))
	defer board.Close()
	server := &http.Server{Handler: board.Handler(daemon.Handler(metrics.Handler())), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = work(ctx, c, daemon)
	return errors.Join(err, server.Close(), closed(<-served))
}

// dashboardOf says what the dashboard shows.
func dashboardOf(c config.Invalidator, daemon *invalidate.Invalidator) dashboard.Config {
	host, _, _ := net.SplitHostPort(c.Addr) // it listens on that
	return dashboard.Config{
		Report: daemon.Report, Stream: daemon.Stream(), Metrics: daemon.Metrics, Redis: daemon.Redis, Space: daemon.Space, Log: daemon.Log, Index: daemon.WithIndex,
		DatabaseURL: c.DatabaseURL.Reveal(), OwnerURL: c.Dashboard.DatabaseURL.Reveal(), Token: c.Dashboard.Token.Reveal(),
		Hosts: append(strings.Split(c.Dashboard.Hosts, ","), strings.ToLower(host)), TrialURL: c.Dashboard.TrialURL,
	}
}

// work invalidates, and audits while it leads, once both servers are there and fit.
func work(ctx context.Context, c config.Invalidator, daemon *invalidate.Invalidator) error {
	if awaitServers(ctx, examination(c, daemon.Redis), daemon); ctx.Err() != nil {
		return nil
	}
	installOrCompare(ctx, c.DatabaseURL.Reveal(), daemon.Log)
	auditor, err := audit.Open(rediscache.NewAuditor(daemon.Redis, daemon.Space), c.DatabaseURL.Reveal(), c.StalenessBound)
	if err != nil {
		return err
	}
	defer auditor.Close()
	var audits sync.WaitGroup
	defer audits.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	leads := func() bool { return daemon.Report().Role == "leader" }
	audits.Go(func() { auditor.Run(ctx, audit.Every, leads, daemon.Metrics, daemon.Log) })
	return daemon.Run(ctx)
}

// goUntilReturn runs f beside the caller, until the function that it returns is called.
func goUntilReturn(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// While a server is not there, or not fit, it is looked at after awaitPause and then less
// often.
const (
	awaitPause = 250 * time.Millisecond
	awaitMost  = 2 * time.Second

	openForLong = 5 * time.Minute
)

// awaitServers returns when both servers answer and are fit for an invalidator, or when ctx
// is done. A server that is not fit is waited for too: a standby may be promoted, and a
// setting be changed.
func awaitServers(ctx context.Context, servers doctor.Config, daemon *invalidate.Invalidator) {
	for pause := awaitPause; ctx.Err() == nil; pause = min(2*pause, awaitMost) {
		warnings, err := servers.Ready(ctx)
		switch {
		case err == nil:
			for _, w := range warnings {
				daemon.Log.WarnContext(ctx, "not as it should be", "check", w.Check, "found", w.Said, "remedy", w.Remedy)
			}
			return
		case ctx.Err() == nil:
			daemon.Interrupted(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// examination says what the doctor looks at.
func examination(c config.Invalidator, rdb redis.UniversalClient) doctor.Config {
	return doctor.Config{
		DatabaseURL: c.DatabaseURL.Reveal(), Redis: rdb, Space: spaceOf(c),
		Bound: c.StalenessBound, Open: openForLong, Now: time.Now,
	}
}

func spaceOf(c config.Invalidator) rediskey.Space {
	return rediskey.Space{Prefix: c.RedisPrefix, Partitions: c.RedisPartitions, Cluster: c.RedisCluster}
}

// closed leaves out the error that a server ends with when it is closed.
func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// installOrCompare installs what is missing of the capture, if this process's role may, for the
// description that is installed: nobody has asked for another one. Otherwise it compares, and
// says what to run. While capture is not in order the daemon caches nothing; with that of
// another version, which is in order, it works.
func installOrCompare(ctx context.Context, url string, log *slog.Logger) {
	conn, err := session.For("freshlist-invalidator install").Connect(ctx, url)
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	may, err := schema.MayInstall(ctx, conn)
	if err != nil {
		return
	}
	if !may {
		if difference, err := schema.Compare(ctx, conn); err == nil && difference != "" {
			log.WarnContext(ctx, "the triggers are not this version's; as the tables' owner run: invalidator install, with the description's file unless it is the one that ships", "difference", difference)
		}
		return
	}
	changed, err := schema.Install(ctx, conn)
	var faults description.Faults
	switch {
	case errors.As(err, &faults):
		for _, fault := range faults {
			log.WarnContext(ctx, "the triggers could not be installed: the description does not fit", "fault", fault.String())
		}
	case err != nil:
		log.WarnContext(ctx, "the triggers could not be installed", "error", err)
	case changed:
		log.InfoContext(ctx, "triggers installed")
	}
}
