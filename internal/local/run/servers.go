package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/freshlist/freshlist/internal/local"
)

// database is the name of the private database.
const database = "freshlist"

// startServers starts the servers that the environment does not name.
func (s *stack) startServers(ctx context.Context) error {
	if url := os.Getenv("DATABASE_URL"); url != "" {
		s.database, s.psql = local.Roles{Owner: url, API: url, Invalidator: url}, `psql "$DATABASE_URL"`
	} else if err := s.startPostgres(ctx); err != nil {
		return err
	}
	if s.redis = os.Getenv("REDIS_URL"); s.redis != "" {
		return nil
	}
	return s.startRedis(ctx)
}

func (s *stack) startPostgres(ctx context.Context) error {
	fmt.Fprintln(s.out, "starting PostgreSQL in", s.folder.state)
	p, err := local.StartPostgres(ctx, local.PostgresOptions{Dir: filepath.Join(s.folder.state, "postgres")})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { return p.Stop(local.Fast) })
	if err := p.SetUp(ctx, database); err != nil {
		return fmt.Errorf("set up the database: %w", err)
	}
	s.database, s.private = p.Roles(database), true
	s.psql, err = s.folder.writeScript("psql", "psql on the private database of make run, as the owner of the listings.",
		p.PsqlEnv(database), "'"+filepath.Join(p.Programs(), "psql")+`' "$@"`)
	return err
}

func (s *stack) startRedis(ctx context.Context) error {
	fmt.Fprintln(s.out, "starting Redis")
	r, err := local.StartRedis(ctx, local.RedisOptions{
		Dir:      filepath.Join(s.folder.state, "redis"),
		Settings: []string{"maxmemory 256mb"},
	})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, r.Stop)
	s.redis, s.redisServer = r.URL(), r
	return nil
}
