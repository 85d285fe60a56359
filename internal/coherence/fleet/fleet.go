// Package fleet runs freshlist for tests as it runs in production: API processes
// and invalidators, the real programs, each a process of its own, on real servers.
// A test can kill, stop and continue them. They do not outlive the test process.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		db, rd := migrated.New(t), redistest.New(t)
//		c := fleet.Config{Database: db.Roles, Redis: rd.URL, Prefix: rd.Prefix, Bound: time.Second}
//		invalidator, api := c.Invalidator(t), c.API(t)
//		fleet.Await(t, "a hit", func() bool { ... api.URL + "/v1/properties" ... })
//		invalidator.Kill(t)
//		...
//	}
//
// If the test fails, what the processes have logged is shown. A data race or a
// panic in a process fails the test.
package fleet

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/local"
)

// WriteToken is the token that the API processes take for writes.
const WriteToken = "fleet-write-token"

// Config says what processes work on.
type Config struct {
	Database local.Roles   // each process has its role's address
	Redis    string        // REDIS_URL
	Prefix   string        // REDIS_PREFIX
	Bound    time.Duration // STALENESS_BOUND
	Env      []string      // further variables, "NAME=value"
	Programs Programs      // the zero value: as the repository has them
}

// API starts an API process and returns when it is ready. It ends with the test.
func (c Config) API(t testing.TB) *Process {
	t.Helper()
	p := c.StartAPI(t)
	p.AwaitReady(t)
	return p
}

// StartAPI starts an API process and does not wait: it may not be able to answer.
func (c Config) StartAPI(t testing.TB) *Process {
	t.Helper()
	return c.process(t, "api", "HTTP_ADDR", c.Database.API, c.programs(t).API)
}

// Invalidator starts an invalidator and returns when it leads or stands by. It
// ends with the test.
func (c Config) Invalidator(t testing.TB) *Process {
	t.Helper()
	p := c.StartInvalidator(t)
	p.AwaitReady(t)
	return p
}

// StartInvalidator starts an invalidator and does not wait: it may not be able to work.
func (c Config) StartInvalidator(t testing.TB) *Process {
	t.Helper()
	return c.process(t, "invalidator", "INVALIDATOR_ADDR", c.Database.Invalidator, c.programs(t).Invalidator)
}

// Doctor runs the doctor, which asks the API and the invalidator too; either may be nil. It
// returns what was said, and whether all was well.
func (c Config) Doctor(t testing.TB, api, invalidator *Process) (said string, well bool) {
	t.Helper()
	env := c.env(c.Database.Invalidator)
	for variable, p := range map[string]*Process{"HTTP_ADDR": api, "INVALIDATOR_ADDR": invalidator} {
		addr := "127.0.0.1:1" // nobody
		if p != nil {
			addr = strings.TrimPrefix(p.URL, "http://")
		}
		env = append(env, variable+"="+addr)
	}
	cmd := exec.Command(c.programs(t).Invalidator, "doctor")
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// env is the environment of a process that has an address of the database.
func (c Config) env(database string) []string {
	return append(append(os.Environ(),
		"DATABASE_URL="+database, "REDIS_URL="+c.Redis, "REDIS_PREFIX="+c.Prefix,
		"STALENESS_BOUND="+c.Bound.String(), "WRITE_TOKEN="+WriteToken, "LOG_FORMAT=text"), c.Env...)
}

func (c Config) programs(t testing.TB) Programs {
	t.Helper()
	if c.Programs == (Programs{}) {
		return Build(t)
	}
	return c.Programs
}

func (c Config) process(t testing.TB, name, addrVariable, database, program string) *Process {
	t.Helper()
	port, err := local.FreePort(0)
	check(t, "find a port", err)
	addr := "127.0.0.1:" + strconv.Itoa(port)
	p := &Process{
		URL: "http://" + addr, name: name, program: program,
		logfile: filepath.Join(t.TempDir(), name+".log"),
		env:     append(c.env(database), addrVariable+"="+addr),
	}
	t.Cleanup(func() { p.end(t) })
	p.Start(t)
	return p
}
