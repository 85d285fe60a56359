package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/config"
)

// required is what has no default.
func required(more ...string) config.Getenv {
	vars := map[string]string{
		"DATABASE_URL": "postgres://api:s3cret@db/freshlist",
		"REDIS_URL":    "redis://:s3cret@redis:6379/0",
	}
	for i := 0; i < len(more); i += 2 {
		vars[more[i]] = more[i+1]
	}
	return func(name string) string { return vars[name] }
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	api, err := config.LoadAPI(required())
	if err != nil {
		t.Fatal(err)
	}
	want := config.API{
		Shared: config.Shared{
			DatabaseURL:     "postgres://api:s3cret@db/freshlist",
			RedisURL:        "redis://:s3cret@redis:6379/0",
			RedisPrefix:     "freshlist",
			RedisPartitions: 1,
			StalenessBound:  time.Second,
		},
		Addr:             "127.0.0.1:8080",
		ViewTTL:          15 * time.Minute,
		QuerysetTTL:      time.Hour,
		L1MaxBytes:       64 << 20,
		Cache:            true,
		DatabaseMaxConns: max(8, 2*runtime.GOMAXPROCS(0)),
		RequestTimeout:   5 * time.Second,
		LiveMax:          200_000,
	}
	if api != want {
		t.Errorf("api:\n got %#v\nwant %#v", api, want)
	}
	invalidator, err := config.LoadInvalidator(required())
	if err != nil {
		t.Fatal(err)
	}
	if want := (config.Invalidator{Shared: want.Shared, Addr: "127.0.0.1:8081"}); invalidator != want {
		t.Errorf("invalidator:\n got %#v\nwant %#v", invalidator, want)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	c, err := config.LoadAPI(required(
		"REDIS_PREFIX", "staging:a", "REDIS_PARTITIONS", "3", "HTTP_ADDR", ":0", "STALENESS_BOUND", "200ms",
		"VIEW_TTL", "1m", "QUERYSET_TTL", "2m", "L1_MAX_BYTES", "0", "CACHE", "off", "WRITE_TOKEN", "t0ken",
		"LOG_FORMAT", "json", "LOG_LEVEL", "debug", "DATABASE_MAX_CONNS", "3", "REQUEST_TIMEOUT", "250ms", "LIVE_MAX", "10",
	))
	if err != nil {
		t.Fatal(err)
	}
	want := config.API{
		Shared: config.Shared{
			DatabaseURL: c.DatabaseURL, RedisURL: c.RedisURL,
			RedisPrefix: "staging:a", RedisPartitions: 3, StalenessBound: 200 * time.Millisecond,
			Log: config.Log{Format: config.FormatJSON, Level: slog.LevelDebug},
		},
		Addr: ":0", ViewTTL: time.Minute, QuerysetTTL: 2 * time.Minute, WriteToken: "t0ken",
		DatabaseMaxConns: 3, RequestTimeout: 250 * time.Millisecond, LiveMax: 10,
	}
	if c != want {
		t.Errorf("\n got %#v\nwant %#v", c, want)
	}
}

// One run tells everything that is wrong.
func TestAllFaultsTogether(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"DATABASE_URL": "mysql://u:s3cret@db/x", "REDIS_URL": "://s3cret", "REDIS_PREFIX": "a{b}", "REDIS_PARTITIONS": "0",
		"HTTP_ADDR": "localhost", "STALENESS_BOUND": "5ms", "VIEW_TTL": "soon", "QUERYSET_TTL": "-1h",
		"L1_MAX_BYTES": "64 megabytes", "CACHE": "yes", "WRITE_TOKEN": "two words", "LOG_FORMAT": "xml",
		"LOG_LEVEL": "loud", "DATABASE_MAX_CONNS": "many", "REQUEST_TIMEOUT": "0", "LIVE_MAX": "1e5",
	}
	_, err := config.LoadAPI(func(name string) string { return bad[name] })
	var faults config.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Faults", err)
	}
	for _, fault := range faults {
		if bad[fault.Name] == "" || fault.Detail == "" || fault.Hint == "" {
			t.Errorf("unexpected or empty: %+v", fault)
		}
		if !strings.Contains(err.Error(), fault.Name+" "+fault.Detail+"; "+fault.Hint) {
			t.Errorf("not in the message: %+v", fault)
		}
		delete(bad, fault.Name)
	}
	if len(bad) > 0 {
		t.Errorf("accepted: %v", bad)
	}
	if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "two words") {
		t.Errorf("a secret shows: %v", err)
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	for _, test := range []struct {
		name string
		load func() error
		want []string
	}{
		{"api", func() error { _, err := config.LoadAPI(none); return err }, []string{"DATABASE_URL", "REDIS_URL"}},
		{"invalidator", func() error { _, err := config.LoadInvalidator(none); return err }, []string{"DATABASE_URL", "REDIS_URL"}},
		{"database", func() error { _, err := config.LoadDatabase(none); return err }, []string{"DATABASE_URL"}},
		{"api address", func() error { _, err := config.LoadAPIAddr(none); return err }, nil},
		{"invalidator address", func() error { _, err := config.LoadInvalidatorAddr(none); return err }, nil},
	} {
		var faults config.Faults
		errors.As(test.load(), &faults)
		var got []string
		for _, fault := range faults {
			got = append(got, fault.Name)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: faults in %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int64{
		"0": 0, "1000": 1000, "7B": 7, "1KiB": 1 << 10, "3MiB": 3 << 20, "2GiB": 2 << 30,
	} {
		c, err := config.LoadAPI(required("L1_MAX_BYTES", value))
		if err != nil || c.L1MaxBytes != want {
			t.Errorf("%s is %d (%v), want %d", value, c.L1MaxBytes, err, want)
		}
	}
	for _, value := range []string{"-1", "1MB", "MiB", "999999999999GiB", "1.5GiB"} {
		if _, err := config.LoadAPI(required("L1_MAX_BYTES", value)); err == nil {
			t.Errorf("%s was accepted", value)
		}
	}
}

// However a configuration is printed, its secrets do not show.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	c, err := config.LoadAPI(required("WRITE_TOKEN", "s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	slog.New(slog.NewTextHandler(&logs, nil)).Info("m", "config", c, "token", c.WriteToken)
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("m", "config", c, "token", c.WriteToken)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown := logs.String() + string(encoded) + fmt.Sprintf("%v %+v %#v %s %q %x", c, c, c, c.WriteToken, c.WriteToken, c.WriteToken)
	if strings.Contains(shown, "s3cret") || strings.Contains(shown, "733363726574") {
		t.Errorf("a secret shows: %s", shown)
	}
	if c.WriteToken.Reveal() != "s3cret" {
		t.Error("Reveal does not return the secret")
	}
	if s := config.Secret("").String(); s != "" {
		t.Errorf("no secret prints as %q", s)
	}
}
