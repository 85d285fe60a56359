// Package l1 is the cache inside one API process: finished responses by the raw target of
// the request.
//
// Its invariant needs no message to arrive. An entry is served only until the end of the
// beat that was read together with its content, so none is older than the bound on
// staleness, whatever happens to the channel on which purges are published. The messages
// only remove entries earlier, usually within a millisecond.
//
// A fill that is under way when its query is purged must not be stored after it:
//
//  1. A request misses, and reads view and beat from Redis.
//  2. A change is purged from Redis, and its message arrives here.
//  3. The request stores what it read in 1.
//
// So a fill begins before Redis is read, and holds the current version of its query. The
// message in 2 marks that version as purged. A purged version is neither stored nor served.
package l1

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Cache holds values of type V. It is safe for concurrent use.
type Cache[V any] struct {
	entries *otter.Cache[string, *entry[V]]
	life    time.Duration

	mu           sync.Mutex
	current      map[string]*version // by query, made since rotatedAt
	previous     map[string]*version // made in the period before
	rotatedAt    time.Time
	disconnected bool // purges do not arrive: nothing is stored
}

// version is one version of a query's answer. Every entry made of it points to it.
type version struct{ purged atomic.Bool }

type entry[V any] struct {
	value   V
	version *version
	until   time.Time
	wall    int64 // until by the wall clock: a suspended machine stops the monotonic one
}

// Overhead is about what an entry takes besides its key and its value's own bytes.
const Overhead = 512

// New returns a Cache of at most maxBytes, as weigh counts a value's. life is the longest
// time from the beginning of a fill to the deadline of what it stores: B plus the time that
// a request may take. The cache stores nothing until Connected(true) is called.
func New[V any](maxBytes int64, life time.Duration, weigh func(V) int) *Cache[V] {
	entries := otter.Must(&otter.Options[string, *entry[V]]{
		MaximumWeight: uint64(maxBytes),
		Weigher:       func(key string, e *entry[V]) uint32 { return uint32(len(key) + weigh(e.value) + Overhead) },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, *entry[V]]) time.Duration {
			return max(time.Until(e.Value.until), time.Nanosecond)
		}),
	})
	return &Cache[V]{entries: entries, life: life, current: map[string]*version{}, disconnected: true}
}

// Get returns the value under key if it may be served at now.
func (c *Cache[V]) Get(key string, now time.Time) (v V, ok bool) {
	e, ok := c.entries.GetIfPresent(key)
	if !ok || e.version.purged.Load() || !now.Before(e.until) || now.UnixNano() >= e.wall {
		return v, false
	}
	return e.value, true
}

// Fill is the right to store one value.
type Fill[V any] struct {
	cache   *Cache[V]
	version *version
}

// Begin begins a fill of a query. It must come before Redis is read. Nothing is stored while
// the cache is disconnected.
func (c *Cache[V]) Begin(query string, now time.Time) Fill[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.disconnected {
		return Fill[V]{}
	}
	c.rotate(now)
	m, ok := c.current[query]
	if !ok {
		if m, ok = c.previous[query]; !ok {
			m = new(version)
		}
		c.current[query] = m
	}
	return Fill[V]{c, m}
}

// rotate forgets versions that no entry can point to any more: an entry's life is shorter
// than the time between two rotations.
func (c *Cache[V]) rotate(now time.Time) {
	if now.Sub(c.rotatedAt) > c.life {
		c.previous, c.current, c.rotatedAt = c.current, make(map[string]*version, len(c.current)), now
	}
}

// Store stores a value until its deadline, and reports whether it did: not if its
// query has been purged since Begin.
func (f Fill[V]) Store(key string, v V, until time.Time) bool {
	if f.cache == nil || f.version.purged.Load() || !time.Now().Before(until) {
		return false
	}
	f.cache.entries.Set(key, &entry[V]{value: v, version: f.version, until: until, wall: until.UnixNano()})
	return true
}

// Purge removes the entries of a query, and keeps its fills under way from being stored.
func (c *Cache[V]) Purge(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, versions := range []map[string]*version{c.current, c.previous} {
		if m, ok := versions[query]; ok {
			m.purged.Store(true)
			delete(versions, query)
		}
	}
}

// Clear removes everything, and keeps all fills under way from being stored.
func (c *Cache[V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
}

func (c *Cache[V]) clear() {
	for _, versions := range []map[string]*version{c.current, c.previous} {
		for _, m := range versions {
			m.purged.Store(true)
		}
	}
	c.current, c.previous = map[string]*version{}, nil
	c.entries.InvalidateAll()
}

// Connected is called when purges begin or cease to arrive. Either way everything is
// removed. While they do not arrive, nothing is stored.
func (c *Cache[V]) Connected(connected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disconnected = !connected
	c.clear()
}

// Size returns about how many entries there are, and what they take.
func (c *Cache[V]) Size() (entries int, bytes uint64) {
	return c.entries.EstimatedSize(), c.entries.WeightedSize()
}

// Close ends the cache's own goroutines.
func (c *Cache[V]) Close() { c.entries.StopAllGoroutines() }
