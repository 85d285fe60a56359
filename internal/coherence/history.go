package coherence

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// instant is a time since the history began, by the monotonic clock.
type instant time.Duration

// forever is the end of what may still be seen.
const forever = instant(math.MaxInt64)

// kept is how long the history remembers what cannot be seen any more.
const kept = instant(30 * time.Second)

// topic is one query, by one variant of the description, and the history of its answers.
type topic struct {
	variant int
	query   listing.Query
	refused bool    // the variant has no such query
	spans   []*span // in the order of their beginning
}

// view is what is asked for at one address, by each variant, and in which format.
type view struct {
	topics []*topic
	format render.Format
	path   string
}

// span is one answer and when it could be seen.
type span struct {
	queryset listing.Queryset
	refusal  bool
	encoded  string                              // equal for equal querysets
	rendered map[render.Format][sha256.Size]byte // as far as somebody has asked
	from, to instant
	ended    instant // when its description was replaced
}

// body is the body of an answer, and its status.
type body struct {
	text   []byte
	status int
}

// shows tells whether a body, of a sum, is the span's answer in a format.
func (s *span) shows(f render.Format, status int, sum [sha256.Size]byte) bool {
	if s.refusal {
		return status == http.StatusBadRequest || status == http.StatusNotFound
	}
	own, ok := s.rendered[f]
	if !ok {
		_, body := render.Body(f, s.queryset)
		own = sha256.Sum256(body)
		s.rendered[f] = own
	}
	return own == sum
}

// history is what every view could be answered at every time. See the package
// comment. Its methods may be called in parallel.
type history struct {
	began  time.Time
	sites  []*listing.Site // of the variants
	topics []*topic
	views  []*view

	mu           sync.Mutex
	described    []bool // by variant: its answers may be seen
	commits      int
	mayLoseAfter instant // what could be seen after this may be seen again; forever: no doubt
}

// newHistory begins a history with the present state of the tables, described by the first variant.
func newHistory(sites []*listing.Site, topics []*topic, views []*view, now contents) *history {
	h := &history{began: time.Now(), sites: sites, topics: topics, views: views, described: make([]bool, len(sites)), mayLoseAfter: forever}
	h.described[usual] = true
	h.setState(h.state(now), 0, 0)
	return h
}

// now returns the present instant.
func (h *history) now() instant { return instant(time.Since(h.began)) }

// state is what every topic must be answered in one state of the tables; nil by a variant that
// is not installed.
type state []*span

// state computes all answers of a state.
func (h *history) state(now contents) state {
	h.mu.Lock()
	described := slices.Clone(h.described)
	h.mu.Unlock()
	by := make([]contents, len(h.sites))
	for i, site := range h.sites {
		if described[i] {
			by[i] = now.as(site)
		}
	}
	all := make(state, len(h.topics))
	for i, topic := range h.topics {
		switch {
		case !described[topic.variant]:
		case topic.refused:
			all[i] = &span{refusal: true, to: forever, ended: forever}
		default:
			qs := by[topic.variant].answer(topic.query)
			all[i] = &span{queryset: qs, encoded: string(qs.Encode()), rendered: map[render.Format][sha256.Size]byte{}, to: forever, ended: forever}
		}
	}
	return all
}

// describe notes that answers by a variant may be seen from now on.
func (h *history) describe(variant int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.described[variant] = true
}

// describeNoMore notes that another description took the place of a variant at an instant, and that no
// answers by it are seen any more.
func (h *history) describeNoMore(variant int, since instant) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.described[variant] = false
	for _, topic := range h.topics {
		if topic.variant != variant {
			continue
		}
		topic.end(nil, h.now())
		for _, s := range topic.spans {
			s.ended = min(s.ended, since)
		}
	}
}

// addPossible notes that a state can be seen from an instant on, beside those that
// can be seen already.
func (h *history) addPossible(s state, from instant) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, topic := range h.topics {
		if s[i] != nil {
			topic.open(s[i], from)
		}
	}
}

// setState notes that the state is this one: it could be seen from one instant on,
// and nothing else after another.
func (h *history) setState(s state, from, others instant) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commits++
	for i, topic := range h.topics {
		if s[i] != nil {
			topic.open(s[i], from)
			topic.end(s[i], others)
		} else {
			topic.end(nil, others)
		}
		topic.forget(others - kept)
	}
	h.reopen()
}

// mayLose notes that what could be seen after an instant may be seen again: PostgreSQL is
// going to crash and may lose its last commits, also those that are still to come.
func (h *history) mayLose(since instant) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mayLoseAfter = since
	h.reopen()
}

// loseNoMore ends the doubt with the next settle.
func (h *history) loseNoMore() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mayLoseAfter = forever
}

// reopen makes visible again what is in doubt.
func (h *history) reopen() {
	for _, topic := range h.topics {
		for _, s := range topic.spans {
			if s.to >= h.mayLoseAfter {
				s.to = forever
			}
		}
	}
}

// open adds an answer that can be seen from an instant on, unless it can be already.
func (t *topic) open(s *span, from instant) {
	for _, old := range t.spans {
		if old.encoded == s.encoded && old.to == forever {
			return
		}
	}
	s.from = from
	t.spans = append(t.spans, s)
}

// end notes that nothing but one answer, if any, could be seen after an instant.
func (t *topic) end(but *span, others instant) {
	for _, old := range t.spans {
		if old.to == forever && (but == nil || old.encoded != but.encoded) {
			old.to = others
		}
	}
}

// forget drops what could not be seen any more at an instant.
func (t *topic) forget(before instant) {
	n := 0
	for n < len(t.spans)-1 && t.spans[n].to < before {
		n++
	}
	t.spans = t.spans[n:]
}

// verdict is what the history says of one answer.
type verdict struct {
	known bool          // it was right at some time that the history remembers
	age   time.Duration // from when it was last right until the request was sent; 0 if it was right then
}

// judge looks for the last time at which an answer, to a request that was sent and
// answered at these instants, was right. It must have been right after an instant
// (of one's own write; -1 for none).
func (h *history) judge(v *view, b body, sent, answered, after instant) verdict {
	sum := sha256.Sum256(b.text)
	h.mu.Lock()
	defer h.mu.Unlock()
	best := verdict{}
	for _, topic := range v.topics {
		for _, s := range slices.Backward(topic.spans) { // it is the latest as a rule
			if best.known && best.age == 0 {
				return best
			}
			if s.from > answered || s.to <= after || !s.shows(v.format, b.status, sum) {
				continue
			}
			age := time.Duration(max(0, sent-min(s.to, s.ended)))
			if !best.known || age < best.age {
				best = verdict{true, age}
			}
		}
	}
	return best
}

// difference says where a body that was never right leaves what was right last, or at
// some time before: whichever it follows for longest.
func (h *history) difference(v *view, body []byte) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	best, at := "", -1
	for _, topic := range v.topics {
		for _, s := range topic.spans {
			if s.refusal {
				continue
			}
			_, right := render.Body(v.format, s.queryset)
			n := 0
			for n < min(len(body), len(right)) && body[n] == right[n] {
				n++
			}
			if n > at {
				at, best = n, fmt.Sprintf("at byte %d it has %q, not %q", n, excerpt(body, n), excerpt(right, n))
			}
		}
	}
	return best
}

func excerpt(b []byte, at int) []byte { return b[max(0, at-40):min(len(b), at+40)] }
