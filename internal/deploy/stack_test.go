package deploy

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/redistest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// outside is the stack of the file, run without containers.
type outside struct {
	*testing.T
	compose
	bin      string   // holds our programs
	path     string   // finds PostgreSQL's and Redis' programs
	postgres *url.URL // of the superuser, in the database freshlist
	redis    *url.URL // without its password
	password string   // of Redis
	addr     string   // of the API
	env      map[string][]string
}

// newOutside starts the servers as the file does, and makes the roles.
func newOutside(t *testing.T) *outside {
	t.Helper()
	programs, err := local.PostgresPrograms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o := &outside{
		T: t, compose: load(t, oneFile), bin: build(t), env: map[string][]string{},
		path: "PATH=" + programs + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
	o.postgres = parse(t, pgtest.Start(t).URL("freshlist"))
	o.run(o.tool("createdb", "--username=postgres", o.Services["postgres"].Environment["POSTGRES_DB"]))
	roles := o.tool(filepath.Join(top, "scripts", "postgres-roles"))
	roles.Env = append(roles.Env, "ROLES_SQL="+filepath.Join(top, "db", "roles.sql"))
	for name, value := range o.Services["postgres"].Environment {
		if name != "POSTGRES_PASSWORD" {
			roles.Env = append(roles.Env, name+"="+value)
		}
	}
	o.run(roles)

	command := o.Services["redis"].Command
	if command[0] != "redis-server" || command[1] != "--requirepass" {
		t.Fatalf("redis runs %q", command)
	}
	o.redis = parse(t, redistest.Start(t, flags(t, command[3:])...).URL())
	o.password, _ = o.redis.User.Password()
	o.redis.User = nil

	apiPort, invalidatorPort := freePort(t), freePort(t)
	o.addr = "127.0.0.1:" + apiPort
	replace := strings.NewReplacer("@postgres:5432/", "@"+o.postgres.Host+"/", ":8080", ":"+apiPort, ":8081", ":"+invalidatorPort)
	for name, s := range o.Services {
		for variable, value := range s.Environment {
			switch variable {
			case "REDIS_URL":
				value = o.redis.String()
			case "REDIS_PASSWORD":
				value = o.password
			}
			o.env[name] = append(o.env[name], variable+"="+replace.Replace(value))
		}
	}
	return o
}

func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir, "./cmd/...")
	cmd.Dir = top
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, said)
	}
	return dir
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := local.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// tool is a program of PostgreSQL, or a script that runs some, on the server.
func (o *outside) tool(name string, args ...string) *exec.Cmd {
	password, _ := o.postgres.User.Password()
	// env(1) looks the program up on the path that it is given.
	cmd := exec.Command("env", append([]string{
		o.path, "PGHOST=" + o.postgres.Hostname(), "PGPORT=" + o.postgres.Port(), "PGPASSWORD=" + password, name,
	}, args...)...)
	cmd.Env = []string{o.path}
	return cmd
}

func (o *outside) run(cmd *exec.Cmd) {
	o.Helper()
	if said, err := cmd.CombinedOutput(); err != nil {
		o.Fatalf("%v: %v: %s", cmd.Args, err, said)
	}
}

// program is the command of a service, or its health check.
func (o *outside) program(name string, command []string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(o.bin, filepath.Base(command[0])), command[1:]...)
	cmd.Env = o.env[name]
	return cmd
}

// start runs a service that stays, until the end of the test.
func (o *outside) start(name string) {
	o.Helper()
	log, err := os.Create(filepath.Join(o.TempDir(), name))
	if err != nil {
		o.Fatal(err)
	}
	s := o.Services[name]
	p, err := local.StartProgram(log, o.env[name], filepath.Join(o.bin, filepath.Base(s.Command[0])), s.Command[1:]...)
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() {
		if err := p.Stop(time.Minute); err != nil {
			o.Error(err)
		}
		log.Close()
		if o.Failed() {
			said, _ := os.ReadFile(log.Name())
			o.Logf("%s said:\n%s", name, said)
		}
	})
}

// healthy says whether the health check of one of our services passes.
func (o *outside) healthy(name string) bool {
	test := o.Services[name].Healthcheck.Test
	if len(test) < 2 || test[0] != "CMD" {
		o.Fatalf("%s: health check %q", name, test)
	}
	return o.program(name, test[1:]).Run() == nil
}

func (o *outside) awaitHealthy(name string) {
	o.Helper()
	for deadline := time.Now().Add(time.Minute); !o.healthy(name); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			o.Fatalf("%s never became healthy", name)
		}
	}
}

// What docker compose up does, done without it.
func TestStack(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	o.checkServers()
	for _, name := range o.order(t) {
		s := o.Services[name]
		switch {
		case !s.ours():
		case name == "api" || name == "invalidator":
			if o.healthy(name) {
				t.Fatalf("%s is healthy before it runs", name)
			}
			o.start(name)
			o.awaitHealthy(name)
		default:
			for range 2 { // also when the stack starts again
				o.run(o.program(name, s.Command))
			}
		}
	}
	o.awaitHit("http://" + o.addr + "/v1/properties/932")
	if page := o.get("http://" + o.addr + "/"); page.StatusCode != http.StatusOK {
		t.Errorf("first page: %s", page.Status)
	}
}

// checkServers runs the health checks of PostgreSQL and Redis.
func (o *outside) checkServers() {
	o.Helper()
	postgres := o.Services["postgres"].Healthcheck.Test
	o.run(o.tool(postgres[1], postgres[2:]...))

	redis := o.Services["redis"].Healthcheck.Test
	for _, p := range []string{o.password, "wrong"} {
		check := exec.Command("sh", "-c", strings.Replace(redis[1], "redis-cli", "redis-cli -p "+o.redis.Port(), 1))
		check.Env = []string{o.path, "REDISCLI_AUTH=" + p}
		if said, err := check.CombinedOutput(); (err == nil) != (p == o.password) {
			o.Errorf("health check of redis with password %q: %v: %s", p, err, said)
		}
	}
}

// awaitHit reads until the cache answers: the first read fills, and only once the
// invalidator vouches for what is filled.
func (o *outside) awaitHit(url string) {
	o.Helper()
	var status string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		answer := o.get(url)
		if answer.StatusCode != http.StatusOK {
			o.Fatalf("%s: %s", url, answer.Status)
		}
		if status = answer.Header.Get("Cache-Status"); strings.HasSuffix(status, "; hit") {
			return
		}
	}
	o.Fatalf("%s is never answered by the cache: %s", url, status)
}

func (o *outside) get(url string) *http.Response {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		o.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(req)
	if err != nil {
		o.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		o.Fatal(err)
	}
	return answer
}
