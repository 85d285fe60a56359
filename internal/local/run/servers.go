package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/local"
)

// databases are the addresses of the one database for each role, and the command
// line of a psql on it.
type databases struct{ owner, api, invalidator, psql string }

// The private database and its roles.
const (
	database        = "freshlist"
	ownerRole       = "freshlist_owner"
	apiRole         = "freshlist_api"
	invalidatorRole = "freshlist_invalidator"
)

// startServers starts the servers that the environment does not name.
func (s *stack) startServers(ctx context.Context) error {
	if url := os.Getenv("DATABASE_URL"); url != "" {
		s.database = databases{owner: url, api: url, invalidator: url, psql: `psql "$DATABASE_URL"`}
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
	passwords, err := setUpDatabase(ctx, p.SuperuserURL("postgres"))
	if err != nil {
		return fmt.Errorf("set up the database: %w", err)
	}
	url := func(role string) string { return p.URL(role, passwords[role], database) }
	s.database = databases{owner: url(ownerRole), api: url(apiRole), invalidator: url(invalidatorRole)}
	s.database.psql, err = s.folder.writePsql(filepath.Join(p.Programs(), "psql"), s.database.owner)
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
	s.redis = r.URL()
	return nil
}

// setUpDatabase makes the database and the roles, if they are not there, and gives
// the roles new passwords, which it returns.
func setUpDatabase(ctx context.Context, superuser string) (map[string]string, error) {
	conn, err := pgx.Connect(ctx, superuser)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	passwords := map[string]string{}
	for _, role := range []string{ownerRole, apiRole, invalidatorRole} {
		passwords[role] = rand.Text()
		if err := setUpRole(ctx, conn, role, passwords[role]); err != nil {
			return nil, fmt.Errorf("role %s: %w", role, err)
		}
	}
	var there bool
	err = conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", database).Scan(&there)
	if err == nil && !there {
		_, err = conn.Exec(ctx, "create database "+database+" owner "+ownerRole)
	}
	return passwords, err
}

func setUpRole(ctx context.Context, conn *pgx.Conn, role, password string) error {
	var there bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", role).Scan(&there); err != nil {
		return err
	}
	verb := "create"
	if there {
		verb = "alter"
	}
	// The password consists of letters and digits.
	_, err := conn.Exec(ctx, verb+" role "+role+" login password '"+password+"'")
	return err
}
