package readthrough

import (
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// load answers a miss of the view: from the queryset if that is in Redis, from
// the database under a lease if this process gets one, from what the holder of
// the lease fills, or, if that takes too long, from the database without storing.
func (c *Cache) load(ctx context.Context, req Request, query string) (Answer, error) {
	end := time.Now().Add(c.FillWait)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		a, err := c.attempt(ctx, req, query)
		if !errors.Is(err, rediscache.ErrHeld) {
			return a, err
		}
		if time.Now().After(end) {
			c.Metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
			a, err := c.read(ctx, req, statusMiss)
			a.Registered = err == nil // by who holds the lease
			return a, err
		}
		if err := sleep(ctx, pause); err != nil {
			return Answer{}, err
		}
		seen, why := c.lookup(ctx, &req, query)
		if why == cachestate.OK && seen.view != nil && sees(seen.beat, req.Token) {
			c.Metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
			return seen.hit(statusCollapsed), nil
		}
	}
}

// sees reports whether a beat proves that transaction token has been applied.
func sees(b *rediscache.Beat, token uint64) bool { return token == 0 || b.Sees(token) }

// attempt tries once; rediscache.ErrHeld says that somebody else is filling the query.
func (c *Cache) attempt(ctx context.Context, req Request, query string) (Answer, error) {
	var lease *rediscache.Lease
	var stored *rediscache.Stored
	sent := time.Now()
	err := c.breakers[c.Store.Partition(query)].do(func() (err error) {
		lease, stored, err = c.Store.Acquire(ctx, query)
		return err
	})
	switch {
	case err == nil && stored != nil:
		origin, why := c.checkBeat(ctx, &stored.Beat, sent, req.site())
		switch {
		case why != cachestate.OK:
			return c.uncached(ctx, req, why)
		case !sees(&stored.Beat, req.Token):
			return c.read(ctx, req, statusToken)
		}
		return c.fromQueryset(ctx, req, query, stored, proofOf(&stored.Beat, origin, sent, stored.Age))
	case err == nil && lease != nil:
		c.Metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
		return c.fill(ctx, req, lease, sent)
	case errors.Is(err, rediscache.ErrHeld):
		return Answer{}, err
	case errors.Is(err, rediscache.ErrFull):
		c.Metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
		if r, ok := c.fromStandby(ctx, req, lease.Floor, sent); ok {
			a := answer(c.render(req.Format, r.queryset), statusMiss)
			a.asOf = r.asOf
			return a, nil
		}
		return c.moment(ctx, req, statusMiss)
	case err == nil || errors.Is(err, rediscache.ErrNoFence):
		return c.uncached(ctx, req, cachestate.NoBeat)
	}
	return c.uncached(ctx, req, reasonOfRedis(err))
}

// uncached answers a request that has found Redis in order until now, without what is cached.
func (c *Cache) uncached(ctx context.Context, req Request, why cachestate.Reason) (Answer, error) {
	c.countUncached(why)
	return c.unproved(ctx, req, why)
}

func (c *Cache) countUncached(why cachestate.Reason) {
	c.Metrics.Cache(telemetry.Queryset, telemetry.Bypass).Inc()
	c.Metrics.Bypass(why).Inc()
}

// fromQueryset renders a view from a queryset in Redis, and stores it. The answer may be
// kept to the end of the proof that was found with the queryset.
func (c *Cache) fromQueryset(ctx context.Context, req Request, query string, stored *rediscache.Stored, p proof) (Answer, error) {
	qs, err := listing.DecodeQueryset(req.Query, []byte(stored.Value))
	if err != nil {
		// A value of this build's tag that this build cannot read: leave it to expire.
		c.Metrics.Cache(telemetry.Queryset, telemetry.Bypass).Inc()
		return c.read(ctx, req, statusMiss)
	}
	c.Metrics.Cache(telemetry.Queryset, telemetry.Hit).Inc()
	view := c.render(req.Format, qs)
	err = c.breakers[c.Store.Partition(query)].do(func() error {
		return c.Store.StoreView(ctx, query, stored, req.Format.String(), view)
	})
	a := found{p, &view}.hit(statusRenderedHit)
	if err != nil {
		return a, nil
	}
	a.CacheStatus = statusQueryset
	return p.keepUntilEnd(a, c.Bound), nil
}

// fill reads the database under a lease and stores queryset and view, if nothing
// has made the lease void meanwhile; the answer is right in either case. It is that of
// the request's description, and is stored only if its epoch belongs to that one. It is read of a standby if
// there is one that shows enough. sent is when the lease was asked for, or before.
func (c *Cache) fill(ctx context.Context, req Request, lease *rediscache.Lease, sent time.Time) (Answer, error) {
	if r, ok := c.fromStandby(ctx, req, lease.Floor, sent); ok {
		return c.store(ctx, req, lease, r)
	}
	done, err := c.turn(ctx, &req)
	if err != nil {
		c.release(ctx, lease)
		return Answer{}, err
	}
	defer done()
	asOf := time.Now()
	qs, said, err := c.Source.ReadWithOrigin(ctx, req.Query)
	if err != nil {
		c.learnFailed(asOf, err)
		c.release(ctx, lease)
		if errors.Is(err, database.ErrNoEpoch) {
			return c.uncached(ctx, req, reasonOfDatabase(err))
		}
		return Answer{}, err
	}
	origin := parseOrigin(said)
	c.origins.recordRead(asOf, origin)
	return c.store(ctx, req, lease, reading{qs, origin, asOf})
}

// reading is what a read under a lease has returned.
type reading struct {
	queryset listing.Queryset
	origin   *Origin
	asOf     time.Time // it shows the database as of this instant, or as of a later one
}

// store fills a query with what was read under its lease, and answers with it.
func (c *Cache) store(ctx context.Context, req Request, lease *rediscache.Lease, r reading) (Answer, error) {
	qs, origin := r.queryset, r.origin
	view := c.render(req.Format, qs)
	a := answer(view, statusStored)
	a.asOf, a.Registered = r.asOf, true // with the lease
	if origin != nil && !origin.describedBy(req.site()) {
		c.release(ctx, lease)
		c.OtherDescription()
		c.countUncached(cachestate.OtherDescription)
		a.CacheStatus, a.Registered = statusBypass(cachestate.OtherDescription), false
		return a, nil
	}
	err := c.breakers[lease.Partition].do(func() error {
		return c.Store.Fill(ctx, lease, rediscache.Entry{
			Origin: origin.data(), Window: qs.Window().String(), Queryset: qs.Encode(), Format: req.Format.String(), View: view,
		})
	})
	if err != nil {
		a.CacheStatus = statusMiss
	}
	return a, nil
}

// release lets others fill a query.
func (c *Cache) release(ctx context.Context, lease *rediscache.Lease) {
	_ = c.breakers[lease.Partition].do(func() error { return c.Store.Release(context.WithoutCancel(ctx), lease) })
}
