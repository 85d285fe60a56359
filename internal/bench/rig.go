package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/schema"
)

// The databases of the private server. They begin as copies of one another.
const (
	captured    = "freshlist"   // with capture installed
	untriggered = "untriggered" // the same table, nothing else
	notifying   = "notifying"   // the same table with a NOTIFY in every transaction
)

// space is where everything stands in Redis.
var space = rediskey.Space{Prefix: "freshlist", Partitions: 1}

// rig is the private servers and the processes that work on them.
type rig struct {
	dir      string
	rows     int // in the table
	programs programs
	postgres *local.Postgres
	redisDB  *local.Redis
	rdb      redis.UniversalClient // the bench's own
	running  []*process
	started  int      // processes, for the names of their logs
	copies   []string // databases of the present section alone
}

// programs are the paths of what is measured.
type programs struct{ api, invalidator, baseline, pgbench string }

// durable are the server's settings. Commits are flushed; checkpoints, which would
// fall on some slices and not on others, come rarely.
var durable = []string{
	"fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=256MB",
	"max_wal_size=6GB", "checkpoint_timeout=1h", "max_connections=100",
}

// startRig starts the servers and makes the databases, with so many rows each.
func startRig(ctx context.Context, base string, rows int, settings ...string) (*rig, error) {
	r := &rig{rows: rows}
	if err := r.open(ctx, base, settings); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *rig) open(ctx context.Context, base string, settings []string) (err error) {
	if r.dir, err = os.MkdirTemp(base, "freshlist-bench-*"); err != nil {
		return err
	}
	if err := os.Chmod(r.dir, 0o711); err != nil { // the servers may be another user's
		return err
	}
	r.postgres, err = local.StartPostgres(ctx, local.PostgresOptions{
		Dir: filepath.Join(r.dir, "postgres"), Settings: append(durable[:len(durable):len(durable)], settings...),
	})
	if err != nil {
		return err
	}
	r.redisDB, err = local.StartRedis(ctx, local.RedisOptions{Dir: filepath.Join(r.dir, "redis"), Settings: []string{"maxmemory 2gb"}})
	if err != nil {
		return err
	}
	if r.rdb, err = rediscache.Connect(r.redisDB.URL(), 5*time.Second, nil); err != nil {
		return err
	}
	if err := r.findPrograms(); err != nil {
		return err
	}
	return r.makeDatabases(ctx)
}

// findPrograms looks for what make has built, from the top of the repository.
func (r *rig) findPrograms() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r.programs = programs{
		api: filepath.Join("bin", "api"), invalidator: filepath.Join("bin", "invalidator"),
		baseline: filepath.Join(filepath.Dir(self), "baseline"),
		pgbench:  filepath.Join(r.postgres.Programs(), "pgbench"),
	}
	for _, p := range []string{r.programs.api, r.programs.invalidator, r.programs.baseline, r.programs.pgbench} {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("%w; run make bench at the top of the repository, with PostgreSQL's pgbench installed", err)
		}
	}
	return nil
}

func (r *rig) makeDatabases(ctx context.Context) error {
	if err := r.postgres.SetUp(ctx, captured); err != nil {
		return err
	}
	if err := schema.Up(ctx, r.owner(captured)); err != nil {
		return err
	}
	err := r.on(ctx, r.owner(captured), func(conn *pgx.Conn) error {
		if _, err := schema.Seed(ctx, conn, r.rows); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "vacuum analyze public.properties")
		return err
	})
	if err != nil {
		return err
	}
	for _, copied := range []string{untriggered, notifying} {
		if err := r.administer(ctx, "create database "+copied+" template "+captured); err != nil {
			return err
		}
	}
	err = r.on(ctx, r.owner(notifying), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `
			create function notify_always() returns trigger language plpgsql as $$
			begin
				perform pg_notify('properties', '');
				return null;
			end $$;
			create trigger notify_always after update on properties for each statement execute function notify_always()`)
		return err
	})
	if err != nil {
		return err
	}
	return r.on(ctx, r.owner(captured), func(conn *pgx.Conn) error {
		_, err := schema.Install(ctx, conn)
		return err
	})
}

// copy makes a database like the untriggered one, for the present section.
func (r *rig) copy(ctx context.Context, database string) error {
	if err := r.administer(ctx, "create database "+database+" template "+untriggered+" owner freshlist_owner"); err != nil {
		return err
	}
	r.copies = append(r.copies, database)
	return nil
}

// dropCopies removes what copy has made: its dead rows would be vacuumed beside the next sections.
func (r *rig) dropCopies(ctx context.Context) error {
	var failed []error
	for _, database := range r.copies {
		failed = append(failed, r.administer(context.WithoutCancel(ctx), "drop database "+database+" with (force)"))
	}
	r.copies = nil
	return errors.Join(failed...)
}

// administer executes a statement as the superuser, in none of the databases that are measured.
func (r *rig) administer(ctx context.Context, sql string) error {
	return r.on(ctx, r.postgres.SuperuserURL("postgres"), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// owner returns the address of a database for the owner of its table.
func (r *rig) owner(database string) string { return r.postgres.Roles(database).Owner }

// on calls do with a connection of its own.
func (r *rig) on(ctx context.Context, url string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}

// exec executes statements in a database as the owner of its table.
func (r *rig) exec(ctx context.Context, database, sql string) error {
	return r.on(ctx, r.owner(database), func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// versions returns those of the servers.
func (r *rig) versions(ctx context.Context) (postgres, redis string, err error) {
	err = r.on(ctx, r.owner(captured), func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "show server_version").Scan(&postgres)
	})
	if err != nil {
		return "", "", err
	}
	info, err := r.rdb.Info(ctx, "server").Result()
	if err != nil {
		return "", "", err
	}
	_, rest, _ := strings.Cut(info, "redis_version:")
	redis, _, _ = strings.Cut(rest, "\r")
	return postgres, redis, nil
}

// purgeAll has the invalidator purge everything, as a change of the whole table
// does, and waits until it has.
func (r *rig) purgeAll(ctx context.Context) error {
	if err := r.exec(ctx, captured, "select freshlist.properties_whole_table()"); err != nil {
		return err
	}
	err := await(ctx, time.Minute, "everything is purged", func() (bool, error) {
		n, err := r.live(ctx)
		return n == 0, err
	})
	if err != nil {
		return err
	}
	return pause(ctx, 50*time.Millisecond) // the caches in the processes hear of the last ones
}

// live returns how many queries are live.
func (r *rig) live(ctx context.Context) (int64, error) {
	return r.rdb.ZCard(ctx, space.Live(0)).Result()
}

// stop ends every process and both servers, and removes their data.
func (r *rig) stop() error {
	var failed []error
	failed = append(failed, r.stopProcesses())
	if r.rdb != nil {
		failed = append(failed, r.rdb.Close())
	}
	if r.redisDB != nil {
		failed = append(failed, r.redisDB.Stop())
	}
	if r.postgres != nil {
		failed = append(failed, r.postgres.Stop(local.Immediate)) // nobody will want the data
	}
	if r.dir != "" {
		failed = append(failed, os.RemoveAll(r.dir))
	}
	return errors.Join(failed...)
}

// await asks every few milliseconds until something holds.
func await(ctx context.Context, limit time.Duration, what string, holds func() (bool, error)) error {
	for end := time.Now().Add(limit); ; {
		ok, err := holds()
		switch {
		case err != nil:
			return fmt.Errorf("wait until %s: %w", what, err)
		case ok:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("waited %v in vain until %s", limit, what)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// pause returns after d, or with the error of ctx when that is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
