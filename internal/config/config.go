// Package config reads the configuration of the processes from the environment,
// once, into structs that are passed on from main. Every fault is found and all
// are reported together, each with the variable's name and what would be right.
// Secrets are values that print as nothing.
package config

import (
	"log/slog"
	"runtime"
	"time"

	"github.com/freshlist/freshlist/internal/redisurl"
)

// Shared is what both processes need.
type Shared struct {
	DatabaseURL     Secret        // DATABASE_URL, DATABASE_PASSWORD: PostgreSQL, as this process' role
	RedisURL        Secret        // REDIS_URL, REDIS_PASSWORD: the Redis of the deployment, as package redisurl reads it
	RedisCluster    bool          // REDIS_URL leads to a cluster
	RedisTLS        TLS           // REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_KEY_FILE
	RedisPrefix     string        // REDIS_PREFIX: first word of every key and channel
	RedisPartitions int           // REDIS_PARTITIONS: the same for all processes, 1 to 100; default 1, with a cluster 16
	StalenessBound  time.Duration // STALENESS_BOUND: B, no answer is older; 200ms to 1m
	TracesURL       string        // OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT: the collector of traces, "" if none are made
	Log             Log
}

// Log is how a process logs.
type Log struct {
	Format string     // LOG_FORMAT: FormatText, FormatJSON, or "": text on a terminal, else JSON
	Level  slog.Level // LOG_LEVEL
}

// The values of LOG_FORMAT.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// API is the configuration of bin/api serve.
type API struct {
	Shared
	Addr             string        // HTTP_ADDR
	ViewTTL          time.Duration // VIEW_TTL: longest life of a rendered response in Redis
	QuerysetTTL      time.Duration // QUERYSET_TTL: longest life of a query's rows in Redis
	L1MaxBytes       int64         // L1_MAX_BYTES: bound of the in-process cache, 0 for none
	Cache            bool          // CACHE: false if every read goes to the database
	WriteToken       Secret        // WRITE_TOKEN: bearer token of writes, or two with a comma between, "" if nobody may write
	MetricsAddr      string        // METRICS_ADDR: metrics and profiles, "" if the metrics are at Addr
	CORSOrigins      string        // CORS_ORIGINS: origins that browsers may read from, with commas between
	RateLimit        int           // RATE_LIMIT: requests of one client address in a minute, 0 for no bound
	TrustedProxies   string        // TRUSTED_PROXIES: addresses and networks whose X-Forwarded-For counts, with commas between
	DrainDelay       time.Duration // DRAIN_DELAY: from the end of being ready to that of the listener
	DatabaseReadURL  Secret        // DATABASE_READ_URL: standbys of DATABASE_URL, for misses; "" if there are none
	DatabaseMaxConns int           // DATABASE_MAX_CONNS: bound of concurrent database reads, of the primary and of standbys
	RequestTimeout   time.Duration // REQUEST_TIMEOUT: longest wait of a request for the database
	LiveMax          int           // LIVE_MAX: bound of queries that are cached at once
	WatchMax         int           // WATCH_MAX: bound of open streams of changes, 0 for none
}

// Invalidator is the configuration of bin/invalidator run.
type Invalidator struct {
	Shared
	Addr      string // INVALIDATOR_ADDR: dashboard, events, health, metrics, status
	Dashboard Dashboard
}

// Dashboard is what may be done on the invalidator's dashboard, besides looking at it.
type Dashboard struct {
	DatabaseURL Secret // DASHBOARD_DATABASE_URL: where it tries statements, as the tables' owner; "" if it does not
	Token       Secret // DASHBOARD_TOKEN: bearer token of those who may have it try statements; "" = those on the same machine may
	Hosts       string // DASHBOARD_HOSTS: names under which browsers may open it, with commas between
	TrialURL    string // DASHBOARD_TRIAL_URL: the page with the buttons of make run; "" elsewhere
}

// Database is the configuration of commands that need nothing but PostgreSQL.
type Database struct {
	URL Secret // DATABASE_URL, DATABASE_PASSWORD
	Log Log
}

// Getenv looks up a variable, as os.Getenv does. Empty counts as not set. Files that variables
// name are read once, with the rest.
type Getenv func(name string) string

// LoadAPI reads the configuration of bin/api serve. Its error is Faults.
func LoadAPI(getenv Getenv) (API, error) {
	e := environment{getenv: getenv}
	c := API{
		Shared:           e.shared(),
		Addr:             e.apiAddr(),
		ViewTTL:          e.duration("VIEW_TTL", 15*time.Minute, time.Second, 30*24*time.Hour),
		QuerysetTTL:      e.duration("QUERYSET_TTL", time.Hour, time.Second, 30*24*time.Hour),
		L1MaxBytes:       e.bytes("L1_MAX_BYTES", "64MiB"),
		Cache:            e.oneOf("CACHE", "on", "on", "off") == "on",
		WriteToken:       e.tokens("WRITE_TOKEN"),
		MetricsAddr:      e.optionalAddr("METRICS_ADDR", "127.0.0.1:8082"),
		CORSOrigins:      e.origins("CORS_ORIGINS"),
		RateLimit:        e.integer("RATE_LIMIT", 0, 0, 10_000_000),
		TrustedProxies:   e.networks("TRUSTED_PROXIES"),
		DrainDelay:       e.duration("DRAIN_DELAY", 0, 0, 10*time.Minute),
		DatabaseReadURL:  e.databaseReadURL(),
		DatabaseMaxConns: e.integer("DATABASE_MAX_CONNS", max(8, 2*runtime.GOMAXPROCS(0)), 1, 10_000),
		RequestTimeout:   e.duration("REQUEST_TIMEOUT", 5*time.Second, 10*time.Millisecond, 5*time.Minute),
		LiveMax:          e.liveMax(),
		WatchMax:         e.integer("WATCH_MAX", 10_000, 0, 1_000_000),
	}
	return c, e.err()
}

// LoadInvalidator reads the configuration of bin/invalidator run. Its error is
// Faults.
func LoadInvalidator(getenv Getenv) (Invalidator, error) {
	e := environment{getenv: getenv}
	c := Invalidator{Shared: e.shared(), Addr: e.invalidatorAddr(), Dashboard: e.dashboard()}
	return c, e.err()
}

// LoadDatabase reads the configuration of the commands that migrate, seed,
// install and so on. Its error is Faults.
func LoadDatabase(getenv Getenv) (Database, error) {
	e := environment{getenv: getenv}
	c := Database{URL: e.databaseURL(), Log: e.log()}
	return c, e.err()
}

// LoadAPIAddr reads the address that bin/api health asks. Its error is Faults.
func LoadAPIAddr(getenv Getenv) (string, error) {
	e := environment{getenv: getenv}
	addr := e.apiAddr()
	return addr, e.err()
}

// LoadInvalidatorAddr reads the address that bin/invalidator health asks. Its
// error is Faults.
func LoadInvalidatorAddr(getenv Getenv) (string, error) {
	e := environment{getenv: getenv}
	addr := e.invalidatorAddr()
	return addr, e.err()
}

func (e *environment) shared() Shared {
	s := Shared{
		DatabaseURL:    e.databaseURL(),
		RedisPrefix:    e.prefix("REDIS_PREFIX", "freshlist"),
		StalenessBound: e.duration("STALENESS_BOUND", time.Second, 200*time.Millisecond, time.Minute),
		TracesURL:      e.tracesURL(),
		Log:            e.log(),
	}
	var address redisurl.Address
	s.RedisURL, address = e.redisURL()
	s.RedisTLS = e.redisTLS(address.TLS)
	s.RedisCluster = address.Kind == redisurl.Cluster
	partitions := 1
	if s.RedisCluster {
		partitions = clusterPartitions
	}
	s.RedisPartitions = e.integer("REDIS_PARTITIONS", partitions, 1, 100)
	return s
}

// clusterPartitions is the default with a cluster: each of up to 16 masters has some.
const clusterPartitions = 16

func (e *environment) log() Log {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	return Log{
		Format: e.oneOf("LOG_FORMAT", "", FormatText, FormatJSON),
		Level:  levels[e.oneOf("LOG_LEVEL", "info", "debug", "info", "warn", "error")],
	}
}

func (e *environment) apiAddr() string { return e.addr("HTTP_ADDR", "127.0.0.1:8080") }

func (e *environment) invalidatorAddr() string { return e.addr("INVALIDATOR_ADDR", "127.0.0.1:8081") }
