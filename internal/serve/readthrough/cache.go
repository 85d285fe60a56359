// Package readthrough answers reads of listings through the cache: from a view in Redis,
// from a queryset there, or from PostgreSQL, filling both on the way.
//
// It is the reader's half of the protocol. A value is served only with a valid beat that was
// read together with it. What is read from the database is stored only under a lease that
// was taken before. Without a valid beat (no invalidator, no Redis) it reads the database
// and stores nothing that would need a proof: slower, never wrong.
package readthrough

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/lsn"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// Source reads listings from PostgreSQL.
type Source interface {
	// Read returns the answer to a query as of now.
	Read(ctx context.Context, q listing.Query) (listing.Queryset, error)
	// ReadWithOrigin returns besides which data that was: the epoch of the cache as the
	// database has it in the same snapshot, when the server started, which database it
	// is, and the identity of the epoch's description, with a space between them, or nothing; the error
	// is database.ErrNoEpoch if it has no epoch.
	ReadWithOrigin(ctx context.Context, q listing.Query) (listing.Queryset, string, error)
	// ReadWithServer returns besides of which server the data is: when it started and which database it
	// is, with a space between them, or nothing if the data is not everybody's.
	ReadWithServer(ctx context.Context, q listing.Query) (listing.Queryset, string, error)
	// ServerState says which server this is, and in which state; whether it hides rows is said of
	// the tables of a site.
	ServerState(ctx context.Context, site *listing.Site) (database.ServerState, error)
	// AgreedState is a state that a session of the reads has told of too; the error is
	// database.ErrDivided if it told of another.
	AgreedState(ctx context.Context, site *listing.Site) (database.ServerState, error)
	// Renew has everything asked on new sessions from now on.
	Renew()
	// Assigned reports whether the database has given out transaction id xid.
	Assigned(ctx context.Context, xid uint64) (bool, error)
}

// Standbys reads listings from standbys of PostgreSQL.
type Standbys interface {
	// Read returns the answer to a query as a standby shows it that has replayed the primary's log up to
	// the floor, and which data that is, as Source.ReadWithOrigin does.
	Read(ctx context.Context, q listing.Query, floor lsn.LSN) (listing.Queryset, string, error)
}

// Config says how a Cache works. Every field must be set but Standbys, FillWait, TokenReads, OtherDescription and
// Off; with Off, no Store is needed.
type Config struct {
	Store    *rediscache.Reader
	Source   Source
	Standbys Standbys // nil: all reads are of Source. Store must have been told of them.
	Render   func(render.Format, listing.Queryset) (status int, body []byte)
	Metrics  *telemetry.API
	Site     func() *listing.Site // by which requests are parsed at present

	// OtherDescription is called when the database has another description than that of a request, or
	// a table that does not fit it: the process should load the present one. It is called often, and must
	// return at once.
	OtherDescription func()

	Bound    time.Duration // B, the bound on staleness
	Timeout  time.Duration // of one load, whoever waits for it
	FillWait time.Duration // how long a request waits for the holder of the lease to fill; 0 = half a second
	Off      bool          // every read goes to the database

	TokenReads int // how many database reads for tokens may be under way at once; 0 = two
}

// Cache answers requests. It is safe for concurrent use.
type Cache struct {
	Config
	breakers []breaker // by partition
	loads    sharedLoads
	origins  originCache
	turns    chan struct{} // a place for each database read for a token
}

// New returns a Cache.
func New(c Config) *Cache {
	if c.FillWait == 0 {
		c.FillWait = fillerWait
	}
	if c.TokenReads == 0 {
		c.TokenReads = 2
	}
	if c.OtherDescription == nil {
		c.OtherDescription = func() {}
	}
	partitions := 0
	if c.Store != nil { // with the cache off none is needed
		partitions = c.Store.Partitions()
	}
	return &Cache{
		Config: c, breakers: make([]breaker, partitions), turns: make(chan struct{}, c.TokenReads),
		origins: originCache{
			source: c.Source, site: c.Site, bound: c.Bound, timeout: min(c.Timeout, max(c.Bound, time.Second)), longest: c.Timeout,
		},
	}
}

// How long a request waits for what another one is doing.
const (
	fillerWait  = 500 * time.Millisecond // for the holder of the lease to fill, unless told otherwise
	appliedWait = 20 * time.Millisecond  // for the invalidator to apply the transaction of a token
	firstPause  = time.Millisecond
	lastPause   = 25 * time.Millisecond
)

// What Cache-Status says of the two levels in Redis.
const (
	statusHit         = "freshlist-view; hit"
	statusQueryset    = "freshlist-queryset; hit, freshlist-view; fwd=miss; stored"
	statusStored      = "freshlist-queryset; fwd=miss; stored, freshlist-view; fwd=miss; stored"
	statusMiss        = "freshlist-queryset; fwd=miss, freshlist-view; fwd=miss"
	statusCollapsed   = "freshlist-queryset; fwd=miss; collapsed, freshlist-view; fwd=miss; collapsed"
	statusRenderedHit = "freshlist-queryset; hit, freshlist-view; fwd=miss"
	statusRequest     = "freshlist-view; fwd=request"
	statusToken       = "freshlist-view; fwd=stale; detail=token"
)

// statusBypass says that no cache was asked, and why.
func statusBypass(why cachestate.Reason) string {
	return "freshlist-view; fwd=bypass; detail=" + why.String()
}

// proof is what makes a cached value an answer: a beat that passed checkBeat, and when it
// was found.
type proof struct {
	beat   *rediscache.Beat
	origin *Origin
	noted  time.Time // the beat's time by this process's clock, or an earlier one
}

// proofOf returns the proof in a beat that was age old at some instant after sent.
func proofOf(beat *rediscache.Beat, origin *Origin, sent time.Time, age time.Duration) proof {
	return proof{beat, origin, sent.Add(-age)}
}

// keepUntilEnd lets an answer be kept until the proof's end. It is of the proof's noted time, or
// of a later one; or, read of a standby after Redis had gone back, of an earlier one, and is kept for less.
func (p proof) keepUntilEnd(a Answer, bound time.Duration) Answer {
	of := p.noted
	if a.asOf.Before(of) {
		of = a.asOf
	}
	a.Until, a.Origin = of.Add(bound), p.origin
	return a
}

// found is the result of a lookup of the view.
type found struct {
	proof
	view *rediscache.View // nil: miss
}

// hit returns the view as an answer.
func (f found) hit(status string) Answer {
	a := answer(*f.view, status)
	a.asOf, a.Registered = f.noted, true
	return a
}

// Get answers a request. The error is the database's or the context's: without
// Redis there is still an answer.
func (c *Cache) Get(ctx context.Context, req Request) (Answer, error) {
	begun := time.Now()
	switch {
	case req.NoStore:
		return c.direct(ctx, req, statusRequest)
	case c.Off:
		return c.bypass(ctx, req, begun, cachestate.Off)
	}
	query := req.Query.String()
	seen, why := c.lookup(ctx, &req, query)
	if why == cachestate.OK && !sees(seen.beat, req.Token) {
		var err error
		if seen, why, err = c.awaitToken(ctx, &req, query, seen); err != nil {
			return c.direct(ctx, req, statusToken)
		}
	}
	switch {
	case why != cachestate.OK:
		return c.bypass(ctx, req, begun, why)
	case seen.view != nil:
		c.Metrics.Cache(telemetry.View, telemetry.Hit).Inc()
		return seen.keepUntilEnd(seen.hit(statusHit), c.Bound), nil
	}
	c.Metrics.Cache(telemetry.View, telemetry.Miss).Inc()
	return c.miss(ctx, req, query, begun, seen.proof)
}

// errNotApplied tells that the transaction of a token has not been applied in time.
var errNotApplied = errors.New("the transaction has not been applied")

// awaitToken looks up the view until a beat shows that the transaction of the request's
// token has been applied. A token that the database has not given out yet is dropped from
// the request. It returns errNotApplied if the wait was in vain.
func (c *Cache) awaitToken(ctx context.Context, req *Request, query string, seen found) (found, cachestate.Reason, error) {
	for pause, end := firstPause, time.Now().Add(appliedWait); time.Now().Before(end); pause *= 2 {
		if err := sleep(ctx, pause); err != nil {
			return found{}, cachestate.OK, errNotApplied
		}
		var why cachestate.Reason
		if seen, why = c.lookup(ctx, req, query); why != cachestate.OK || seen.beat.Sees(req.Token) {
			return seen, why, nil
		}
	}
	if assigned, err := c.assigned(ctx, req); err == nil && !assigned {
		c.Metrics.UnassignedTokens.Inc()
		req.Token = 0
		return seen, cachestate.OK, nil
	}
	return found{}, cachestate.OK, errNotApplied
}

// miss loads a view that is not in Redis, once for all requests of this process
// that ask for it at about the same time; but one that carries a token, or wants to be alone,
// shares none: the load may have read before the token's transaction. A fill may be kept in this process
// until the end of the proof that was found before it.
func (c *Cache) miss(ctx context.Context, req Request, query string, begun time.Time, before proof) (Answer, error) {
	load := func(ctx context.Context) (Answer, error) {
		a, err := c.load(ctx, req, query)
		if a.CacheStatus == statusStored {
			a = before.keepUntilEnd(a, c.Bound)
		}
		return a, err
	}
	if req.sharesNone() {
		return load(ctx)
	}
	return c.share(ctx, req.key("load", query), begun, load)
}

// bypass answers without what is cached, once for all requests of this process that ask for the
// same at about the same time.
func (c *Cache) bypass(ctx context.Context, req Request, begun time.Time, why cachestate.Reason) (Answer, error) {
	c.Metrics.Cache(telemetry.View, telemetry.Bypass).Inc()
	c.Metrics.Bypass(why).Inc()
	read := func(ctx context.Context) (Answer, error) { return c.unproved(ctx, req, why) }
	if req.sharesNone() {
		return read(ctx)
	}
	return c.share(ctx, req.key("read", req.Query.String()), begun, read)
}

// direct reads the database for this request alone.
func (c *Cache) direct(ctx context.Context, req Request, status string) (Answer, error) {
	c.Metrics.Cache(telemetry.View, telemetry.Bypass).Inc()
	return c.read(ctx, req, status)
}

// read answers from the database without storing anything.
func (c *Cache) read(ctx context.Context, req Request, status string) (Answer, error) {
	done, err := c.turn(ctx, &req)
	if err != nil {
		return Answer{}, err
	}
	defer done()
	asOf := time.Now()
	qs, err := c.Source.Read(ctx, req.Query)
	if err != nil {
		c.learnFailed(asOf, err)
		return Answer{}, err
	}
	a := answer(c.render(req.Format, qs), status)
	a.asOf = asOf
	return a, nil
}

func answer(v rediscache.View, status string) Answer {
	return Answer{Status: v.Status, ETag: v.ETag, Body: v.Body, Gzip: v.Gzip, CacheStatus: status}
}

// lookup reads the view and the beat, unless Redis is known to be down. It returns OK, or
// why the beat does not count.
func (c *Cache) lookup(ctx context.Context, req *Request, query string) (found, cachestate.Reason) {
	var result rediscache.LookupResult
	sent := time.Now()
	err := c.breakers[c.Store.Partition(query)].do(func() (err error) {
		result, err = c.Store.Lookup(ctx, req.Format.String(), query)
		return err
	})
	if err != nil {
		return found{}, reasonOfRedis(err)
	}
	origin, why := c.checkBeat(ctx, result.Beat, sent, req.site())
	if why != cachestate.OK {
		return found{}, why
	}
	return found{proofOf(result.Beat, origin, sent, result.Age), result.View}, cachestate.OK
}

// turn waits for the right to ask the database for a request with a token, which shares no
// answer with others: without a bound one client with any token could keep the whole database busy.
// A request without one has it at once.
func (c *Cache) turn(ctx context.Context, req *Request) (done func(), err error) {
	if req.Token == 0 {
		return func() {}, nil
	}
	select {
	case c.turns <- struct{}{}:
		c.Metrics.TokenReads.Inc()
		return func() { <-c.turns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: reads with a token take turns: %w", database.ErrBusy, ctx.Err())
	}
}

// assigned reports whether the database has given out the request's token.
func (c *Cache) assigned(ctx context.Context, req *Request) (bool, error) {
	done, err := c.turn(ctx, req)
	if err != nil {
		return false, err
	}
	defer done()
	return c.Source.Assigned(ctx, req.Token)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
