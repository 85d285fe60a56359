package redistest_test

import (
	"context"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func TestSpacesAreSeparate(t *testing.T) {
	t.Parallel()
	a, b := redistest.New(t), redistest.New(t)
	if a.Prefix == b.Prefix {
		t.Fatalf("two spaces have the prefix %q", a.Prefix)
	}
	if err := a.Client.Set(t.Context(), a.Prefix+":key", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := b.Client.Exists(t.Context(), b.Prefix+":key").Val(); n != 0 {
		t.Fatal("a key of one space is seen in another")
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	set := func(value string) {
		t.Helper()
		if err := server.Client(t).Set(t.Context(), "key", value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		if got := server.Client(t).Get(t.Context(), "key").Val(); got != want {
			t.Fatalf("key is %q, want %q", got, want)
		}
	}
	set("old")
	snapshot := server.Save(t)
	set("new")
	server.Restart(t, snapshot)
	expect("old")
	server.Restart(t, "")
	expect("")
	set("again")
	server.Stop(t)
	server.Start(t, "")
	expect("")
}

func TestPause(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "maxmemory 64mb")
	client := server.Client(t)
	if got := client.ConfigGet(t.Context(), "maxmemory").Val()["maxmemory"]; got != "67108864" {
		t.Fatalf("maxmemory is %s", got)
	}
	server.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Fatal("a paused server answered")
	}
	server.Resume(t)
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}
