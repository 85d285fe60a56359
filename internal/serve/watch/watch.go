// Package watch follows answers for the streams of their changes: it reads an answer again
// when its query is purged, once for all who watch it, and tells them its entity tag.
//
// No change is missed. The argument, for one answer:
//
//  1. It is in the index before it is read for the first time. So every purge of its query that
//     is published from then on marks it dirty.
//  2. A mark is taken away before a read, never after. So a purge that is published during a
//     read leads to another read.
//  3. A read that is Registered found its query live in Redis, or made it so, before it read. So
//     a change that the read does not show is matched against the query, and purged, after 1.
//  4. What leaves Redis otherwise, by its TTL or by eviction, is published by the invalidator when
//     it removes the registration. The answer is then read again, which registers it again. A
//     change in between is committed before that read begins, and the read shows it.
//  5. A read shares no load with requests: a load that began before 1 may have read before
//     a purge that was published before 1.
//
// That holds while purges arrive: the subscription stands, and the invalidator proves that it
// works by its beats. Otherwise, and for an answer that could not be registered, the
// watchers are told that changes are not heard, and the answer is read once every B.
package watch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshlist/freshlist/internal/serve/readthrough"
)

// Errors of Attach.
var (
	ErrFull  = errors.New("as many watch as may")
	ErrEnded = errors.New("nobody may watch any more")
)

// Config says how a Hub works. All fields must be set.
type Config struct {
	// Read reads an answer past the cache in this process.
	Read func(context.Context, readthrough.Request) (readthrough.Answer, error)
	// Heard reports whether there is a living proof that purges are published.
	Heard func(context.Context) bool

	Bound   time.Duration // B: an answer whose changes are not heard is read this often
	Timeout time.Duration // of one read
	Most    int           // watchers at once
	AtOnce  int           // reads at once
}

// The times of a hub.
const (
	pace     = 20 * time.Millisecond  // from one read of an answer to the next, at least
	patience = 100 * time.Millisecond // for the first beat of a new epoch
)

// Hub follows all answers that are watched in this process. It is a rediscache.PurgeSubscriber.
type Hub struct {
	Config
	slots chan struct{} // one for each read under way
	count atomic.Int64  // watchers
	heard atomic.Bool   // purges arrive

	mu        sync.Mutex
	answers   map[string][]*answer // by query
	connected bool                 // to where purges are published
	proved    bool                 // by beats
	ended     bool
	running   sync.WaitGroup
	stop      context.CancelFunc // of the monitor; nil if it does not run
}

// New returns a Hub. Changes are not heard until Connected(true) is called.
func New(c Config) *Hub {
	return &Hub{Config: c, slots: make(chan struct{}, max(1, c.AtOnce)), answers: map[string][]*answer{}, proved: true}
}

// Attach watches the answer to a request. The caller must call Detach.
func (h *Hub) Attach(r readthrough.Request) (*Watcher, error) {
	if h.count.Add(1) > int64(h.Most) {
		h.count.Add(-1)
		return nil, ErrFull
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		h.count.Add(-1)
		return nil, ErrEnded
	}
	query := r.Query.String()
	for _, a := range h.answers[query] {
		if a.request.Format == r.Format && a.request.Query.Table == r.Query.Table {
			a.watchers++
			return &Watcher{hub: h, answer: a}, nil
		}
	}
	if h.stop == nil {
		h.monitor()
	}
	a := newAnswer(h, r, query)
	h.answers[query] = append(h.answers[query], a)
	h.running.Go(a.follow)
	return &Watcher{hub: h, answer: a}, nil
}

// detach ends one watcher of an answer, and the answer with its last.
func (h *Hub) detach(a *answer) {
	h.count.Add(-1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.watchers--; a.watchers > 0 {
		return
	}
	a.cancel()
	of := h.answers[a.query]
	for i := range of {
		if of[i] == a {
			of = append(of[:i:i], of[i+1:]...)
			break
		}
	}
	if len(of) > 0 {
		h.answers[a.query] = of
		return
	}
	delete(h.answers, a.query)
	if len(h.answers) == 0 && h.stop != nil {
		h.stop()
		h.stop = nil
	}
}

// Purge has the answers to a query read again.
func (h *Hub) Purge(query string) {
	if h.count.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.answers[query] {
		a.mark()
	}
}

// Clear has all answers read again: a new epoch has begun.
func (h *Hub) Clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.each((*answer).mark)
}

// Connected is called when purges begin or cease to arrive.
func (h *Hub) Connected(connected bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connected = connected
	h.setHeard()
}

// setHeard tells all answers whether purges arrive, if that has changed. Either way they are
// read again: some purges may have been missed.
func (h *Hub) setHeard() {
	heard := h.connected && h.proved
	if h.heard.Swap(heard) == heard {
		return
	}
	h.each(func(a *answer) {
		if !heard {
			a.lose()
		}
		a.mark()
	})
}

func (h *Hub) each(f func(*answer)) {
	for _, of := range h.answers {
		for _, a := range of {
			f(a)
		}
	}
}

// monitor looks for the invalidator's proof several times in B, while anything is watched.
func (h *Hub) monitor() {
	ctx, cancel := context.WithCancel(context.Background())
	h.stop, h.proved = cancel, true // the first reads tell too
	h.setHeard()
	h.running.Go(func() {
		t := time.NewTicker(h.Bound / 4)
		defer t.Stop()
		for {
			proved := h.proof(ctx)
			h.mu.Lock()
			if ctx.Err() != nil { // another one may run
				h.mu.Unlock()
				return
			}
			h.proved = proved
			h.setHeard()
			h.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
		}
	})
}

// proof reports whether purges are published. A new epoch removes the beats of the last one, and
// has its own in a moment.
func (h *Hub) proof(ctx context.Context) bool {
	for end := time.Now().Add(patience); ; {
		if h.Heard(ctx) {
			return true
		}
		if !time.Now().Before(end) || !sleep(ctx, patience/4) {
			return false
		}
	}
}

// End ends all watching for good: Ended of each watcher is closed, and Attach fails.
func (h *Hub) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.endAll()
}

// EndPresent ends the watching of now: what is attached later is followed.
func (h *Hub) EndPresent() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endAll()
}

func (h *Hub) endAll() {
	h.each((*answer).end)
}

// Close ends all watching and what works in the background.
func (h *Hub) Close() {
	h.End()
	h.mu.Lock()
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
	h.each(func(a *answer) { a.cancel() })
	h.mu.Unlock()
	h.running.Wait()
}

// sleep reports whether d has passed before ctx is done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
