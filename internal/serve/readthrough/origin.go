package readthrough

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// Origin names the data that a beat is about: one epoch, one start of PostgreSQL, one
// database; and the description that the epoch belongs to. There is one Origin for as long as
// they stay the same. All of it was read in one statement: what an epoch and a description
// that were read apart say of each other is nothing.
type Origin struct{ epoch, server, database, description string }

// parseOrigin reads what a read says of its origin; nil if that is nothing.
func parseOrigin(said string) *Origin {
	words := strings.Fields(said)
	if len(words) != 4 {
		return nil
	}
	return &Origin{words[0], words[1], words[2], words[3]}
}

// data names the data alone, as the fence in Redis does; "" if there is no origin.
func (o *Origin) data() string {
	if o == nil {
		return ""
	}
	return o.epoch + " " + o.server + " " + o.database
}

// describedBy reports whether the epoch belongs to a site's description. Without an epoch
// there is none.
func (o *Origin) describedBy(site *listing.Site) bool {
	return o.epoch == "" || o.description == site.Identity
}

// Database returns which database answers are of, as beats name it; "" if that is not known yet.
func (c *Cache) Database() string {
	if p := c.origins.current.Load(); p != nil {
		return p.origin.database
	}
	return ""
}

// on names the server and the database alone.
func (o *Origin) on() string { return o.server + " " + o.database }

// of reports whether a beat speaks of the origin.
func (o *Origin) of(b *rediscache.Beat) bool {
	return o.epoch == b.Epoch && o.server == b.Server && o.database == b.Database
}

// knownOrigin is what PostgreSQL told this process of itself at one instant.
type knownOrigin struct {
	origin  *Origin           // nil: nothing, in doubt
	reason  cachestate.Reason // not OK: nothing of this database may be cached
	asked   time.Time         // before PostgreSQL was
	hidden  bool              // rows of it may be hidden from this role
	doubted bool              // not before two new sessions agree is anything believed
	renewed time.Time         // when sessions were last renewed for a doubt
}

// trusted reports whether a beat of the origin counts; p is nil if none is known.
func (p *knownOrigin) trusted() bool { return p != nil && !p.doubted && p.reason == cachestate.OK }

// shareable reports whether answers may be shared that are fresh by their time alone: with all who
// read the same server. They need neither an epoch nor the right to ask for it.
func (p *knownOrigin) shareable() bool {
	if p == nil || p.doubted || p.hidden || p.origin.server == "" || p.origin.database == "" {
		return false
	}
	return p.reason == cachestate.OK || p.reason == cachestate.NotInstalled || p.reason == cachestate.NoRights
}

// originCache keeps the latest knownOrigin of this process. A beat counts only if it agrees
// with one that is younger than B. Otherwise a process that finds everything in the cache
// would never notice that its database has been replaced. The read of a fill brings one
// along. Else PostgreSQL is asked once in B/2, and only while there are requests.
type originCache struct {
	source  Source
	site    func() *listing.Site
	bound   time.Duration
	timeout time.Duration // of one question
	longest time.Duration // of one in doubt: it waits for a session among the reads

	current  atomic.Pointer[knownOrigin]
	tried    atomic.Int64 // when one was last asked for in the background, UnixNano
	asking   singleflight.Group
	doubting sync.Mutex   // one doubt at a time
	reunited atomic.Int64 // when divided sessions were last renewed, UnixNano
}

// How often PostgreSQL is asked.
const (
	askAgainAfter = 20 * time.Millisecond // if a beat contradicts the known origin
	triesPerBound = 16                    // in the background within B, if it does not answer

	reuniteEvery = time.Second // if its sessions lead to different servers
)

// elapsed returns the time between two instants: the longer by either clock, since a
// suspended machine stops the monotonic one.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), time.Duration(to.UnixNano()-from.UnixNano()))
}

// recent returns the known origin if it was asked for less than B before now, else nil. One
// older than B/2 is renewed in the background.
func (s *originCache) recent(now time.Time) *knownOrigin {
	p := s.current.Load()
	if p == nil || p.origin == nil {
		return nil
	}
	age := elapsed(p.asked, now)
	if age >= s.bound/2 {
		s.renew(now)
	}
	if age >= s.bound {
		return nil
	}
	return p
}

// renew asks PostgreSQL in the background, unless that has just been tried.
func (s *originCache) renew(now time.Time) {
	last := s.tried.Load()
	if now.UnixNano()-last >= int64(s.bound/triesPerBound) && s.tried.CompareAndSwap(last, now.UnixNano()) {
		go s.refresh(context.Background()) // it ends by its timeout
	}
}

// recentOrAsk returns an origin that was asked for less than B before now, or later; nil if
// PostgreSQL does not answer.
func (s *originCache) recentOrAsk(ctx context.Context, now time.Time) *knownOrigin {
	if p := s.recent(now); p != nil {
		return p
	}
	s.refresh(ctx)
	return s.recent(now)
}

// newer asks PostgreSQL again when a beat contradicts the known origin: a new epoch is in
// PostgreSQL before any beat names it.
func (s *originCache) newer(ctx context.Context, than *knownOrigin) *knownOrigin {
	if s.current.Load() == than && elapsed(than.asked, time.Now()) >= askAgainAfter {
		s.refresh(ctx)
	}
	if p := s.current.Load(); p.origin != nil {
		return p
	}
	return nil
}

// refresh asks PostgreSQL, once for all who want to know, and returns when it has answered,
// ctx is done, or that takes too long.
func (s *originCache) refresh(ctx context.Context) {
	answered := s.asking.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.longest)
		defer cancel()
		_, _ = s.inquire(ctx) // it has taken in either
		return nil, nil
	})
	enough, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	select {
	case <-enough.Done():
	case <-answered:
	}
}

// inquire asks PostgreSQL, takes in the answer and returns it.
func (s *originCache) inquire(ctx context.Context) (database.ServerState, error) {
	before := s.current.Load()
	if before == nil || !before.doubted {
		asked := time.Now()
		short, cancel := context.WithTimeout(ctx, s.timeout)
		got, err := s.source.ServerState(short, s.site())
		cancel()
		if err != nil || !before.trusted() || before.origin.server == got.Started && before.origin.database == got.Database {
			s.record(asked, got, err, false)
			return got, err
		}
		s.doubt(before)
	}
	asked := time.Now()
	got, err := s.source.AgreedState(ctx, s.site())
	s.record(asked, got, err, true)
	if errors.Is(err, database.ErrDivided) {
		s.reunite()
	}
	return got, err
}

// reunite has sessions renewed that lead to different servers: those that were begun while an
// address led to both would live on, and disagree, for as long as sessions are kept. Where an
// address always leads to several, new ones every reuniteEvery are enough.
func (s *originCache) reunite() {
	now := time.Now()
	last := s.reunited.Load()
	if elapsed(time.Unix(0, last), now) >= reuniteEvery && s.reunited.CompareAndSwap(last, now.UnixNano()) {
		s.source.Renew()
	}
}

// record stores PostgreSQL's answer. An error that says nothing of the database leaves the
// known origin as it is.
func (s *originCache) record(asked time.Time, got database.ServerState, err error, agreed bool) {
	p := &knownOrigin{
		asked: asked, origin: &Origin{got.Epoch, got.Started, got.Database, got.Description}, hidden: got.RowSecurity || got.InRecovery,
	}
	switch {
	case err != nil:
		if p.reason = reasonOfDatabase(err); p.reason == cachestate.DatabaseDown {
			return
		}
	case got.InRecovery:
		p.reason = cachestate.InRecovery
	case got.RowSecurity:
		p.reason = cachestate.RowSecurity
	}
	s.replace(p, agreed)
}

// recordRead stores the origin of the read of a fill; nil if it said none.
func (s *originCache) recordRead(asked time.Time, read *Origin) {
	for {
		p := s.current.Load()
		switch {
		case !p.trusted() || !asked.After(p.renewed): // on a session that has been given up since
			return
		case read != nil && *read == *p.origin:
			s.replace(&knownOrigin{asked: asked, origin: read}, false)
			return
		}
		s.doubt(p) // in vain if another origin is known by now
	}
}

// recordServer takes in of which server a read was that said no more; "" if its data is not
// everybody's.
func (s *originCache) recordServer(asked time.Time, server string) {
	if p := s.current.Load(); p.trusted() && asked.After(p.renewed) && p.origin.on() != server {
		s.doubt(p)
	}
}

// learnFailed takes in the error of a read: it may say that nothing may be cached, or that
// the table is not as the process believes.
func (c *Cache) learnFailed(asked time.Time, err error) {
	if why := reasonOfDatabase(err); why != cachestate.DatabaseDown {
		c.origins.recordRead(asked, nil)
	}
	if errors.As(err, new(*database.MisfitError)) {
		c.OtherDescription()
	}
}

// doubt ends the trust in an origin, if that is still what is trusted.
func (s *originCache) doubt(than *knownOrigin) {
	s.doubting.Lock()
	defer s.doubting.Unlock()
	if p := s.current.Load(); !p.trusted() || p.origin != than.origin {
		return
	}
	s.source.Renew()
	now := time.Now() // what was asked sooner may have gone over an old session
	s.current.Store(&knownOrigin{asked: now, renewed: now, doubted: true})
	s.asking.Forget("")
}

// replace makes p the known origin, unless the present one was asked for later.
func (s *originCache) replace(p *knownOrigin, agreed bool) {
	for {
		current := s.current.Load()
		if current != nil {
			if !p.asked.After(current.asked) || current.doubted && !agreed {
				return
			}
			p.renewed, p.doubted = current.renewed, current.doubted && p.reason != cachestate.OK
			if current.origin != nil && *current.origin == *p.origin {
				p.origin = current.origin
			}
		}
		if s.current.CompareAndSwap(current, p) {
			return
		}
	}
}

// checkBeat compares a beat, found by a request that began at begun, with all that processes
// must agree on. It returns the origin and OK, or why the beat does not count for this
// process and a request by a site's description.
func (c *Cache) checkBeat(ctx context.Context, beat *rediscache.Beat, begun time.Time, site *listing.Site) (*Origin, cachestate.Reason) {
	switch {
	case beat == nil:
		return nil, cachestate.NoBeat
	case beat.Partitions != c.Store.Partitions():
		return nil, cachestate.OtherDeployment
	}
	s := c.origins.recentOrAsk(ctx, begun)
	if s != nil && s.reason == cachestate.OK && !(s.origin.of(beat) && s.origin.describedBy(site)) {
		s = c.origins.newer(ctx, s)
	}
	switch {
	case s == nil:
		return nil, cachestate.DatabaseDown
	case s.reason != cachestate.OK:
		return nil, s.reason
	case !s.origin.describedBy(site):
		c.OtherDescription()
		return nil, cachestate.OtherDescription
	case s.origin.epoch == "" && s.origin.server == beat.Server && s.origin.database == beat.Database:
		return nil, cachestate.NoBeat // of the epoch that is about to begin, as after an installation
	case !s.origin.of(beat):
		return nil, cachestate.OtherDeployment
	case beat.Bound != c.Bound.Truncate(time.Microsecond):
		return nil, cachestate.Bound
	}
	return s.origin, cachestate.OK
}

// StillValid reports whether an answer of an origin may still be served at now: the origin
// is that of this process's database, as of less than B ago.
func (c *Cache) StillValid(o *Origin, now time.Time) bool {
	s := c.origins.recent(now)
	return s != nil && s.origin == o && s.reason == cachestate.OK
}
