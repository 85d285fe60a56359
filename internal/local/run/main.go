// Command run is what make run runs, from the top of the repository: it starts
// private PostgreSQL and Redis servers, or uses those of DATABASE_URL and
// REDIS_URL, brings the database up to date, starts the API and the invalidator
// from bin, says where they are, and stops all of it when it is told to stop. With the
// argument clean it removes the data of former runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/probe"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	top, err := os.Getwd()
	switch {
	case err != nil:
	case len(os.Args) == 2 && os.Args[1] == "clean":
		err = clean(os.Stdout, top, stateFolder(top))
	default:
		err = run(ctx, os.Stdout, top, stateFolder(top))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "freshlist:", err)
		os.Exit(1)
	}
}

const (
	startTimeout = 2 * time.Minute
	stopGrace    = 15 * time.Second

	cachingTimeout = 30 * time.Second
	// The usual ports, taken if they are free.
	apiPort, invalidatorPort, trialPort = 8080, 8081, 8082
)

// run runs the clone at top, with the servers' data in state, until ctx is done or
// something has ended by itself.
func run(ctx context.Context, out io.Writer, top, state string) (err error) {
	for _, name := range []string{"DATABASE_URL", "REDIS_URL"} {
		if os.Getenv(name+"_FILE") != "" {
			return fmt.Errorf("make run does not read %[1]s_FILE: set %[1]s, or unset %[1]s_FILE for a private server", name)
		}
	}
	if url := os.Getenv("DATABASE_URL"); url != "" {
		if err := adopt(url, os.Getenv("FRESHLIST_ADOPT"), terminal(os.Stdin), out); err != nil {
			return err
		}
	}
	forgetOthers()
	folder, err := openFolder(top, state)
	if err != nil {
		return err
	}
	s := &stack{top: top, folder: folder, out: out}
	defer func() {
		stopped := ctx.Err() != nil
		if failed := s.stop(); stopped {
			err = failed // whatever was cut off by the stop is no news
		} else {
			err = errors.Join(err, failed)
		}
	}()
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.start(starting); err != nil {
		return err
	}
	s.greet()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "\nstopping")
		return nil
	case <-s.api.Exited():
		return errors.New("the API has ended by itself; its last words are above")
	case <-s.invalidator.Exited():
		return errors.New("the invalidator has ended by itself; its last words are above")
	}
}

// terminal returns the file if somebody sits there.
func terminal(f *os.File) io.Reader {
	if !telemetry.IsTerminal(f) {
		return nil
	}
	return f
}

// clean removes what runs of the clone at top have left. One that runs keeps its data.
func clean(out io.Writer, top, state string) error {
	if isMissing(filepath.Join(top, ".local")) && isMissing(state) {
		return nil
	}
	folder, err := openFolder(top, state)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "removing", state)
	return errors.Join(os.RemoveAll(state), os.RemoveAll(folder.local), folder.close())
}

func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

// stack is everything that run starts, and how to stop it.
type stack struct {
	top    string // of the repository
	folder *folder
	out    io.Writer
	stops  []func() error // in the order of starting

	database        local.Roles
	private         bool   // the database is a private one
	psql            string // a command line
	redis           string
	apiAddr         string
	invalidatorAddr string
	api             *local.Program
	invalidator     *local.Program
	redisServer     *local.Redis // nil if it is not a private one
	trial           string       // address of the page with buttons
}

// stop ends everything, the last first.
func (s *stack) stop() error {
	var failed []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		failed = append(failed, s.stops[i]())
	}
	return errors.Join(append(failed, s.folder.close())...)
}

func (s *stack) start(ctx context.Context) (err error) {
	if err := s.startServers(ctx); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "migrating, installing triggers, loading the sample listings")
	for _, command := range [][]string{
		{"bin/api", "migrate", "up"},
		{"bin/invalidator", "install"},
		{"bin/api", "seed"},
	} {
		if err := s.once(ctx, command[0], command[1:]...); err != nil {
			return err
		}
	}
	if s.apiAddr, err = listenAddr("HTTP_ADDR", apiPort); err != nil {
		return err
	}
	if s.invalidatorAddr, err = listenAddr("INVALIDATOR_ADDR", invalidatorPort); err != nil {
		return err
	}
	env := []string{}
	for _, variable := range s.addresses(s.database.Owner) {
		env = append(env, "'"+strings.ReplaceAll(variable, "'", `'\''`)+"'")
	}
	_, err = s.folder.writeScript("as-owner", "runs a command with the addresses of make run, as the owner of the listings.", env, `"$@"`)
	if err != nil {
		return err
	}
	listener, err := s.listenTrial()
	if err != nil {
		return err
	}
	if s.invalidator, err = s.startProgram("bin/invalidator", s.database.Invalidator, s.dashboardEnv()...); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.serveTrial(listener)
	if s.api, err = s.startProgram("bin/api", s.database.API); err != nil {
		return err
	}
	if err := awaitReady(ctx, s.invalidatorAddr, s.invalidator); err != nil {
		return fmt.Errorf("start the invalidator: %w", err)
	}
	if err := awaitReady(ctx, s.apiAddr, s.api); err != nil {
		return fmt.Errorf("start the API: %w", err)
	}
	awaitCaching(ctx, s.apiAddr, s.api)
	return nil
}

// once runs one command as the owner of the table, and shows what it says only if
// it fails.
func (s *stack) once(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.top, name), args...)
	cmd.Env = s.env(s.database.Owner)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C ends it through ctx
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, said)
	}
	return nil
}

// forgetOthers takes out of the environment what says how to reach other servers than the
// private ones: it does not hold for these.
func forgetOthers() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if os.Getenv("DATABASE_URL") == "" && (strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "DATABASE_PASSWORD")) ||
			os.Getenv("REDIS_URL") == "" && (strings.HasPrefix(name, "REDIS_PASSWORD") || slices.Contains(tlsFiles, name)) {
			_ = os.Unsetenv(name) // the name is one that was there
		}
	}
}

// tlsFiles are the variables of the files by which a Redis server is reached over TLS.
var tlsFiles = []string{"REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE"}

func (s *stack) startProgram(name, database string, more ...string) (*local.Program, error) {
	p, err := local.StartProgram(os.Stderr, append(s.env(database), more...), filepath.Join(s.top, name))
	if err == nil {
		s.stops = append(s.stops, func() error { return p.Stop(stopGrace) })
	}
	return p, err
}

// env is the environment of a process that uses the database at this address.
// Later entries hold.
func (s *stack) env(database string) []string { return append(os.Environ(), s.addresses(database)...) }

func (s *stack) addresses(database string) []string {
	return []string{"DATABASE_URL=" + database, "REDIS_URL=" + s.redis,
		"HTTP_ADDR=" + s.apiAddr, "INVALIDATOR_ADDR=" + s.invalidatorAddr}
}

// listenAddr returns the address that a variable gives or, if it is not set, one
// on loopback with the usual port or another free one.
func listenAddr(variable string, usual int) (string, error) {
	if addr := os.Getenv(variable); addr != "" {
		return addr, nil
	}
	port, err := local.FreePort(usual)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", port), nil
}

// dialable returns an address for a browser, of one to listen on.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr // the process itself says what is wrong
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// awaitCaching waits until the API uses the cache, so that the first look shows a hit. It does not
// wait for long: the API says itself what keeps it from it.
func awaitCaching(ctx context.Context, addr string, p *local.Program) {
	ctx, cancel := context.WithTimeout(ctx, cachingTimeout)
	defer cancel()
	_ = await(ctx, p, func() error {
		said, err := probe.State(ctx, addr)
		if err == nil && !said.Caching {
			err = errors.New("the cache is not used")
		}
		return err
	})
}

// awaitReady asks a process until it says that it is ready.
func awaitReady(ctx context.Context, addr string, p *local.Program) error {
	return await(ctx, p, func() error { return probe.Ready(ctx, addr) })
}

// await asks a process until the answer is nil, the process has ended or ctx is done.
func await(ctx context.Context, p *local.Program, ask func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.Exited():
			return errors.New("it has ended; its last words are above")
		case <-ctx.Done():
			return fmt.Errorf("%w, and no more time: %w", err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

const greeting = `
freshlist is running. Ctrl-C stops it.

    http://%[1]s/                          listings
    http://%[1]s/v1/properties/932         one of them, as JSON
    http://%[2]s/                          the dashboard: what is purged, and why
    http://%[5]s/                          stop the invalidator or Redis, edit at random

Change a listing by SQL and read it again:

    curl -i http://%[1]s/v1/properties/932
    %[3]s -c "update properties set price = price + 1000 where id = 932"

%[4]s
`

func (s *stack) greet() {
	kept := "The database is the one of DATABASE_URL."
	if os.Getenv("DATABASE_URL") == "" {
		kept = "The data lie in " + s.folder.state + ", and are there at the next run; make clean removes them."
	}
	fmt.Fprintf(s.out, greeting, dialable(s.apiAddr), dialable(s.invalidatorAddr), s.psql, kept, s.trial)
}
