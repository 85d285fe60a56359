package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// folder is where everything of this clone lies. It is locked while in use: two
// runs cannot share the data.
type folder struct {
	local string // .local of the clone
	state string // the servers' folders; a place that their user can enter
	lock  *os.File
}

// stateFolder returns where the servers of the clone at top keep their data: in
// the clone or, for root, where the user can enter as whom they run.
func stateFolder(top string) string {
	if os.Geteuid() != 0 {
		return filepath.Join(top, ".local")
	}
	sum := sha256.Sum256([]byte(top))
	return filepath.Join("/var/lib/freshlist", hex.EncodeToString(sum[:6]))
}

// openFolder makes the folders of the clone at top and locks them.
func openFolder(top, state string) (*folder, error) {
	f := &folder{local: filepath.Join(top, ".local"), state: state}
	if err := makeEnterable(f.local, filepath.Dir(state), state); err != nil {
		return nil, fmt.Errorf("%w; make run keeps its data there, so work in a clone that you may write to", err)
	}
	lock, err := os.OpenFile(filepath.Join(f.local, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("freshlist runs already in %s; stop that one first", top), lock.Close())
	}
	f.lock = lock
	return f, nil
}

// makeEnterable makes the folders that are not there, such that every user may
// pass through them, whatever the umask.
func makeEnterable(dirs ...string) error {
	for _, dir := range dirs {
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			err = os.Chmod(dir, 0o755)
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// writeScript writes an executable script into the clone, and returns how to call it from the
// top of the clone. It holds a password, so only the owner may read it.
func (f *folder) writeScript(name, says string, env []string, command string) (string, error) {
	script := "#!/bin/sh\n# " + says + "\nexport " + strings.Join(env, " ") + "\nexec " + command + "\n"
	path := filepath.Join(f.local, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return ".local/" + name, os.WriteFile(path, []byte(script), 0o700)
}

// close gives up the lock.
func (f *folder) close() error { return f.lock.Close() }
