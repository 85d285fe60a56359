package local

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// The oldest servers that freshlist runs on.
const (
	minPostgres = 15
	minRedis    = 7
)

// ErrMissing says that a server's programs are not on this machine, or too old.
var ErrMissing = errors.New("no usable server program found; " +
	"Debian: apt-get install --no-install-recommends postgresql redis-server; " +
	"macOS: brew install postgresql@15 redis")

// Where packages put PostgreSQL's programs; Debian keeps them off the PATH.
var postgresFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

var majorVersion = regexp.MustCompile(`(?:\) |v=)(\d+)`)

// PostgresPrograms returns the folder with PostgreSQL's programs: the one on the
// PATH, else that of the newest version that is installed.
func PostgresPrograms(ctx context.Context) (string, error) {
	var programs []string
	for _, pattern := range postgresFolders {
		found, err := filepath.Glob(pattern + "/postgres")
		if err != nil {
			return "", fmt.Errorf("look for postgres: %w", err)
		}
		programs = append(programs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		programs = []string{path}
	}
	best, dir := 0, ""
	for _, program := range programs {
		if major := majorOf(ctx, program); major > best {
			best, dir = major, program
		}
	}
	if best < minPostgres {
		return "", fmt.Errorf("find PostgreSQL %d or newer in PATH or %v: %w", minPostgres, postgresFolders, ErrMissing)
	}
	real, err := filepath.EvalSymlinks(dir) // initdb must lie beside it
	if err != nil {
		return "", err
	}
	return filepath.Dir(real), nil
}

// redisProgram returns the path of redis-server.
func redisProgram(ctx context.Context) (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil || majorOf(ctx, path) < minRedis {
		return "", fmt.Errorf("find redis-server %d or newer in PATH: %w", minRedis, ErrMissing)
	}
	return path, nil
}

// majorOf returns the major version that a server program prints, 0 if none.
func majorOf(ctx context.Context, program string) int {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return 0
	}
	m := majorVersion.FindSubmatch(out)
	if m == nil {
		return 0
	}
	major, _ := strconv.Atoi(string(m[1])) // digits only
	return major
}
