package cachestate

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// How often a state is told in the log. A state that comes and goes quickly costs at most
// burst lines, and then one every refill on average; how often it changed meanwhile is in
// the next line.
const (
	burst       = 20
	refill      = 5 * time.Second
	repeatEvery = time.Minute // one that lasts
	checkEvery  = time.Second // how often Run looks whether something is due
)

// Present is a state as of one moment.
type Present struct {
	Reason Reason
	Detail string // what was seen, "" if there is nothing to add
	Since  time.Time
}

// State is why one process caches nothing, or that it does. It is safe for concurrent
// use. Setting what is the case already costs one atomic load.
type State struct {
	log     *slog.Logger
	now     func() time.Time
	present atomic.Pointer[Present]

	mu       sync.Mutex
	loggedAt time.Time // of the last line in the log
	last     Reason    // why the cache was not used when it last was not
	ended    time.Time // when the cache was last used; the beginning, before
	changes  int       // of the reason, since the last line
	tokens   float64   // lines that may be logged now
	counted  time.Time // when tokens was right
}

// New returns a state that is Starting. Starting is not logged, unless it lasts. now is
// the clock.
func New(log *slog.Logger, now func() time.Time) *State {
	begun := now()
	s := &State{log: log, now: now, loggedAt: begun, last: Starting, ended: begun, tokens: burst, counted: begun}
	s.present.Store(&Present{Reason: Starting, Since: begun})
	return s
}

// Set says what is the case now, and returns whether the reason is another than before.
// detail is what was seen: an error's text, a number; it may change without being news.
func (s *State) Set(r Reason, detail string) (changed bool) {
	if p := s.present.Load(); p.Reason == r && p.Detail == detail {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, before := s.now(), s.present.Load()
	if before.Reason == r {
		s.present.Store(&Present{r, detail, before.Since})
		return false
	}
	s.present.Store(&Present{r, detail, now})
	if before.Reason == OK {
		s.ended = now
	}
	if r != OK {
		s.last = r
	}
	s.changes++
	s.logChange(now)
	return true
}

// Present returns the present state.
func (s *State) Present() Present { return *s.present.Load() }

// LogDue logs what is due: a state that lasts, or one that could not be logged when it
// began because there were too many.
func (s *State) LogDue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, p := s.now(), s.present.Load()
	if s.changes > 0 || p.Reason != OK && now.Sub(s.loggedAt) >= repeatEvery {
		s.logChange(now)
	}
}

// Run reminds until ctx is done.
func (s *State) Run(ctx context.Context) {
	t := time.NewTicker(checkEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.LogDue()
		}
	}
}

// logChange logs the present state, if there have not been too many lines.
func (s *State) logChange(now time.Time) {
	s.tokens = min(burst, s.tokens+now.Sub(s.counted).Seconds()/refill.Seconds())
	s.counted = now
	if s.tokens < 1 {
		return
	}
	s.tokens--
	p := s.present.Load()
	level, message := slog.LevelWarn, "the cache is not used"
	attrs := []slog.Attr{slog.String("reason", p.Reason.String())}
	switch {
	case p.Reason == OK:
		level, message = slog.LevelInfo, "the cache is used"
		attrs = []slog.Attr{slog.String("after", s.last.String()), slog.Duration("lasted", p.Since.Sub(s.ended))}
	case s.changes == 0:
		message = "the cache is still not used"
		fallthrough
	default:
		attrs = append(attrs, slog.String("meaning", p.Reason.Meaning()), slog.String("remedy", p.Reason.Remedy()))
		if p.Detail != "" {
			attrs = append(attrs, slog.String("detail", p.Detail))
		}
		if lasts := now.Sub(p.Since); lasts > 0 {
			attrs = append(attrs, slog.Duration("lasts", lasts))
		}
	}
	if s.changes > 1 {
		attrs = append(attrs, slog.Int("changes", s.changes))
	}
	s.loggedAt, s.changes = now, 0
	s.log.LogAttrs(context.Background(), level, message, attrs...)
}

// Report is what /readyz answers.
type Report struct {
	Ready   bool      `json:"ready"`   // this process should get requests
	Caching bool      `json:"caching"` // the cache is used
	Reason  string    `json:"reason"`  // why not; "" if it is
	Since   time.Time `json:"since"`   // of the reason, or of its end
	Remedy  string    `json:"remedy"`  // "" if there is nothing to do
	Detail  string    `json:"detail,omitempty"`
}

// Public returns the report without what an error said, which may name addresses: for an
// answer that anybody may see. The log has it.
func (r Report) Public() Report {
	if r.Reason == DatabaseDown.String() || r.Reason == RedisDown.String() {
		r.Detail = ""
	}
	return r
}

// Report returns the present state as /readyz shows it.
func (s *State) Report(ready bool) Report {
	p := s.Present()
	r := Report{Ready: ready, Caching: p.Reason == OK, Since: p.Since.UTC(), Remedy: p.Reason.Remedy(), Detail: p.Detail}
	if !r.Caching {
		r.Reason = p.Reason.String()
	}
	return r
}
