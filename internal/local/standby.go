package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// StartStandby copies the running server into a folder of its own, starts the copy as
// a streaming standby, and returns when that accepts connections. Roles have the
// passwords that they have on the primary.
func (p *Postgres) StartStandby(ctx context.Context, dir string) (*Postgres, error) {
	s := &Postgres{options: p.options}
	s.options.Dir = dir
	if err := p.account.folder(dir); err != nil {
		return nil, fmt.Errorf("make folder of the standby: %w", err)
	}
	if err := p.account.write(s.passwordFile(), p.password); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.programs, "pg_basebackup"), "--pgdata="+s.data(),
		"--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync",
		"--host="+host, "--port="+strconv.Itoa(p.port), "--username="+Superuser)
	cmd.Dir = dir
	cmd.Env = append(serverEnv(), "PGPASSWORD="+p.password)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the primary: %w: %s", err, tail(out)), os.RemoveAll(dir))
	}
	started, err := StartPostgres(ctx, s.options)
	if err != nil {
		return nil, err
	}
	started.rolePasswords = p.rolePasswords
	return started, nil
}
