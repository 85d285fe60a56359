package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/freshlist/freshlist/internal/local"
)

// The test program is also bin/api and bin/invalidator, if it is called so.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); name {
	case "api", "invalidator":
		if err := standIn(name, os.Args[1:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	default:
		goleak.VerifyTestMain(m)
	}
}

// standIn does of a program what run can see: it uses the database as its role,
// notes the command, and serves /readyz.
func standIn(name string, args []string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	if len(args) > 0 {
		_, err := conn.Exec(ctx, "create table if not exists log (command text)")
		if err == nil {
			_, err = conn.Exec(ctx, "insert into log values ($1)", name+" "+strings.Join(args, " "))
		}
		return err
	}
	addr := os.Getenv("HTTP_ADDR")
	if name == "invalidator" {
		addr = os.Getenv("INVALIDATOR_ADDR")
	}
	http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ready": true, "caching": true}`) })
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	return http.ListenAndServe(addr, nil)
}

// clone makes a folder that looks like a built clone, and one for its state.
func clone(t *testing.T) (top, state string) {
	t.Helper()
	dir, err := local.ScratchDir("freshlist-run-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	top = filepath.Join(dir, "clone")
	for _, err := range []error{
		os.Chmod(dir, 0o755),
		os.MkdirAll(filepath.Join(top, "bin"), 0o755),
		os.Symlink(self, filepath.Join(top, "bin", "api")),
		os.Symlink(self, filepath.Join(top, "bin", "invalidator")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return top, filepath.Join(dir, "state")
}

// started is a run that has greeted.
type started struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
	out    *greetings
}

// greetings hands over what run prints, once it has greeted.
type greetings struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
}

func (g *greetings) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if bytes.Contains(b, []byte("is running")) {
		close(g.ready)
	}
	return g.text.Write(b)
}

func (g *greetings) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

func begin(t *testing.T, top, state string) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &started{t, cancel, make(chan error, 1), &greetings{ready: make(chan struct{})}}
	go func() { s.ended <- run(ctx, s.out, top, state) }()
	select {
	case <-s.out.ready:
	case err := <-s.ended:
		t.Fatalf("run ended: %v\n%s", err, s.out)
	}
	return s
}

// end does what a Ctrl-C does.
func (s *started) end() {
	s.t.Helper()
	s.cancel()
	if err := <-s.ended; err != nil {
		s.t.Fatalf("run: %v", err)
	}
}

func psql(t *testing.T, top, sql string) string {
	t.Helper()
	cmd := exec.Command(".local/psql", "-Atc", sql)
	cmd.Dir = top
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v: %s", err, said)
	}
	return strings.TrimSpace(string(said))
}

func TestTwice(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	t.Setenv("REDIS_URL", "")
	t.Setenv("HTTP_ADDR", "")
	t.Setenv("INVALIDATOR_ADDR", "")
	// What is meant for other servers does not hold for private ones.
	t.Setenv("PGDATABASE", "elsewhere")
	t.Setenv("PGOPTIONS", "-c nonsense=1")
	t.Setenv("DATABASE_PASSWORD", "another")
	t.Setenv("REDIS_CA_FILE", "/nowhere")
	top, state := clone(t)
	const prepared = "api migrate up\ninvalidator install\napi seed"

	s := begin(t, top, state)
	if got := psql(t, top, "select command from log"); got != prepared {
		t.Errorf("commands %q, want %q", got, prepared)
	}
	if got := psql(t, top, "select current_user"); got != "freshlist_owner" {
		t.Errorf("psql is %s", got)
	}
	if got := psql(t, top, "select string_agg(distinct usename, ' ' order by usename) from pg_stat_activity where usename <> current_user and usename <> 'postgres'"); got != "freshlist_api freshlist_invalidator" {
		t.Errorf("the programs connect as %s", got)
	}
	asOwner := exec.Command(".local/as-owner", "sh", "-c", "echo $HTTP_ADDR $INVALIDATOR_ADDR $DATABASE_URL")
	asOwner.Dir = top
	if got, err := asOwner.Output(); err != nil || !regexp.MustCompile(`^127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+ postgres://freshlist_owner:`).Match(got) {
		t.Errorf("as-owner: %v, %s", err, got)
	}
	if err := run(t.Context(), s.out, top, state); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second run at the same time: %v", err)
	}
	s.end()
	if _, err := os.Stat(filepath.Join(state, "postgres", "data", "postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("PostgreSQL is not stopped: %v", err)
	}

	s = begin(t, top, state)
	if got := psql(t, top, "select command from log"); got != prepared+"\n"+prepared {
		t.Errorf("the data are not those of the first run: %q", got)
	}

	// A program that ends by itself ends everything, loudly.
	page := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`).FindString(s.out.String())
	if answer, err := http.Get(page + "exit"); err == nil {
		answer.Body.Close()
	}
	defer http.DefaultClient.CloseIdleConnections()
	if err := <-s.ended; err == nil || !strings.Contains(err.Error(), "the API has ended by itself") {
		t.Errorf("run: %v", err)
	}
}

func TestClean(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	t.Setenv("REDIS_URL", "")
	t.Setenv("HTTP_ADDR", "")
	t.Setenv("INVALIDATOR_ADDR", "")
	top, state := clone(t)
	var said strings.Builder
	if err := clean(&said, top, state); err != nil || said.Len() > 0 {
		t.Errorf("clean where nothing is: %v, %q", err, said.String())
	}
	s := begin(t, top, state)
	if !strings.Contains(s.out.String(), "The data lie in "+state) || !strings.Contains(s.out.String(), "make clean") {
		t.Errorf("the greeting does not say where the data are:\n%s", s.out)
	}
	if err := clean(&said, top, state); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("clean beside a run: %v", err)
	}
	if got := psql(t, top, "select count(*) from log"); got != "3" {
		t.Errorf("%s commands, want 3", got)
	}
	s.end()
	if err := clean(&said, top, state); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{state, filepath.Join(top, ".local")} {
		if !isMissing(path) {
			t.Errorf("%s is left behind", path)
		}
	}
}

func TestFilesAreRefused(t *testing.T) {
	t.Setenv("DATABASE_URL_FILE", "/run/secrets/url")
	top, state := clone(t)
	if err := run(t.Context(), io.Discard, top, state); err == nil || !strings.Contains(err.Error(), "DATABASE_URL_FILE") {
		t.Errorf("run: %v", err)
	}
	if !isMissing(state) {
		t.Error("a server has been started")
	}
}

// A database that the environment names is asked for by name.
func TestAdopt(t *testing.T) {
	const url = "postgres://joe:secret@db.example:5433/homes"
	typed := func(text string) io.Reader { return strings.NewReader(text) }
	for name, test := range map[string]struct {
		url, adopted string
		terminal     io.Reader
		want         []string // in the error; none if there is to be none
	}{
		"nobody is there":       {url, "", nil, []string{"homes", "db.example:5433", "as joe", "FRESHLIST_ADOPT=1", "unset DATABASE_URL"}},
		"told so":               {url, "1", nil, nil},
		"told otherwise":        {url, "0", nil, []string{"FRESHLIST_ADOPT=1"}},
		"typed its name":        {url, "", typed("homes\n"), nil},
		"typed no newline":      {url, "", typed("homes"), nil},
		"typed yes":             {url, "", typed("yes\n"), []string{"left alone"}},
		"typed nothing":         {url, "", typed(""), []string{"left alone"}},
		"an address of no kind": {"nonsense", "", nil, []string{"DATABASE_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := adopt(test.url, test.adopted, test.terminal, &out)
			said := out.String()
			if err != nil {
				said += err.Error()
			}
			if (err == nil) != (len(test.want) == 0) || strings.Contains(said, "secret") || test.terminal == nil && strings.Count(said, "\n") > 1 {
				t.Errorf("adopt: %v, said %q", err, said)
			}
			for _, want := range test.want {
				if !strings.Contains(said, want) {
					t.Errorf("it says %q, without %q", said, want)
				}
			}
		})
	}
}

func TestCommandFails(t *testing.T) {
	t.Setenv("FRESHLIST_ADOPT", "1")
	t.Setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable")
	t.Setenv("REDIS_URL", "redis://127.0.0.1:1")
	top, state := clone(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out greetings
	err := run(ctx, &out, top, state)
	if err == nil || !strings.Contains(err.Error(), "bin/api [migrate up]") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("run: %v, want the command and its words", err)
	}
}

func TestDialable(t *testing.T) {
	for addr, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80",
		"127.0.0.1:8080": "127.0.0.1:8080", "db:1": "db:1", "nonsense": "nonsense",
	} {
		if got := dialable(addr); got != want {
			t.Errorf("dialable(%q) = %q, want %q", addr, got, want)
		}
	}
}
