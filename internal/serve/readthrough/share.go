package readthrough

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// sharedLoads are the loads under way by what they load, so that requests for the same can
// share one.
type sharedLoads struct {
	mu   sync.Mutex
	open map[string]*sharedLoad
}

// sharedLoad is one load.
type sharedLoad struct {
	begun  time.Time
	done   chan struct{} // closed when answer and err are set
	answer Answer
	err    error
}

// join returns the load of key that is under way, if it began less than bound before now;
// otherwise one that the caller must make.
func (f *sharedLoads) join(key string, now time.Time, bound time.Duration) (load *sharedLoad, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if load, found := f.open[key]; found && elapsed(load.begun, now) < bound {
		return load, false
	}
	load = &sharedLoad{begun: time.Now(), done: make(chan struct{})}
	if f.open == nil {
		f.open = map[string]*sharedLoad{}
	}
	f.open[key] = load
	return load, true
}

// finish ends a load.
func (f *sharedLoads) finish(key string, load *sharedLoad) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[key] == load {
		delete(f.open, key)
	}
	close(load.done)
}

// share runs load for all callers of this process that name the same key at about the same
// time. The load does not end with the caller that began it, and if it panics, that is their
// error: nobody else would recover it, and the process would end.
//
// Who joins takes only an answer that is of an instant less than B before the caller began:
// the load may have found what was proved long before it. A load that began after the first
// one had ended always gives such an answer, so the second try is the last.
func (c *Cache) share(ctx context.Context, key string, begun time.Time, load func(context.Context) (Answer, error)) (Answer, error) {
	for range 2 {
		f, leads := c.loads.join(key, begun, c.Bound)
		if leads {
			go c.runLoad(context.WithoutCancel(ctx), key, f, load)
		}
		select {
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		case <-f.done:
		}
		switch {
		case f.err != nil:
			return Answer{}, f.err
		case leads:
			return f.answer, nil
		case elapsed(f.answer.asOf, begun) < c.Bound:
			return f.answer.asJoined(), nil
		}
	}
	return load(ctx)
}

// runLoad makes a load.
func (c *Cache) runLoad(ctx context.Context, key string, f *sharedLoad, load func(context.Context) (Answer, error)) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	defer c.loads.finish(key, f)
	defer func() {
		if cause := recover(); cause != nil {
			f.err = fmt.Errorf("panic in a shared load: %v\n%s", cause, debug.Stack())
		}
	}()
	f.answer, f.err = load(ctx)
}

// asJoined returns the answer as it is given to those who did not make the load: the fill, and
// the right to keep it in this process, is the leader's.
func (a Answer) asJoined() Answer {
	a.Until, a.Origin = time.Time{}, nil
	if a.CacheStatus == statusStored {
		a.CacheStatus = statusCollapsed
	}
	return a
}
