package readthrough

import (
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// load answers a miss of the view: from the queryset if that is in Redis, from
// the database under a lease if this process gets one, from what the holder of
// the lease fills, or, if that takes too long, from the database without storing.
func (c *Cache) load(ctx context.Context, req Request, query string) (Answer, error) {
	end := time.Now().Add(fillerWait)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		a, err := c.attempt(ctx, req, query)
		if !errors.Is(err, cache.ErrHeld) {
			return a, err
		}
		if time.Now().After(end) {
			c.Metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
			return c.read(ctx, req, statusMiss)
		}
		if err := sleep(ctx, pause); err != nil {
			return Answer{}, err
		}
		sight, err := c.look(ctx, req.Format, query)
		if err == nil && sight.View != nil && sees(sight.Beat, req.Token) {
			c.Metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
			return answer(*sight.View, statusCollapsed), nil
		}
	}
}

// sees reports whether a beat proves that transaction token has been applied.
func sees(b *cache.Beat, token uint64) bool { return token == 0 || b.Sees(token) }

// attempt tries once; cache.ErrHeld says that somebody else is filling the query.
func (c *Cache) attempt(ctx context.Context, req Request, query string) (Answer, error) {
	var lease *cache.Lease
	var stored *cache.Stored
	err := c.breaker.do(func() (err error) {
		lease, stored, err = c.Store.Acquire(ctx, query)
		return err
	})
	switch {
	case err == nil && stored != nil && sees(&stored.Beat, req.Token):
		return c.fromQueryset(ctx, req, query, stored)
	case err == nil && lease != nil:
		c.Metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
		return c.fill(ctx, req, lease)
	case err == nil && stored != nil:
		return c.read(ctx, req, statusToken)
	case errors.Is(err, cache.ErrHeld):
		return Answer{}, err
	case errors.Is(err, cache.ErrFull):
		c.Metrics.Cache(telemetry.Queryset, telemetry.Miss).Inc()
		return c.read(ctx, req, statusMiss)
	case err == nil || errors.Is(err, cache.ErrNoFence):
		c.Metrics.Cache(telemetry.Queryset, telemetry.Bypass).Inc()
		return c.read(ctx, req, statusNoBeat)
	}
	c.Metrics.Cache(telemetry.Queryset, telemetry.Bypass).Inc()
	return c.read(ctx, req, statusRedisDown)
}

// fromQueryset renders a view from a queryset in Redis, and stores it.
func (c *Cache) fromQueryset(ctx context.Context, req Request, query string, stored *cache.Stored) (Answer, error) {
	qs, err := listing.DecodeQueryset(req.Query, []byte(stored.Value))
	if err != nil {
		// A value of this build's tag that this build cannot read: leave it to expire.
		c.Metrics.Cache(telemetry.Queryset, telemetry.Bypass).Inc()
		return c.read(ctx, req, statusMiss)
	}
	c.Metrics.Cache(telemetry.Queryset, telemetry.Hit).Inc()
	view := c.render(req.Format, qs)
	err = c.breaker.do(func() error {
		return c.Store.StoreView(ctx, query, stored, req.Format.String(), view)
	})
	if err != nil {
		return answer(view, statusRenderedHit), nil
	}
	return answer(view, statusQueryset), nil
}

// fill reads the database under a lease and stores queryset and view, if nothing
// has made the lease void meanwhile; the answer is right in either case.
func (c *Cache) fill(ctx context.Context, req Request, lease *cache.Lease) (Answer, error) {
	qs, stamp, err := c.Source.ReadStamped(ctx, req.Query)
	if err != nil {
		_ = c.breaker.do(func() error { return c.Store.Release(context.WithoutCancel(ctx), lease) })
		if errors.Is(err, database.ErrNoEpoch) {
			return c.read(ctx, req, statusMiss)
		}
		return Answer{}, err
	}
	view := c.render(req.Format, qs)
	err = c.breaker.do(func() error {
		return c.Store.Fill(ctx, lease, cache.Entry{
			Stamp: stamp, Window: qs.Window().String(), Queryset: qs.Encode(), Format: req.Format.String(), View: view,
		})
	})
	if err != nil {
		return answer(view, statusMiss), nil
	}
	return answer(view, statusStored), nil
}
