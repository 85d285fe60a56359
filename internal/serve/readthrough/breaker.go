package readthrough

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// errOpen tells that Redis has failed repeatedly and is being left alone.
var errOpen = errors.New("redis has failed repeatedly and is being left alone")

// After breakAfter failures in a row calls are refused for breakFor, then one is
// let through to try.
const (
	breakAfter = 3
	breakFor   = 250 * time.Millisecond
)

// breaker spares requests the wait for a Redis that does not answer. There is one for each
// partition: each may have a server of its own. The zero value lets calls through.
type breaker struct {
	failures atomic.Int64
	retryAt  atomic.Int64 // UnixNano
}

// do calls f unless Redis is being left alone.
func (b *breaker) do(f func() error) error {
	if b.failures.Load() >= breakAfter {
		at, now := b.retryAt.Load(), time.Now()
		if now.UnixNano() < at || !b.retryAt.CompareAndSwap(at, now.Add(breakFor).UnixNano()) {
			return errOpen
		}
	}
	err := f()
	switch {
	case !isFailure(err):
		if b.failures.Load() != 0 {
			b.failures.Store(0)
		}
	case !errors.Is(err, context.Canceled):
		b.retryAt.Store(time.Now().Add(breakFor).UnixNano())
		b.failures.Add(1)
	}
	return err
}

// OpenBreakers returns for how many partitions Redis is left alone since it has failed repeatedly.
func (c *Cache) OpenBreakers() (n int) {
	for i := range c.breakers {
		if c.breakers[i].failures.Load() >= breakAfter {
			n++
		}
	}
	return n
}

// isFailure reports whether err says that Redis does not work, as opposed to its
// answer being a no.
func isFailure(err error) bool {
	for _, no := range []error{rediscache.ErrHeld, rediscache.ErrFull, rediscache.ErrNoFence, rediscache.ErrLeaseLost, rediscache.ErrEpoch} {
		if errors.Is(err, no) {
			return false
		}
	}
	return err != nil && reasonOfRedis(err) == cachestate.RedisDown
}
