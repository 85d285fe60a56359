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

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// runDaemon invalidates until ctx is done.
func runDaemon(ctx context.Context, getenv config.Getenv, stderr io.Writer) (err error) {
	c, err := config.LoadInvalidator(getenv)
	if err != nil {
		return err
	}
	log := telemetry.NewLogger(stderr, c.Log)
	rdb, err := cache.Connect(c.RedisURL.Reveal(), max(c.StalenessBound/2, 250*time.Millisecond))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	if warning, err := cache.CheckServer(ctx, rdb); err != nil || warning != "" {
		log.WarnContext(ctx, "Redis is not as it should be", "warning", warning, "error", err)
	}
	installIfOwner(ctx, c.DatabaseURL.Reveal(), log)

	metrics := telemetry.NewInvalidator()
	daemon := invalidate.New(invalidate.Config{
		DatabaseURL: c.DatabaseURL.Reveal(),
		Redis:       rdb,
		Space:       rediskey.Space{Prefix: c.RedisPrefix, Partitions: c.RedisPartitions},
		Bound:       c.StalenessBound,
		Log:         log,
		Metrics:     metrics,
	})
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen on INVALIDATOR_ADDR: %w", err)
	}
	log.InfoContext(ctx, "starting", "address", listener.Addr().String(), "bound", c.StalenessBound)
	server := &http.Server{Handler: daemon.Handler(metrics.Handler()), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = daemon.Run(ctx)
	return errors.Join(err, server.Close(), closed(<-served))
}

// closed leaves out the error that a server ends with when it is closed.
func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// installIfOwner installs what is missing of the capture, if this process's role
// may. Otherwise, and if PostgreSQL cannot be reached yet, it leaves that to the
// daemon, which says what to run and caches nothing until it has been done.
func installIfOwner(ctx context.Context, url string, log *slog.Logger) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	may, err := schema.MayInstall(ctx, conn)
	if err != nil || !may {
		return
	}
	if changed, err := schema.Install(ctx, conn); err != nil {
		log.WarnContext(ctx, "the triggers could not be installed", "error", err)
	} else if changed {
		log.InfoContext(ctx, "triggers installed")
	}
}
