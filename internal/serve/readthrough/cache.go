// Package readthrough answers reads of listings through the cache: from a view
// in Redis, from a queryset there, or from PostgreSQL, filling both on the way.
//
// It keeps the reader's half of the protocol: a value is served only with a proof
// of its freshness that was read together with it, and what is read from the
// database is stored only under a lease that was taken before. Where there is no
// proof (no invalidator, no Redis) it reads the database and stores nothing: slower,
// never wrong.
package readthrough

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// Source reads listings from PostgreSQL.
type Source interface {
	// Read returns the answer to a query as of now.
	Read(ctx context.Context, q listing.Query) (listing.Queryset, error)
	// ReadStamped returns besides which data that was: the epoch of the cache as the
	// database has it in the same snapshot, a space, and when the server started; the
	// error is database.ErrNoEpoch if it has no epoch.
	ReadStamped(ctx context.Context, q listing.Query) (listing.Queryset, string, error)
	// Stamp says which server this is, and in which state.
	Stamp(ctx context.Context) (database.Stamp, error)
	// Assigned reports whether the database has given out transaction id xid.
	Assigned(ctx context.Context, xid uint64) (bool, error)
}

// Config says how a Cache works. Every field but Off must be set.
type Config struct {
	Store   *cache.Reader
	Source  Source
	Render  func(render.Format, listing.Queryset) (status int, body []byte)
	Metrics *telemetry.API

	Bound   time.Duration // B, the bound on staleness
	Timeout time.Duration // of one load, whoever waits for it
	Off     bool          // every read goes to the database
}

// Cache answers requests. It is safe for concurrent use.
type Cache struct {
	Config
	breaker breaker
	flights singleflight.Group
}

// New returns a Cache.
func New(c Config) *Cache { return &Cache{Config: c} }

// How long a request waits for what another one is doing.
const (
	fillerWait  = 500 * time.Millisecond // for the holder of the lease to fill
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
	statusOff         = "freshlist-view; fwd=bypass; detail=off"
	statusNoBeat      = "freshlist-view; fwd=bypass; detail=no-beat"
	statusRedisDown   = "freshlist-view; fwd=bypass; detail=redis-down"
)

// Get answers a request. The error is the database's or the context's: without
// Redis there is still an answer.
func (c *Cache) Get(ctx context.Context, req Request) (Answer, error) {
	switch {
	case req.NoStore:
		return c.direct(ctx, req, statusRequest)
	case c.Off:
		return c.bypass(ctx, req, statusOff)
	}
	query := req.Query.String()
	begun := time.Now()
	sight, err := c.look(ctx, req.Format, query)
	if err == nil && sight.Beat != nil && !sees(sight.Beat, req.Token) {
		if sight, err = c.awaitToken(ctx, &req, query, sight); err != nil && sight.Beat != nil {
			return c.direct(ctx, req, statusToken)
		}
	}
	switch {
	case err != nil:
		return c.bypass(ctx, req, statusRedisDown)
	case sight.Beat == nil:
		return c.bypass(ctx, req, statusNoBeat)
	case sight.View != nil:
		c.Metrics.Cache(telemetry.View, telemetry.Hit).Inc()
		a := answer(*sight.View, statusHit)
		a.Until = c.until(begun, sight)
		return a, nil
	}
	c.Metrics.Cache(telemetry.View, telemetry.Miss).Inc()
	return c.miss(ctx, req, query, c.until(begun, sight))
}

// until returns when the proof in a sight ends by this process's clock, given that
// no look began before begun; zero if it has ended.
func (c *Cache) until(begun time.Time, sight cache.Sight) time.Time {
	if sight.Remains <= 0 {
		return time.Time{}
	}
	return begun.Add(sight.Remains)
}

// errNotApplied tells that the transaction of a token has not been applied in time.
var errNotApplied = errors.New("the transaction has not been applied")

// awaitToken looks until a beat proves that the transaction of the request's token
// has been applied. A token that the database has not given out yet is dropped
// from the request. It returns errNotApplied, with the last sight, if the wait was
// in vain.
func (c *Cache) awaitToken(ctx context.Context, req *Request, query string, sight cache.Sight) (cache.Sight, error) {
	for pause, end := firstPause, time.Now().Add(appliedWait); time.Now().Before(end); pause *= 2 {
		if err := sleep(ctx, pause); err != nil {
			return sight, errNotApplied
		}
		var err error
		if sight, err = c.look(ctx, req.Format, query); err != nil || sight.Beat == nil || sight.Beat.Sees(req.Token) {
			return sight, err
		}
	}
	if assigned, err := c.Source.Assigned(ctx, req.Token); err == nil && !assigned {
		req.Token = 0
		return sight, nil
	}
	return sight, errNotApplied
}

// miss loads a view that is not in Redis, once for all requests of this process
// that ask for it at about the same time. A request must not be answered by a load
// whose read may be older than the bound allows, so only those that come within
// the same half of B share one; and one that carries a token shares none. What is
// stored may be kept in this process until then: its proof was read before it.
func (c *Cache) miss(ctx context.Context, req Request, query string, until time.Time) (Answer, error) {
	load := func(ctx context.Context) (Answer, error) {
		a, err := c.load(ctx, req, query)
		if a.CacheStatus == statusStored || a.CacheStatus == statusQueryset {
			a.Until = until
		}
		return a, err
	}
	if req.Token != 0 {
		return load(ctx)
	}
	return c.share(ctx, "load "+req.Format.String()+" "+query, load)
}

// bypass reads the database and stores nothing, once for all requests of this
// process that ask for the same at about the same time.
func (c *Cache) bypass(ctx context.Context, req Request, status string) (Answer, error) {
	c.Metrics.Cache(telemetry.View, telemetry.Bypass).Inc()
	read := func(ctx context.Context) (Answer, error) { return c.read(ctx, req, status) }
	if req.Token != 0 {
		return read(ctx)
	}
	return c.share(ctx, "read "+req.Format.String()+" "+req.Query.String(), read)
}

// direct reads the database for this request alone.
func (c *Cache) direct(ctx context.Context, req Request, status string) (Answer, error) {
	c.Metrics.Cache(telemetry.View, telemetry.Bypass).Inc()
	return c.read(ctx, req, status)
}

// share runs load for all callers of this process that name the same key within
// the same half of B. The load does not end with the caller that began it, and if it
// panics, that is their error: nobody else would recover it, and the process would end.
func (c *Cache) share(ctx context.Context, key string, load func(context.Context) (Answer, error)) (Answer, error) {
	slot := time.Now().UnixNano() / max(1, int64(c.Bound/2))
	leads := false
	flight := c.flights.DoChan(fmt.Sprint(slot, " ", key), func() (a any, err error) {
		defer func() {
			if cause := recover(); cause != nil {
				a, err = nil, fmt.Errorf("panic in a shared load: %v\n%s", cause, debug.Stack())
			}
		}()
		leads = true
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timeout)
		defer cancel()
		return load(ctx)
	})
	select {
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	case done := <-flight:
		if done.Err != nil {
			return Answer{}, done.Err
		}
		a := done.Val.(Answer)
		if !leads {
			a.Until = time.Time{} // the fill is the leader's
			if a.CacheStatus == statusStored {
				a.CacheStatus = statusCollapsed
			}
		}
		return a, nil
	}
}

// read answers from the database without storing anything.
func (c *Cache) read(ctx context.Context, req Request, status string) (Answer, error) {
	qs, err := c.Source.Read(ctx, req.Query)
	if err != nil {
		return Answer{}, err
	}
	return answer(c.render(req.Format, qs), status), nil
}

func answer(v cache.View, status string) Answer {
	return Answer{Status: v.Status, ETag: v.ETag, Body: v.Body, Gzip: v.Gzip, CacheStatus: status}
}

// look reads the view and the beat, unless Redis is known to be down.
func (c *Cache) look(ctx context.Context, f render.Format, query string) (cache.Sight, error) {
	var sight cache.Sight
	err := c.breaker.do(func() (err error) {
		sight, err = c.Store.Look(ctx, f.String(), query)
		return err
	})
	return sight, err
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
