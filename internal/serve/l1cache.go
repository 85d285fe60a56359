package serve

import (
	"net/http"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/l1"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/watch"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// PurgeSubscriber returns what in this process wants to know of purges.
func (s *Server) PurgeSubscriber() rediscache.PurgeSubscriber {
	return purgeSubscriber{s.l1, s.watched}
}

// purgeSubscriber passes purges on to the cache in this process, nil if there is none, and then
// to those who watch answers: who is told of a change finds it when he asks.
type purgeSubscriber struct {
	l1      *l1.Cache[*response]
	watched *watch.Hub
}

func (p purgeSubscriber) Connected(connected bool) {
	if p.l1 != nil {
		p.l1.Connected(connected)
	}
	p.watched.Connected(connected)
}

func (p purgeSubscriber) Purge(query string) {
	if p.l1 != nil {
		p.l1.Purge(query)
	}
	p.watched.Purge(query)
}

func (p purgeSubscriber) Clear() {
	if p.l1 != nil {
		p.l1.Clear()
	}
	p.watched.Clear()
}

// Close ends what works in the background. The server must not be used any more.
func (s *Server) Close() {
	s.end()
	s.watched.Close()
	s.background.Wait()
	if s.l1 != nil {
		s.l1.Close()
	}
}

// What Cache-Status says of the cache in this process.
const (
	l1Hit       = "freshlist-l1; hit"
	l1Stored    = ", freshlist-l1; fwd=miss; stored"
	l1Forwarded = ", freshlist-l1; fwd="
)

// serveL1 answers a request from the cache in this process, if it can: no parsing,
// no routing, no rendering. An answer of a site that is no longer served is none.
func (s *Server) serveL1(v *serving, rec *recorder, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || bypassesL1(r.Header) || mayWatch(r) {
		return false
	}
	a, ok := s.l1.Get(r.RequestURI, rec.begun)
	if !ok || a.serving != v || !s.Reads.StillValid(a.origin, rec.begun) {
		return false
	}
	s.Metrics.Cache(telemetry.L1, telemetry.Hit).Inc()
	rec.route, rec.source = a.route, telemetry.FromL1
	a.writeTo(rec, r)
	return true
}

// bypassesL1 reports whether only the routes can answer a request: it asks for its own
// writes, or to go past all caches.
func bypassesL1(h http.Header) bool {
	return len(h["Consistency-Token"]) > 0 || len(h["Cache-Control"]) > 0 && len(h["Authorization"]) > 0
}

// beginFill must come before Reads is asked.
func (s *Server) beginFill(q listing.Query) l1.Fill[*response] {
	if s.l1 == nil {
		return l1.Fill[*response]{}
	}
	return s.l1.Begin(q.String(), time.Now())
}

// storeL1 stores an answer in this process if its proof allows that, and adds the outcome to
// its Cache-Status.
func (s *Server) storeL1(fill l1.Fill[*response], target string, a *response, from *readthrough.Answer) {
	if s.l1 == nil {
		return
	}
	entry := *a
	entry.cacheStatus, entry.origin = [1]string{l1Hit}, from.Origin
	if fill.Store(target, &entry, from.Until) {
		s.Metrics.Cache(telemetry.L1, telemetry.Miss).Inc()
		a.cacheStatus[0] += l1Stored
		return
	}
	word := forwardedFor(a.cacheStatus[0])
	result := telemetry.Bypass
	if word == "miss" {
		result = telemetry.Miss
	}
	s.Metrics.Cache(telemetry.L1, result).Inc()
	a.cacheStatus[0] += l1Forwarded + word
}

// forwardedFor returns why the layer that Cache-Status names last has forwarded the
// request; a hit there was a miss here.
func forwardedFor(status string) string {
	_, last, found := strings.Cut(status[strings.LastIndex(status, ",")+1:], "fwd=")
	if !found {
		return "miss"
	}
	word, _, _ := strings.Cut(last, ";")
	return word
}

// weight is about how many bytes of memory an answer takes.
func (a *response) weight() int { return len(a.plain.body) + len(a.gzip.body) }
