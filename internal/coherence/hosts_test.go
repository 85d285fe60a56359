package coherence

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
)

// Both programs have one address that names two servers of PostgreSQL, the standby first.
// They find the primary. When it dies and the standby is promoted, they go over to that by
// themselves: what was cached of the old primary is not served, no answer is a 500, and the
// cache is used again.
func TestSeveralServers(t *testing.T) {
	t.Parallel()
	primary, rd := pgtest.Start(t), redistest.New(t)
	db := migrated.On(t, primary)
	standby := primary.Standby(t)
	there := standby.At(t, db)
	c := fleet.Config{
		Database: local.Roles{API: severalHosts(t, there.API, db.API), Invalidator: severalHosts(t, there.Invalidator, db.Invalidator)},
		Redis:    rd.URL, Prefix: rd.Prefix, Bound: time.Second,
	}
	commitAt(t, db.Owner, "insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'c')")
	invalidator, api := c.Invalidator(t), c.API(t)

	awaitHitOf := func(price string) {
		t.Helper()
		fleet.Await(t, "a hit that shows the price "+price, func() bool {
			code, status, body := ask(t, api)
			return code == http.StatusOK && strings.Contains(status, "; hit") && strings.Contains(body, `"price":`+price)
		})
	}
	awaitHitOf("1.00")
	commitAt(t, db.Owner, "update properties set price = 2")
	awaitHitOf("2.00")
	awaitReplayed(t, db.Owner, there.Superuser)

	primary.Stop(t, local.Kill)
	standby.Promote(t)
	commitAt(t, there.Owner, "update properties set price = 3")
	committed := time.Now()
	late := committed.Add(c.Bound + 250*time.Millisecond)
	fleet.Await(t, "a hit that shows the edit at the promoted server", func() bool {
		asked := time.Now()
		code, status, body := ask(t, api)
		switch {
		case code != http.StatusOK && code != http.StatusServiceUnavailable:
			t.Fatalf("after the failover: %d %s", code, body)
		case asked.After(late) && code == http.StatusOK && !strings.Contains(body, `"price":3.00`):
			t.Fatalf("%v after the edit: %s (%s)", asked.Sub(committed), body, status)
		}
		return code == http.StatusOK && strings.Contains(status, "; hit") && strings.Contains(body, `"price":3.00`)
	})
	if role := invalidator.Status().Role; role != "leader" {
		t.Errorf("the invalidator is %q, not the leader", role)
	}
	fleet.Await(t, "the API says so itself", func() bool { report := api.State(); return report.Ready && report.Caching })
}

// severalHosts is the first address, with the host of the second behind its own.
func severalHosts(t *testing.T, first, second string) string {
	t.Helper()
	hosts := make([]string, 2)
	for i, address := range []string{first, second} {
		c, err := pgx.ParseConfig(address)
		if err != nil {
			t.Fatal(err)
		}
		hosts[i] = fmt.Sprintf("%s:%d", c.Host, c.Port)
	}
	return strings.Replace(first, hosts[0], hosts[0]+","+hosts[1], 1) + "&target_session_attrs=read-write"
}

// ask asks an API process for the only page there is.
func ask(t *testing.T, api *fleet.Process) (code int, status, body string) {
	t.Helper()
	r := &rig{TB: t}
	response, body := r.get(api, "/v1/properties")
	if response == nil {
		return 0, "", "no answer"
	}
	return response.StatusCode, response.Header.Get("Cache-Status"), body
}

// commitAt commits SQL at an address.
func commitAt(t *testing.T, address, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// awaitReplayed waits until a standby has replayed what its primary has committed.
func awaitReplayed(t *testing.T, primary, standby string) {
	t.Helper()
	one := func(address, sql string, into any, args ...any) {
		conn, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if err := conn.QueryRow(t.Context(), sql, args...).Scan(into); err != nil {
			t.Fatal(err)
		}
	}
	var written string
	one(primary, "select pg_current_wal_insert_lsn()::text", &written)
	fleet.Await(t, "the standby has replayed it", func() (done bool) {
		one(standby, "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", &done, written)
		return done
	})
}

// Both programs get their secrets from files, and Redis asks for their certificate.
func TestSecretsAndTLS(t *testing.T) {
	t.Parallel()
	files := redistest.NewCertificates(t)
	port, err := local.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(redistest.Start(t, files.Settings(port)...).URL())
	if err != nil {
		t.Fatal(err)
	}
	address.Scheme, address.Host = "rediss", fmt.Sprintf("127.0.0.1:%d", port)
	db := migrated.New(t)
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	settings := func(database string) fleet.Config {
		return fleet.Config{Prefix: "freshlist", Bound: 5 * time.Second, Env: []string{
			"DATABASE_URL=", "DATABASE_URL_FILE=" + write(database),
			"REDIS_URL=", "REDIS_URL_FILE=" + write(address.String()),
			"WRITE_TOKEN=", "WRITE_TOKEN_FILE=" + write(fleet.WriteToken),
			"REDIS_CA_FILE=" + files.CA, "REDIS_CERT_FILE=" + files.ClientCert, "REDIS_KEY_FILE=" + files.ClientKey,
		}}
	}
	commitAt(t, db.Owner, "insert into properties (id, title, property_type, price, city) values (1, 't', 'Condo', 1, 'c')")
	invalidator, api := settings(db.Invalidator).Invalidator(t), settings(db.API).API(t)
	awaitHit := func(price string) {
		t.Helper()
		fleet.Await(t, "a hit that shows the price "+price, func() bool {
			_, status, body := ask(t, api)
			return strings.Contains(status, "; hit") && strings.Contains(body, `"price":`+price)
		})
	}
	awaitHit("1.00")
	patch(t, api, "/v1/properties/1", `{"price": 2}`) // by the token of the file
	awaitHit("2.00")
	password, _ := address.User.Password()
	for _, p := range []*fleet.Process{invalidator, api} {
		if log := p.Log(); strings.Contains(log, password) || strings.Contains(log, fleet.WriteToken) {
			t.Errorf("a secret shows:\n%s", log)
		}
	}
	if said, well := settings(db.Invalidator).Doctor(t, api, invalidator); !well || strings.Contains(said, password) {
		t.Errorf("the doctor says:\n%s", said)
	}
}
