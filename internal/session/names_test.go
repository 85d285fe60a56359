package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/session"
)

// nameServer answers by the first label: "slow" after a minute, "dead" never, "unknown" that there is none.
func nameServer(ctx context.Context, host string) ([]string, error) {
	wait := map[string]time.Duration{"slow": time.Minute, "dead": time.Hour}[host]
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(wait):
	}
	if host == "unknown" {
		return nil, errors.New("no such host")
	}
	return []string{"192.0.2.1"}, nil
}

// A name is given up only for another one that is found.
func TestSlowNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hosts, host string
		took        time.Duration
		found       bool
	}{
		{"alive,dead", "alive", 0, true},
		{"alive,dead", "dead", 300 * time.Millisecond, false},
		{"dead,alive", "dead", 300 * time.Millisecond, false},
		{"%2Frun%2Fpostgresql,dead", "dead", 300 * time.Millisecond, false},
		{"alive,unknown", "unknown", 0, false},
		{"slow", "slow", time.Minute, true},
		{"slow,unknown", "slow", time.Minute, true},
		{"slow,dead", "slow", time.Minute, true},
		{"slow,dead", "dead", time.Minute + 300*time.Millisecond, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			config, err := pgx.ParseConfig("postgres://u@" + test.hosts + "/db?sslmode=prefer")
			if err != nil {
				t.Fatal(err)
			}
			config.LookupFunc = nameServer
			session.GiveUpSlowNames(config)
			began := time.Now()
			addresses, err := config.LookupFunc(t.Context(), test.host)
			if took := time.Since(began); took != test.took || (err == nil) != test.found {
				t.Errorf("%s of %s: %v, %v after %v, want it after %v, found: %t", test.host, test.hosts, addresses, err, took, test.took, test.found)
			}
			if test.found && !slices.Equal(addresses, []string{"192.0.2.1"}) {
				t.Errorf("%s of %s: %v", test.host, test.hosts, addresses)
			}
		})
	}
}

// Every way to connect goes on to the server whose name is found.
func TestConnectPastADeadName(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(strings.Replace(pgtest.New(t), "@", "@dead.invalid:1,", 1))
	if err != nil {
		t.Fatal(err)
	}
	resolve := config.LookupFunc
	config.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		if host == "dead.invalid" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return resolve(ctx, host)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	settings := session.For("test")
	conn, err := settings.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Error(err)
	}
	db := settings.OpenDB(config)
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		t.Error(err)
	}
}
