// Package local runs private PostgreSQL and Redis servers: for tests, and for a
// first look without setting anything up.
//
// A private server listens on loopback only, on a port of its own, demands a
// random password, keeps everything in one folder that nobody else may enter,
// and is stopped by its process id. It does not outlive the process that started
// it, however that one ends: a guard, a small shell process, stops it then.
//
// PostgreSQL refuses to run as root. Where the caller is root, both servers run
// as another user, so the folder must lie where that user can reach it.
package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is the user that servers run as.
type account struct {
	uid, gid int
	other    bool // not the user of this process
}

// serverAccount returns the user of this process or, for root, the first of the
// usual server users.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	names := []string{"postgres", "redis", "nobody"}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return account{}, fmt.Errorf("read ids of user %s: %w", name, err)
		}
		return account{uid: uid, gid: gid, other: true}, nil
	}
	return account{}, fmt.Errorf("run servers as root: none of the users %s exists", strings.Join(names, ", "))
}

// credential is what a server process is started with: nil for the own user.
func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

// own hands a file or folder to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// folder makes dir, if it is not there, with mode 0700 for the account.
func (a account) folder(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return a.own(dir)
}

// write puts a file with mode 0600 into the account's hands.
func (a account) write(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	return a.own(path)
}

// copyTree copies the folders and regular files of a tree, which are all that a
// stopped server leaves, and gives the copy to the account.
func (a account) copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		switch {
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(target, path)
		default:
			return fmt.Errorf("copy %s: neither file nor folder", path)
		}
		if err != nil {
			return err
		}
		return a.own(target)
	})
}

func copyFile(to, from string) (err error) {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	_, err = w.ReadFrom(r)
	return err
}

// password returns the content of the file at path, which it first fills with a
// random password if it is not there.
func (a account) password(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		password := rand.Text()
		return password, a.write(path, password)
	}
	return string(b), err
}
