package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/redistest"
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
		WatchMax:         10_000,
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
		"VIEW_TTL", "1m", "QUERYSET_TTL", "2m", "L1_MAX_BYTES", "0", "CACHE", "off", "WRITE_TOKEN", "t0ken-of-the-test",
		"METRICS_ADDR", ":9", "CORS_ORIGINS", " https://a.example , http://localhost:3000,", "DRAIN_DELAY", "3s",
		"RATE_LIMIT", "600", "TRUSTED_PROXIES", "10.0.0.0/8, ::1,",
		"LOG_FORMAT", "json", "LOG_LEVEL", "debug", "DATABASE_MAX_CONNS", "3", "REQUEST_TIMEOUT", "250ms", "LIVE_MAX", "10", "WATCH_MAX", "7",
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
		Addr: ":0", ViewTTL: time.Minute, QuerysetTTL: 2 * time.Minute, WriteToken: "t0ken-of-the-test",
		MetricsAddr: ":9", CORSOrigins: "https://a.example,http://localhost:3000", DrainDelay: 3 * time.Second,
		RateLimit: 600, TrustedProxies: "10.0.0.0/8,::1",
		DatabaseMaxConns: 3, RequestTimeout: 250 * time.Millisecond, LiveMax: 10, WatchMax: 7,
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
		"METRICS_ADDR": "9090", "CORS_ORIGINS": "https://a.example/", "DRAIN_DELAY": "-1s",
		"RATE_LIMIT": "-1", "TRUSTED_PROXIES": "10.0.0.0/8,proxy",
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

// A token is long enough not to be guessed. Two may be there at once, while clients change over.
func TestTokens(t *testing.T) {
	t.Parallel()
	const one, other = "0123456789abcdef", "fedcba9876543210"
	for value, want := range map[string]string{
		one: "", one + "," + other: "", one[1:]: "15 characters", "x": "1 characters", one + ",x": "1 characters", one + ",": "0 characters",
		one + "," + other + "," + one: "3 tokens", one + ", " + other: "blanks",
	} {
		got := faultsOf(t, required("WRITE_TOKEN", value))["WRITE_TOKEN"]
		if want == "" != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"a.example", "https://a.example/x", "https://A.example", "https://u@a.example", "null", "https://"} {
		if got := faultsOf(t, required("CORS_ORIGINS", value))["CORS_ORIGINS"]; !strings.Contains(got, "is no origin") {
			t.Errorf("%s: %q", value, got)
		}
	}
	if c, err := config.LoadAPI(required("CORS_ORIGINS", "https://a.example,*")); err != nil || c.CORSOrigins != "*" {
		t.Errorf("all: %q, %v", c.CORSOrigins, err)
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
	c, err := config.LoadAPI(required("WRITE_TOKEN", "s3cret-s3cret-s3cret"))
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
	if c.WriteToken.Reveal() != "s3cret-s3cret-s3cret" {
		t.Error("Reveal does not return the secret")
	}
	if s := config.Secret("").String(); s != "" {
		t.Errorf("no secret prints as %q", s)
	}
}

// write writes a file and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A secret may stand in a file, which ends with a newline or not.
func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"DATABASE_URL_FILE": write(t, "postgres://api:s3cret@db/freshlist\n"),
		"REDIS_URL_FILE":    write(t, "redis://:s3cret@redis:6379/0\r\n"),
		"WRITE_TOKEN_FILE":  write(t, "t0ken-of-the-test"),
	}
	c, err := config.LoadAPI(func(name string) string { return files[name] })
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.LoadAPI(required("WRITE_TOKEN", "t0ken-of-the-test"))
	if err != nil {
		t.Fatal(err)
	}
	if c != want {
		t.Errorf("%s %s %s", c.DatabaseURL.Reveal(), c.RedisURL.Reveal(), c.WriteToken.Reveal())
	}
	if d, err := config.LoadDatabase(func(name string) string { return files[name] }); err != nil || d.URL != want.DatabaseURL {
		t.Errorf("of the other commands: %v", err)
	}
}

// faultsOf loads the API's configuration and returns its faults by name.
func faultsOf(t *testing.T, getenv config.Getenv) map[string]string {
	t.Helper()
	_, err := config.LoadAPI(getenv)
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatal(err)
	}
	if err != nil && strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret shows: %v", err)
	}
	named := map[string]string{}
	for _, f := range faults {
		named[f.Name] += f.Detail + "; " + f.Hint
	}
	return named
}

func TestFaultsOfSecretFiles(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		set  map[string]string
		want map[string]string
	}{
		"both": {
			map[string]string{
				"DATABASE_URL": "postgres://a:s3cret@db/x", "DATABASE_URL_FILE": write(t, "postgres://a:s3cret@db/x"),
				"REDIS_URL": "redis://:s3cret@r", "REDIS_URL_FILE": write(t, "redis://:s3cret@r"),
				"WRITE_TOKEN": "s3cret", "WRITE_TOKEN_FILE": write(t, "s3cret"),
			},
			map[string]string{"DATABASE_URL": "DATABASE_URL_FILE", "REDIS_URL": "REDIS_URL_FILE", "WRITE_TOKEN": "WRITE_TOKEN_FILE"},
		},
		"not there": {
			map[string]string{"DATABASE_URL_FILE": missing, "REDIS_URL_FILE": missing, "WRITE_TOKEN_FILE": missing},
			map[string]string{"DATABASE_URL_FILE": missing, "REDIS_URL_FILE": missing, "WRITE_TOKEN_FILE": missing},
		},
		"empty": {
			map[string]string{"DATABASE_URL_FILE": write(t, "\n"), "REDIS_URL_FILE": write(t, ""), "WRITE_TOKEN_FILE": write(t, "\n")},
			map[string]string{"DATABASE_URL_FILE": "empty", "REDIS_URL_FILE": "empty", "WRITE_TOKEN_FILE": "empty"},
		},
		"malformed": {
			map[string]string{"DATABASE_URL_FILE": write(t, "s3cret"), "REDIS_URL_FILE": write(t, "redis://h:s3cret"),
				"WRITE_TOKEN_FILE": write(t, "s3cret two")},
			map[string]string{"DATABASE_URL_FILE": "postgres://", "REDIS_URL_FILE": "port", "WRITE_TOKEN_FILE": "blanks"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := faultsOf(t, func(name string) string { return test.set[name] })
			if len(got) != len(test.want) {
				t.Errorf("faults %v, want %v", got, test.want)
			}
			for name, says := range test.want {
				if !strings.Contains(got[name], says) {
					t.Errorf("%s: %q, want %q in it", name, got[name], says)
				}
			}
		})
	}
}

func TestPartitionsOfACluster(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]int{
		"redis://h": 1, "redis+sentinel://h/main": 1, "redis+cluster://a,b": 16, "rediss+cluster://a,b": 16,
	} {
		c, err := config.LoadInvalidator(required("REDIS_URL", address))
		if err != nil || c.RedisPartitions != want || c.RedisCluster != (want == 16) {
			t.Errorf("%s: %d partitions (%v), want %d", address, c.RedisPartitions, err, want)
		}
	}
	if c, err := config.LoadInvalidator(required("REDIS_URL", "redis+cluster://a", "REDIS_PARTITIONS", "3")); err != nil || c.RedisPartitions != 3 {
		t.Errorf("%d partitions (%v), want 3", c.RedisPartitions, err)
	}
}

func TestFaultsOfTLS(t *testing.T) {
	t.Parallel()
	files := redistest.NewCertificates(t)
	text, missing := write(t, "no certificate"), filepath.Join(t.TempDir(), "missing")
	const address = "rediss://:s3cret@redis"
	for name, test := range map[string]struct {
		set  []string
		want map[string]string
	}{
		"all well":        {[]string{"REDIS_URL", address, "REDIS_CA_FILE", files.CA, "REDIS_CERT_FILE", files.ClientCert, "REDIS_KEY_FILE", files.ClientKey}, nil},
		"no TLS":          {[]string{"REDIS_CA_FILE", files.CA}, map[string]string{"REDIS_CA_FILE": "rediss"}},
		"no key":          {[]string{"REDIS_URL", address, "REDIS_CERT_FILE", files.ClientCert}, map[string]string{"REDIS_KEY_FILE": "REDIS_CERT_FILE"}},
		"no certificate":  {[]string{"REDIS_URL", address, "REDIS_KEY_FILE", files.ClientKey}, map[string]string{"REDIS_CERT_FILE": "REDIS_KEY_FILE"}},
		"another's key":   {[]string{"REDIS_URL", address, "REDIS_CERT_FILE", files.ClientCert, "REDIS_KEY_FILE", files.ServerKey}, map[string]string{"REDIS_CERT_FILE": "belong together"}},
		"no PEM":          {[]string{"REDIS_URL", address, "REDIS_CA_FILE", text}, map[string]string{"REDIS_CA_FILE": "PEM"}},
		"not there":       {[]string{"REDIS_URL", address, "REDIS_CA_FILE", missing}, map[string]string{"REDIS_CA_FILE": missing}},
		"no good address": {[]string{"REDIS_URL", "rediss://:s3cret@h:x", "REDIS_CA_FILE", files.CA}, map[string]string{"REDIS_URL": "port"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := faultsOf(t, required(test.set...))
			if len(got) != len(test.want) {
				t.Errorf("faults %v, want %v", got, test.want)
			}
			for name, says := range test.want {
				if !strings.Contains(got[name], says) {
					t.Errorf("%s: %q, want %q in it", name, got[name], says)
				}
			}
		})
	}
	c, err := config.LoadAPI(required("REDIS_URL", address, "REDIS_CERT_FILE", files.ClientCert, "REDIS_KEY_FILE", files.ClientKey))
	if err != nil {
		t.Fatal(err)
	}
	if encoded, err := json.Marshal(c); err != nil || strings.Contains(string(encoded)+fmt.Sprintf("%v %+v %#v", c, c, c), "PrivateKey") {
		t.Errorf("the key shows: %s (%v)", encoded, err)
	}
}

func TestTracesURL(t *testing.T) {
	t.Parallel()
	const general, own = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for _, test := range []struct {
		set  []string
		want string
	}{
		{nil, ""},
		{[]string{general, "http://c:4318"}, "http://c:4318/v1/traces"},
		{[]string{general, "http://c:4318/otlp/"}, "http://c:4318/otlp/v1/traces"},
		{[]string{own, "https://c/own", general, "http://c:4318"}, "https://c/own"},
		{[]string{own, "https://c/own", "OTEL_TRACES_EXPORTER", "none"}, ""},
		{[]string{own, "https://c/own", "OTEL_SDK_DISABLED", "true"}, ""},
	} {
		api, err1 := config.LoadAPI(required(test.set...))
		invalidator, err2 := config.LoadInvalidator(required(test.set...))
		if err1 != nil || err2 != nil || api.TracesURL != test.want || invalidator.TracesURL != test.want {
			t.Errorf("%q: %q and %q, %v, %v, want %q", test.set, api.TracesURL, invalidator.TracesURL, err1, err2, test.want)
		}
	}
	for _, value := range []string{"c:4318", "http://", "http://user:pa55word@c", "http://%zz"} {
		if got := faultsOf(t, required(own, value))[own]; !strings.Contains(got, "http://") || strings.Contains(got, "pa55word") {
			t.Errorf("%s: %q", value, got)
		}
	}
}
