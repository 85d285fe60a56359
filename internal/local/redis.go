package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// RedisOptions says how to run a private Redis server.
type RedisOptions struct {
	Dir  string // its folder, made if it is not there
	Port int    // wanted port; 0, or one that is taken: any free one

	// Settings are lines of redis.conf, over those that make the server private.
	Settings []string

	Sentinel bool   // it is a sentinel, and holds no data
	Password string // "": a random one, kept in the folder

	Disposable bool // for tests: the folder is removed if this process dies
}

// Redis is a private Redis server that writes nothing to disk unless it is told
// to. Its methods are not safe for concurrent use, except URL.
type Redis struct {
	options  RedisOptions
	account  account
	program  string
	port     int
	password string
	process  *process // nil while stopped
}

// StartRedis starts a server and returns when it answers.
func StartRedis(ctx context.Context, options RedisOptions) (*Redis, error) {
	r := &Redis{options: options}
	var err error
	if r.account, err = serverAccount(); err != nil {
		return nil, err
	}
	if r.program, err = redisProgram(ctx); err != nil {
		return nil, err
	}
	if err := r.account.folder(options.Dir); err != nil {
		return nil, fmt.Errorf("make folder of redis: %w", err)
	}
	if r.password = options.Password; r.password != "" {
		// given
	} else if r.password, err = r.account.password(filepath.Join(options.Dir, "password")); err != nil {
		return nil, err
	}
	return r, onFreePort(ctx, options.Port, r.logfile(), func(ctx context.Context, port int) error {
		r.port = port
		return r.Start(ctx)
	})
}

func (r *Redis) logfile() string { return filepath.Join(r.options.Dir, "log") }

// Dir returns the server's folder.
func (r *Redis) Dir() string { return r.options.Dir }

// Snapshot is the file that the server loads when it starts, if it is there, and
// that its command SAVE writes.
func (r *Redis) Snapshot() string { return filepath.Join(r.options.Dir, "dump.rdb") }

// Port returns the server's port.
func (r *Redis) Port() int { return r.port }

func (r *Redis) address() string { return net.JoinHostPort(host, strconv.Itoa(r.port)) }

// URL returns the address of the server with its password.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", r.password), Host: r.address(), Path: "/0"}
	return u.String()
}

// Start starts a stopped server again, on its port. It begins with what its
// Snapshot holds, or empty.
func (r *Redis) Start(ctx context.Context) error {
	config := filepath.Join(r.options.Dir, "redis.conf")
	lines := []string{
		"bind " + host,
		"port " + strconv.Itoa(r.port),
		"requirepass " + r.password,
		"dir " + strconv.Quote(r.options.Dir),
		"daemonize no",
	}
	args := []string{config}
	if r.options.Sentinel {
		args = append(args, "--sentinel")
	} else {
		lines = append(lines, `save ""`, "appendonly no", "maxmemory-policy volatile-lfu")
	}
	lines = append(lines, r.options.Settings...)
	if err := r.account.write(config, strings.Join(lines, "\n")+"\n"); err != nil {
		return err
	}
	server := launch{path: r.program, args: args, orphanSignal: "TERM"}
	if r.options.Disposable {
		server.orphanRemoves = r.options.Dir
	}
	process, err := server.startServer(r.account, r.logfile())
	if err != nil {
		return err
	}
	if err := process.awaitReady(ctx, r.ready); err != nil {
		return errors.Join(err, process.stop(syscall.SIGTERM, stopGrace))
	}
	r.process = process
	return nil
}

// ready says whether this server, not another on its port, answers a PING.
func (r *Redis) ready() bool {
	conn, err := net.DialTimeout("tcp", r.address(), time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := io.WriteString(conn, "AUTH "+r.password+"\r\nPING\r\n"); err != nil {
		return false
	}
	answers := bufio.NewReader(conn)
	auth, err1 := answers.ReadString('\n')
	ping, err2 := answers.ReadString('\n')
	return errors.Join(err1, err2) == nil && auth == "+OK\r\n" && ping == "+PONG\r\n"
}

// Stop ends the server in order; it writes no snapshot. A stopped one stays as it
// is.
func (r *Redis) Stop() error { return r.stop(syscall.SIGTERM) }

// Kill ends the server at once.
func (r *Redis) Kill() error { return r.stop(syscall.SIGKILL) }

func (r *Redis) stop(signal syscall.Signal) error {
	if r.process == nil {
		return nil
	}
	process := r.process
	r.process = nil
	return process.stop(signal, stopGrace)
}

// SetSnapshot replaces the file that the server loads at its next start by a
// copy of another, or removes it if from is empty.
func (r *Redis) SetSnapshot(from string) error {
	if err := os.Remove(r.Snapshot()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if from == "" {
		return nil
	}
	if err := copyFile(r.Snapshot(), from); err != nil {
		return err
	}
	return r.account.own(r.Snapshot())
}

// Pause stops the server in its tracks, connections stay open.
func (r *Redis) Pause() error { return r.process.signalAll(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (r *Redis) Resume() error { return r.process.signalAll(syscall.SIGCONT) }
