package activity

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The limits of a Stream.
const (
	mostListeners    = 64               // at once
	listenerBuffer   = 512              // events that wait for one listener
	changesPerSecond = 200              // that are shown; more nobody can follow
	commentEvery     = 10 * time.Second // so that whoever has gone is noticed
)

// ErrFull says that as many listen as may.
var ErrFull = errors.New("as many listen as may at once")

// Stream passes events on to those who listen now. Nothing is kept for later. The zero Stream
// is ready for use, and safe for concurrent use.
type Stream struct {
	listening atomic.Int32
	hello     atomic.Pointer[func() Hello]

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	rate      float64   // changes a second that the most demanding listener wants to be shown
	number    uint64    // of the last event
	budget    float64   // changes that may be shown now
	budgetAt  time.Time // when it was reckoned
}

// Listener receives the events that are published from its beginning on.
type Listener struct {
	stream  *Stream
	events  chan []byte
	rate    float64
	dropped int // under the stream's lock
}

// Watched reports whether anybody listens.
func (s *Stream) Watched() bool { return s.listening.Load() > 0 }

// Greet sets what a listener is told first.
func (s *Stream) Greet(hello func() Hello) { s.hello.Store(&hello) }

// Grant returns how many of n changes may be shown now.
func (s *Stream) Grant(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	rate := s.rate
	if rate == 0 {
		rate = changesPerSecond // whoever listened has just gone
	}
	s.budget = min(rate, s.budget+now.Sub(s.budgetAt).Seconds()*rate)
	s.budgetAt = now
	granted := min(n, int(s.budget))
	s.budget -= float64(granted)
	return granted
}

// Publish sends an event to all who listen. It never waits for one of them.
func (s *Stream) Publish(event string, data any) {
	if !s.Watched() {
		return
	}
	body, err := json.Marshal(data)
	if err != nil {
		return // none of the types here can fail
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	message := appendEvent(nil, event, s.number, body)
	for l := range s.listeners {
		l.offer(message)
	}
}

// offer hands a message to a listener that has room, and first says what it has lost.
func (l *Listener) offer(message []byte) {
	if len(l.events) > cap(l.events)-2 {
		l.dropped++
		return
	}
	if l.dropped > 0 {
		l.events <- encode(EventDropped, 0, Dropped{l.dropped})
		l.dropped = 0
	}
	l.events <- message
}

// Listen begins to listen. Close must be called at the end.
func (s *Stream) Listen() (*Listener, error) { return s.ListenFor(changesPerSecond) }

// ListenFor begins to listen for somebody who wants to see so many changes a second: each that is
// shown costs time. It is shown more if others listen who want that. Close must be called at the end.
func (s *Stream) ListenFor(changes int) (*Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listeners) >= mostListeners {
		return nil, ErrFull
	}
	l := &Listener{stream: s, events: make(chan []byte, listenerBuffer), rate: float64(changes)}
	if s.listeners == nil {
		s.listeners = map[*Listener]struct{}{}
	}
	s.listeners[l] = struct{}{}
	s.counted()
	return l, nil
}

// Events returns the channel of the events, each as Server-Sent Events spell it.
func (l *Listener) Events() <-chan []byte { return l.events }

// Close ends the listening. It may be called twice.
func (l *Listener) Close() {
	s := l.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	s.counted()
}

// counted notes who listens, after it has changed.
func (s *Stream) counted() {
	s.rate = 0
	for l := range s.listeners {
		s.rate = max(s.rate, l.rate)
	}
	s.listening.Store(int32(len(s.listeners)))
}

// encode returns an event as Server-Sent Events spell it; 0 is no number.
func encode(event string, number uint64, data any) []byte {
	body, _ := json.Marshal(data) // none of the types here can fail
	return appendEvent(nil, event, number, body)
}

func appendEvent(b []byte, event string, number uint64, body []byte) []byte {
	b = append(append(append(b, "event: "...), event...), '\n')
	if number > 0 {
		b = append(strconv.AppendUint(append(b, "id: "...), number, 10), '\n')
	}
	b = append(append(b, "data: "...), body...)
	return append(b, '\n', '\n')
}

// ServeHTTP answers with the stream until the client goes.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l, err := s.Listen()
	if err != nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, fmt.Sprintf("%v: %d", err, mostListeners), http.StatusServiceUnavailable)
		return
	}
	defer l.Close()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	out := http.NewResponseController(w)
	hello := Hello{}
	if greet := s.hello.Load(); greet != nil {
		hello = (*greet)()
	}
	if !send(w, out, encode(EventHello, 0, hello)) {
		return
	}
	comment := time.NewTicker(commentEvery)
	defer comment.Stop()
	for {
		var message []byte
		select {
		case <-r.Context().Done():
			return
		case message = <-l.events:
			for range len(l.events) { // what waits goes in one piece
				message = append(message[:len(message):len(message)], <-l.events...)
			}
		case <-comment.C:
			message = []byte(":\n\n")
		}
		if !send(w, out, message) {
			return
		}
	}
}

// sendTimeout is how long a listener may keep from reading before it is let go.
const sendTimeout = 10 * time.Second

func send(w http.ResponseWriter, out *http.ResponseController, message []byte) bool {
	_ = out.SetWriteDeadline(time.Now().Add(sendTimeout)) // where there is none, a client that goes ends it
	if _, err := w.Write(message); err != nil {
		return false
	}
	return out.Flush() == nil
}
