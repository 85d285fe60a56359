package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Superuser is the name of the superuser of a private PostgreSQL server.
const Superuser = "postgres"

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = 30 * time.Second

// PostgresOptions says how to run a private PostgreSQL server.
type PostgresOptions struct {
	Dir  string // its folder, made if it is not there; data found in it is used
	Port int    // wanted port; 0, or one that is taken: any free one

	// Settings are "name=value", over those of postgresql.conf.
	Settings []string

	// Disposable is for tests: cheap password checks, a linguistic default
	// collation to make sorting by accident visible, a cluster copied from a
	// cached one, and the folder removed if this process dies.
	Disposable bool
}

// Postgres is a private PostgreSQL server. Its methods are not safe for
// concurrent use, except URL.
type Postgres struct {
	options  PostgresOptions
	account  account
	programs string
	port     int
	password string
	process  *process // nil while stopped

	rolePasswords [len(roleNames)]string // set by SetUp
}

// StopMode is a way to end a PostgreSQL server.
type StopMode syscall.Signal

// The ways to end a PostgreSQL server.
const (
	Fast      = StopMode(syscall.SIGINT)  // closes connections, writes a checkpoint
	Immediate = StopMode(syscall.SIGQUIT) // as in a crash: recovery at the next start
	Kill      = StopMode(syscall.SIGKILL) // every process killed
)

// StartPostgres makes the cluster if there is none in the folder, starts the
// server, and returns when it accepts connections.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	p := &Postgres{options: options, port: options.Port}
	var err error
	if p.account, err = serverAccount(); err != nil {
		return nil, err
	}
	if p.programs, err = PostgresPrograms(ctx); err != nil {
		return nil, err
	}
	if err := p.account.folder(options.Dir); err != nil {
		return nil, fmt.Errorf("make folder of postgres: %w", err)
	}
	if _, err := os.Stat(p.data()); errors.Is(err, fs.ErrNotExist) {
		if err := p.create(ctx); err != nil {
			return nil, err
		}
	}
	if p.password, err = p.account.password(p.passwordFile()); err != nil {
		return nil, err
	}
	return p, onFreePort(ctx, options.Port, p.logfile(), func(ctx context.Context, port int) error {
		p.port = port
		return p.Start(ctx)
	})
}

func (p *Postgres) data() string         { return filepath.Join(p.options.Dir, "data") }
func (p *Postgres) passwordFile() string { return filepath.Join(p.options.Dir, "password") }
func (p *Postgres) logfile() string      { return filepath.Join(p.options.Dir, "log") }

// Dir returns the server's folder.
func (p *Postgres) Dir() string { return p.options.Dir }

// Programs returns the folder with PostgreSQL's programs, psql among them.
func (p *Postgres) Programs() string { return p.programs }

// URL returns the address of a database for a role.
func (p *Postgres) URL(role, password, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(role, password),
		Host:     net.JoinHostPort(host, strconv.Itoa(p.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SuperuserURL returns the address of a database for the superuser.
func (p *Postgres) SuperuserURL(database string) string {
	return p.URL(Superuser, p.password, database)
}

// Start starts a stopped server again, on its port and its data, and returns
// when it accepts connections.
func (p *Postgres) Start(ctx context.Context) error {
	p.awaitPredecessor(ctx)
	args := []string{"-D", p.data()}
	for _, setting := range append([]string{
		"port=" + strconv.Itoa(p.port),
		"listen_addresses=" + host,
		"unix_socket_directories=",
	}, p.options.Settings...) {
		args = append(args, "-c", setting)
	}
	server := launch{path: filepath.Join(p.programs, "postgres"), args: args, orphanSignal: "INT"}
	if p.options.Disposable {
		server.orphanSignal, server.orphanRemoves = "QUIT", p.options.Dir
	}
	process, err := server.startServer(p.account, p.logfile())
	if err != nil {
		return err
	}
	if err := process.awaitReady(ctx, func() bool { return p.ready(process) }); err != nil {
		return errors.Join(err, process.stop(syscall.SIGQUIT, stopGrace))
	}
	p.process = process
	return nil
}

// awaitPredecessor gives a server that still uses the data, because its guard has
// only begun to stop it, some time to end.
func (p *Postgres) awaitPredecessor(ctx context.Context) {
	for range 500 {
		b, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
		if err != nil {
			return
		}
		first, _, _ := strings.Cut(string(b), "\n")
		pid, err := strconv.Atoi(first)
		if err != nil || gone(pid) || ctx.Err() != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ready reads the line of postmaster.pid in which the server tells its state,
// once the file is that of this process.
func (p *Postgres) ready(process *process) bool {
	b, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(b), "\n")
	return len(lines) > 7 && lines[0] == strconv.Itoa(process.cmd.Process.Pid) &&
		strings.TrimSpace(lines[7]) == "ready"
}

// Stop ends the server. A stopped one stays as it is.
func (p *Postgres) Stop(mode StopMode) error {
	if p.process == nil {
		return nil
	}
	process := p.process
	p.process = nil
	if mode == Kill {
		process.kill()
		p.removeInterlock()
	}
	return process.stop(syscall.Signal(mode), stopGrace)
}

// removeInterlock removes the few bytes of shared memory by which a server sees
// that another one uses its data. They outlive a killed one, and the system has
// room for a few thousand only.
func (p *Postgres) removeInterlock() {
	b, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return
	}
	var key, id int
	lines := strings.Split(string(b), "\n")
	if len(lines) > 6 {
		if _, err := fmt.Sscan(lines[6], &key, &id); err == nil {
			_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) // fails only if it is gone
		}
	}
}

// Pause stops all processes of the server in their tracks, connections stay open.
func (p *Postgres) Pause() error { return p.process.signalAll(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (p *Postgres) Resume() error { return p.process.signalAll(syscall.SIGCONT) }

// create makes the cluster, a disposable one from the cache.
func (p *Postgres) create(ctx context.Context) error {
	cache := ""
	if p.options.Disposable {
		if folder, err := os.UserCacheDir(); err == nil {
			cache = filepath.Join(folder, "freshlist", p.cacheName(ctx))
		}
	}
	if cache != "" {
		if err := p.account.copyTree(p.data(), filepath.Join(cache, "data")); err == nil {
			return p.copyPassword(cache)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("copy cluster (removing %s helps): %w", cache, err)
		}
	}
	if err := p.initdb(ctx); err != nil {
		return errors.Join(err, os.RemoveAll(p.data()))
	}
	if cache == "" {
		return nil
	}
	return p.remember(cache)
}

func (p *Postgres) copyPassword(cache string) error {
	password, err := os.ReadFile(filepath.Join(cache, "password"))
	if err != nil {
		return err
	}
	return p.account.write(p.passwordFile(), string(password))
}

// remember keeps a copy of the new cluster, unless another process has just done
// so. The copy belongs to the caller, not to the server's account.
func (p *Postgres) remember(cache string) error {
	if err := os.MkdirAll(filepath.Dir(cache), 0o700); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(cache), "unfinished-*")
	if err != nil {
		return err
	}
	own := account{}
	if err := own.copyTree(filepath.Join(unfinished, "data"), p.data()); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	if err := copyFile(filepath.Join(unfinished, "password"), p.passwordFile()); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, cache); err != nil {
		return os.RemoveAll(unfinished) // the other one's is as good
	}
	return nil
}

// cacheName tells clusters of different programs or options apart.
func (p *Postgres) cacheName(ctx context.Context) string {
	version, _ := exec.CommandContext(ctx, filepath.Join(p.programs, "postgres"), "--version").Output()
	sum := sha256.Sum256([]byte(fmt.Sprint(p.programs, string(version), p.initdbArgs())))
	return "postgres-" + hex.EncodeToString(sum[:8])
}

func (p *Postgres) initdbArgs() []string {
	locale := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		locale = "en_US.UTF-8" // has no C.UTF-8
	}
	args := []string{"--username=" + Superuser, "--encoding=UTF8", "--locale=" + locale}
	if p.options.Disposable {
		return append(args, "--auth=md5", "--no-sync", "--locale-provider=icu", "--icu-locale=en-US")
	}
	return append(args, "--auth=scram-sha-256")
}

func (p *Postgres) initdb(ctx context.Context) error {
	if _, err := p.account.password(p.passwordFile()); err != nil {
		return err
	}
	args := append(p.initdbArgs(), "--pwfile="+p.passwordFile(), "--pgdata="+p.data())
	cmd := exec.CommandContext(ctx, filepath.Join(p.programs, "initdb"), args...)
	cmd.Dir = p.options.Dir
	cmd.Env = serverEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w: %s", p.options.Dir, err, tail(out))
	}
	return nil
}
