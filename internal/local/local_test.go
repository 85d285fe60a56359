package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// orphanage, in the environment, makes this test program start servers in that
// folder, say so, and wait to be killed.
const orphanage = "LOCAL_TEST_ORPHANAGE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanage); dir != "" {
		leaveOrphans(dir)
	}
	goleak.VerifyTestMain(m)
}

func leaveOrphans(dir string) {
	ctx := context.Background()
	p, err1 := StartPostgres(ctx, PostgresOptions{Dir: filepath.Join(dir, "postgres"), Disposable: true})
	r, err2 := StartRedis(ctx, RedisOptions{Dir: filepath.Join(dir, "redis"), Disposable: true})
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := r.Pause(); err != nil { // must not save it
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.process.cmd.Process.Pid, r.process.cmd.Process.Pid)
	select {}
}

// folder returns a folder that the servers' user can enter, unlike t.TempDir's
// for root.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := ScratchDir("freshlist-local-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// eventually polls what no event tells: the end of somebody else's process.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

func TestServersDieWithTheirOwner(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), orphanage+"="+dir)
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_ = owner.Process.Kill()
	_ = owner.Wait()
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("the owner said %q", line)
		}
		eventually(t, "server ended", func() bool { return gone(pid) })
	}
	for _, name := range []string{"postgres", "redis"} {
		eventually(t, "folder removed", func() bool {
			_, err := os.Stat(filepath.Join(dir, name))
			return errors.Is(err, fs.ErrNotExist)
		})
	}
}

func TestFolderIsPrivate(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	r, err := StartRedis(t.Context(), RedisOptions{Dir: filepath.Join(dir, "redis")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}()
	err = filepath.WalkDir(r.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	got, err := FreePort(taken)
	if err != nil || got == taken || got == 0 {
		t.Fatalf("FreePort(%d) = %d, %v", taken, got, err)
	}
	free, err := FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := FreePort(free); err != nil || got != free {
		t.Fatalf("FreePort(%d) = %d, %v", free, got, err)
	}
}

// A port is given to one asker, though nobody listens on it yet.
func TestPortIsGivenOnce(t *testing.T) {
	t.Parallel()
	port, err := FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := freePortBetween(port, port+1); err == nil {
		t.Errorf("port %d is given twice", again)
	}
}

// A server that lost its port between the look and the start gets another.
func TestPortLostMeanwhile(t *testing.T) {
	t.Parallel()
	logfile := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(logfile, []byte("bind: Address already in use\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tries := 0
	err := onFreePort(t.Context(), 0, logfile, func(context.Context, int) error {
		if tries++; tries == 1 {
			return errors.New("ended")
		}
		return nil
	})
	if err != nil || tries != 2 {
		t.Fatalf("%d tries, %v", tries, err)
	}
}

func TestStartFailureShowsTheLog(t *testing.T) {
	t.Parallel()
	_, err := StartRedis(t.Context(), RedisOptions{
		Dir:      filepath.Join(folder(t), "redis"),
		Settings: []string{"no-such-setting 1"},
	})
	if err == nil || !strings.Contains(err.Error(), "no-such-setting") {
		t.Fatalf("got %v, want the server's own words", err)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n":             "15",
		"postgres (PostgreSQL) 18beta1\n":                                    "18",
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64": "7",
	} {
		m := majorVersion.FindStringSubmatch(text)
		if m == nil || m[1] != want {
			t.Errorf("major version in %q: %v, want %s", text, m, want)
		}
	}
}
