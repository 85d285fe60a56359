package invalidate

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// status is what the process says of itself to those who ask over HTTP.
type status struct {
	mu         sync.Mutex
	role       role
	roleSince  time.Time
	epoch      string
	batch      int64
	beatAt     time.Time
	live       int
	kinds      []match.Kinds // of the live queries
	backlog    int
	uncaptured int
	dark       int    // partitions out of use
	triggers   string // what is wrong with capture, "" if nothing
}

// role is what part a process has.
type role string

const (
	starting role = "starting" // not connected
	standby  role = "standby"  // waiting for the leader lock
	leader   role = "leader"
)

func (i *Invalidator) setRole(r role) {
	i.status.mu.Lock()
	if i.status.role != r {
		i.status.role, i.status.roleSince = r, time.Now()
	}
	i.status.mu.Unlock()
	leads := 0.0
	if r == leader {
		leads = 1
	}
	i.Metrics.Leader.Set(leads)
}

func (i *Invalidator) role() role {
	i.status.mu.Lock()
	defer i.status.mu.Unlock()
	return i.status.role
}

// setTriggers notes what is wrong with capture.
func (s *status) setTriggers(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.triggers = fault
}

func (s *status) setDark(partitions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dark = partitions
}

// setLive notes how many queries a standby knows.
func (s *status) setLive(queries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = queries
}

func (s *status) setBacklog(rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backlog = rows
}

func (s *status) setUncaptured(transactions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uncaptured = transactions
}

func (s *status) setBeat(at time.Time, index *match.Index, batch int64, epoch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beatAt, s.live, s.batch, s.epoch = at, index.Len(), batch, epoch
	s.kinds = index.Kinds(s.kinds[:0])
}

// Report is the JSON document of /status. It has all that /readyz says, too.
type Report struct {
	cachestate.Report
	Role       string        `json:"role"`
	RoleSince  time.Time     `json:"role_since"`
	Epoch      string        `json:"epoch"`
	Batch      int64         `json:"batch"`
	BeatAge    *float64      `json:"beat_age_seconds"` // null before the first beat
	Backlog    int           `json:"backlog"`          // change rows read and not yet applied
	Live       int           `json:"live_queries"`
	Kinds      []match.Kinds `json:"live_by_kind"`
	Dark       int           `json:"dark_partitions"` // partitions of Redis that are out of use, while others go on
	Uncaptured int           `json:"uncaptured"`      // transactions from before the epoch whose changes may have been lost: the end of one empties the cache
	Capture    string        `json:"triggers"`        // "ok" or what is wrong
}

// Report returns the present status.
func (i *Invalidator) Report() Report {
	s := &i.status
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Report{Role: string(s.role), RoleSince: s.roleSince.UTC(), Kinds: slices.Concat([]match.Kinds{}, s.kinds), Epoch: s.epoch, Batch: s.batch, Backlog: s.backlog, Live: s.live, Dark: s.dark, Uncaptured: s.uncaptured, Capture: "ok"}
	if !s.beatAt.IsZero() {
		age := time.Since(s.beatAt).Seconds()
		r.BeatAge = &age
	}
	r.Report = i.state.Report(s.role != starting)
	if s.triggers != "" {
		r.Capture = s.triggers
	}
	return r
}

// Stream returns the stream of what is purged.
func (i *Invalidator) Stream() *activity.Stream { return &i.stream }

// Handler serves /healthz (the process lives), /readyz (it is connected, as leader
// or standby), /status, /metrics, and /events: what is purged, as it is purged.
func (i *Invalidator) Handler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", i.ready)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(i.Report())
	})
	mux.Handle("GET /metrics", metrics)
	mux.Handle("GET /events", &i.stream)
	return mux
}

func (i *Invalidator) ready(w http.ResponseWriter, _ *http.Request) {
	r := i.Report().Report
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r)
}

func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n"))
}
