package rediscache_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// encrypted returns the address of a server that asks for the client's certificate.
func encrypted(t *testing.T, files redistest.Certificates) string {
	t.Helper()
	port, err := local.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(redistest.Start(t, files.Settings(port)...).URL())
	if err != nil {
		t.Fatal(err)
	}
	address.Scheme, address.Host = "rediss", fmt.Sprintf("127.0.0.1:%d", port)
	return address.String()
}

// A server with a certificate of one's own authority, which asks for ours.
func TestTLS(t *testing.T) {
	t.Parallel()
	files := redistest.NewCertificates(t)
	address := encrypted(t, files)
	ask := func(settings ...string) error {
		t.Helper()
		set := map[string]string{"DATABASE_URL": "postgres://db/x", "REDIS_URL": address}
		for i := 0; i < len(settings); i += 2 {
			set[settings[i]] = settings[i+1]
		}
		c, err := config.LoadAPI(func(name string) string { return set[name] })
		if err != nil {
			t.Fatal(err)
		}
		rdb, err := rediscache.Connect(c.RedisURL.Reveal(), 10*time.Second, c.RedisTLS.Config())
		if err != nil {
			t.Fatal(err)
		}
		defer rdb.Close()
		_, err = rediscache.CheckServer(t.Context(), rdb, rediskey.Space{Prefix: "freshlist", Partitions: 1})
		return err
	}
	password, _ := url.Parse(address)
	secret, _ := password.User.Password()
	for name, test := range map[string]struct {
		settings []string
		says     string
	}{
		"all files":      {[]string{"REDIS_CA_FILE", files.CA, "REDIS_CERT_FILE", files.ClientCert, "REDIS_KEY_FILE", files.ClientKey}, ""},
		"no authority":   {[]string{"REDIS_CERT_FILE", files.ClientCert, "REDIS_KEY_FILE", files.ClientKey}, "certificate"},
		"no certificate": {[]string{"REDIS_CA_FILE", files.CA}, "certificate"},
		"not looked at": {[]string{"REDIS_URL", address + "?skip_verify=true",
			"REDIS_CERT_FILE", files.ClientCert, "REDIS_KEY_FILE", files.ClientKey}, ""},
	} {
		err := ask(test.settings...)
		switch {
		case test.says == "" && err != nil, test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: %v, want %q", name, err, test.says)
		case err != nil && strings.Contains(err.Error(), secret):
			t.Errorf("%s: the password shows: %v", name, err)
		}
	}
}
