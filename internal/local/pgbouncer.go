package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// PgBouncer is a private connection pooler before a PostgreSQL server.
type PgBouncer struct {
	dir     string
	port    int
	process *process
}

// StartPgBouncer starts a pooler before the server, in a folder that it makes. The mode
// is session, transaction or statement. It has at most size backends for each role and
// database, and knows the superuser and the roles of a deployment. Settings are lines of
// its section [pgbouncer].
func (p *Postgres) StartPgBouncer(ctx context.Context, dir, mode string, size int, settings ...string) (*PgBouncer, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path = "/usr/sbin/pgbouncer"; !executable(path) {
			return nil, fmt.Errorf("find pgbouncer in PATH or /usr/sbin: %w", ErrMissing)
		}
	}
	b := &PgBouncer{dir: dir}
	if err := p.account.folder(dir); err != nil {
		return nil, fmt.Errorf("make folder of pgbouncer: %w", err)
	}
	users := fmt.Sprintf("%q %q\n", Superuser, p.password)
	for i, role := range roleNames {
		users += fmt.Sprintf("%q %q\n", role, p.rolePasswords[i])
	}
	if err := p.account.write(filepath.Join(dir, "users"), users); err != nil {
		return nil, err
	}
	return b, onFreePort(ctx, 0, b.logfile(), func(ctx context.Context, port int) error {
		b.port = port
		lines := append([]string{
			"[databases]", fmt.Sprintf("* = host=%s port=%d", host, p.port),
			"[pgbouncer]", "listen_addr=" + host, "listen_port=" + strconv.Itoa(port), "unix_socket_dir=",
			"auth_type=md5", "auth_file=" + filepath.Join(dir, "users"),
			"pool_mode=" + mode, "default_pool_size=" + strconv.Itoa(size), "max_client_conn=500",
			"server_round_robin=1", // so that a session meets as many backends as can be
		}, settings...)
		config := filepath.Join(dir, "config")
		if err := p.account.write(config, strings.Join(lines, "\n")+"\n"); err != nil {
			return err
		}
		server := launch{path: path, args: []string{config}, orphanSignal: "INT", orphanRemoves: dir}
		process, err := server.startServer(p.account, b.logfile())
		if err != nil {
			return err
		}
		if err := process.awaitReady(ctx, b.ready); err != nil {
			return errors.Join(err, process.stop(syscall.SIGKILL, stopGrace))
		}
		b.process = process
		return nil
	})
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

func (b *PgBouncer) logfile() string { return filepath.Join(b.dir, "log") }

func (b *PgBouncer) ready() bool {
	conn, err := net.Dial("tcp", b.host())
	return err == nil && conn.Close() == nil
}

func (b *PgBouncer) host() string { return net.JoinHostPort(host, strconv.Itoa(b.port)) }

// Through returns an address of the server that leads through the pooler.
func (b *PgBouncer) Through(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	u.Host = b.host()
	return u.String(), nil
}

// Stop ends the pooler at once, with its connections, and removes its folder.
func (b *PgBouncer) Stop() error {
	return errors.Join(b.process.stop(syscall.SIGTERM, stopGrace), os.RemoveAll(b.dir))
}
