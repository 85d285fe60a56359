package watch

import (
	"context"
	"sync"
	"time"

	"github.com/freshlist/freshlist/internal/serve/readthrough"
)

// State is what is known of a watched answer.
type State struct {
	ETag  string // entity tag of its plain body, unquoted; "" before the first read
	Heard bool   // its changes are heard
	Err   error  // of the first read; nil once there was an answer
}

// answer is one answer that is watched.
type answer struct {
	hub      *Hub
	request  readthrough.Request
	query    string
	watchers int // under the hub's lock
	dirty    chan struct{}
	ctx      context.Context
	cancel   context.CancelFunc
	ended    chan struct{} // closed when it is no longer to be watched
	ending   sync.Once

	mu      sync.Mutex
	state   State
	changed chan struct{} // closed at the next change of state
}

func newAnswer(h *Hub, r readthrough.Request, query string) *answer {
	r.Alone, r.Token, r.NoStore = true, 0, false
	a := &answer{
		hub: h, request: r, query: query, watchers: 1,
		dirty: make(chan struct{}, 1), ended: make(chan struct{}), changed: make(chan struct{}),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// mark has the answer read again. A read that has begun is not enough.
func (a *answer) mark() {
	select {
	case a.dirty <- struct{}{}:
	default: // marked already
	}
}

func (a *answer) end() { a.ending.Do(func() { close(a.ended) }) }

// follow reads the answer whenever it is marked, and once every B while its changes are not
// heard, until nobody watches it.
func (a *answer) follow() {
	for a.ctx.Err() == nil {
		select {
		case <-a.dirty: // before the read: what is marked from here on is read again
		default:
		}
		begun := time.Now()
		heard := a.read()
		if !sleep(a.ctx, time.Until(begun.Add(pace))) {
			return
		}
		a.await(begun, heard)
	}
}

// await returns when the answer should be read again.
func (a *answer) await(begun time.Time, heard bool) {
	var again <-chan time.Time
	if !heard {
		timer := time.NewTimer(time.Until(begun.Add(a.hub.Bound)))
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-a.ctx.Done():
	case <-a.dirty:
	case <-again:
	}
}

// read reads the answer once, and reports whether its changes are heard from then on.
func (a *answer) read() (heard bool) {
	select {
	case a.hub.slots <- struct{}{}:
	case <-a.ctx.Done():
		return false
	}
	defer func() { <-a.hub.slots }()
	ctx, cancel := context.WithTimeout(a.ctx, a.hub.Timeout)
	defer cancel()
	before := a.hub.heard.Load()
	got, err := a.hub.Read(ctx, a.request)

	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.state
	now.Heard = err == nil && before && got.Registered && a.hub.heard.Load()
	switch {
	case err == nil:
		now.ETag, now.Err = got.ETag, nil
	case now.ETag == "":
		now.Err = err
	}
	a.set(now)
	return now.Heard
}

// lose says that changes are no longer heard.
func (a *answer) lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.state
	now.Heard = false
	a.set(now)
}

func (a *answer) set(now State) {
	news := now.ETag != a.state.ETag || now.Heard != a.state.Heard || now.Err != nil
	a.state = now
	if news {
		close(a.changed)
		a.changed = make(chan struct{})
	}
}

// Watcher is one who watches an answer.
type Watcher struct {
	hub    *Hub
	answer *answer
	once   sync.Once
}

// State returns what is known now, and a channel that is closed when that changes. Who looks
// late sees the latest state only, so nothing piles up.
func (w *Watcher) State() (State, <-chan struct{}) {
	w.answer.mu.Lock()
	defer w.answer.mu.Unlock()
	return w.answer.state, w.answer.changed
}

// First waits for the first answer. Its error is that of the read, or of ctx.
func (w *Watcher) First(ctx context.Context) (State, error) {
	for {
		state, changed := w.State()
		switch {
		case state.Err != nil:
			return state, state.Err
		case state.ETag != "":
			return state, nil
		}
		select {
		case <-changed:
		case <-w.answer.ended:
			return state, ErrEnded
		case <-ctx.Done():
			return state, ctx.Err()
		}
	}
}

// Ended is closed when the answer is to be watched no longer.
func (w *Watcher) Ended() <-chan struct{} { return w.answer.ended }

// Detach ends the watching. It may be called twice.
func (w *Watcher) Detach() { w.once.Do(func() { w.hub.detach(w.answer) }) }
