package l1_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/freshlist/freshlist/internal/serve/l1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key   = "/v1/properties?city=FOLSOM"
	query = "properties?city=FOLSOM"
)

func newCache(t *testing.T, maxBytes int64) *l1.Cache[string] {
	t.Helper()
	c := l1.New(maxBytes, 2*time.Second, func(v string) int { return len(v) })
	t.Cleanup(c.Close)
	c.Connected(true)
	return c
}

func store(c *l1.Cache[string], key, query, v string) bool {
	now := time.Now()
	return c.Begin(query, now).Store(key, v, now.Add(time.Second))
}

func has(c *l1.Cache[string], key string) bool {
	_, ok := c.Get(key, time.Now())
	return ok
}

func TestServedUntilItsDeadlineOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := l1.New(1<<20, 2*time.Second, func(v string) int { return len(v) })
		defer c.Close()
		c.Connected(true)
		if !store(c, key, query, "x") {
			t.Fatal("not stored")
		}
		time.Sleep(time.Second - time.Nanosecond)
		if v, ok := c.Get(key, time.Now()); !ok || v != "x" {
			t.Errorf("before the deadline: %q, %v", v, ok)
		}
		time.Sleep(time.Nanosecond)
		if has(c, key) {
			t.Error("served at its deadline")
		}
	})
}

func TestWallClockEndsAnEntryToo(t *testing.T) {
	t.Parallel()
	c := newCache(t, 1<<20)
	store(c, key, query, "x")
	afterSuspension := time.Unix(0, time.Now().Add(time.Hour).UnixNano()) // no monotonic reading
	if _, ok := c.Get(key, afterSuspension); ok {
		t.Error("served an hour later by the wall clock")
	}
}

func TestPurgeRemovesEveryTargetOfItsQueryOnly(t *testing.T) {
	t.Parallel()
	c := newCache(t, 1<<20)
	store(c, key, query, "x")
	store(c, key+"&sort=newest", query, "x")
	store(c, "/v1/properties/1", "properties/1", "y")
	c.Purge(query)
	if has(c, key) || has(c, key+"&sort=newest") {
		t.Error("still served after its purge")
	}
	if !has(c, "/v1/properties/1") {
		t.Error("another query's entry went with it")
	}
	if !store(c, key, query, "z") || !has(c, key) {
		t.Error("cannot be stored again after its purge")
	}
}

func TestFillUnderWayIsDisowned(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]func(*l1.Cache[string]){
		"by a purge":                 func(c *l1.Cache[string]) { c.Purge(query) },
		"by a new epoch":             func(c *l1.Cache[string]) { c.Clear() },
		"by losing the subscription": func(c *l1.Cache[string]) { c.Connected(false) },
		"by having lost it":          func(c *l1.Cache[string]) { c.Connected(false); c.Connected(true) },
		"by a purge after a turn":    func(c *l1.Cache[string]) { c.Begin("other", time.Now().Add(3*time.Second)); c.Purge(query) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCache(t, 1<<20)
			now := time.Now()
			fill := c.Begin(query, now)
			event(c)
			if fill.Store(key, "stale", now.Add(time.Second)) || has(c, key) {
				t.Error("the fill was stored")
			}
		})
	}
}

func TestNothingIsStoredWhileDeaf(t *testing.T) {
	t.Parallel()
	c := newCache(t, 1<<20)
	c.Connected(false)
	if store(c, key, query, "x") || has(c, key) {
		t.Error("stored while disconnected")
	}
}

func TestBoundedByBytes(t *testing.T) {
	t.Parallel()
	const maxBytes = 64 << 10
	c := newCache(t, maxBytes)
	value := string(make([]byte, 1<<10))
	for i := range 1000 {
		store(c, fmt.Sprint("/v1/properties/", i), fmt.Sprint("properties/", i), value)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		held := 0
		for i := range 1000 {
			if has(c, fmt.Sprint("/v1/properties/", i)) {
				held++
			}
		}
		if held > 0 && held*(len(value)+l1.Overhead) <= maxBytes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d values of %d bytes are held, want at most %d bytes", held, len(value), maxBytes)
		}
	}
}
