package readthrough

import (
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// Where nothing proves what is cached, an answer may still be shared for its time alone: what is read
// from the database after some instant is not older than B until B after that instant. So while there
// is no beat, or too many queries are live, each query is read once in B by all processes together,
// and not once for every request.

// statusMoment is put in front of why the cache was not asked.
const statusMoment = "freshlist-moment; hit, "

// unproved answers without what is cached: from the moment of the query where only the beat is
// missing, else from the database. Whom a beat contradicts, or who may ask for nothing, is to be
// set right first.
func (c *Cache) unproved(ctx context.Context, req Request, why cachestate.Reason) (Answer, error) {
	if why == cachestate.NoBeat {
		return c.moment(ctx, req, statusBypass(why))
	}
	return c.read(ctx, req, statusBypass(why))
}

// moment answers from the moment of the query, or reads the database and leaves one to others.
// status is what Cache-Status says of the levels of the cache.
func (c *Cache) moment(ctx context.Context, req Request, status string) (Answer, error) {
	server := c.serverOfMoments(ctx, &req)
	if server == "" {
		return c.read(ctx, req, status)
	}
	query := req.Query.String()
	breaker := &c.breakers[c.Store.Partition(query)]
	for pause, end := firstPause, time.Now().Add(c.FillWait); ; pause = min(2*pause, lastPause) {
		var m *rediscache.Moment
		sent := time.Now()
		err := breaker.do(func() (err error) {
			m, err = c.Store.Moment(ctx, req.Format.String(), query, server+" "+req.site().Identity, c.Bound)
			return err
		})
		switch {
		case errors.Is(err, rediscache.ErrHeld) && time.Now().Before(end):
			if err := sleep(ctx, pause); err != nil {
				return Answer{}, err
			}
		case err != nil:
			return c.read(ctx, req, status)
		case m.View != nil:
			c.Metrics.Moments.Inc()
			a := answer(*m.View, statusMoment+status)
			a.asOf = sent.Add(-m.Age)
			return a, nil
		default:
			return c.makeMoment(ctx, req, m, server, status)
		}
	}
}

// makeMoment reads the database, after the time of the moment was noted, and stores the answer if it
// is of the server that the moment is named after: a session may lead to another one.
func (c *Cache) makeMoment(ctx context.Context, req Request, m *rediscache.Moment, server, status string) (Answer, error) {
	keep := c.Store.LeaveMoment
	defer func() {
		_ = c.breakers[m.Partition].do(func() error { return keep(context.WithoutCancel(ctx), m) })
	}()
	asOf := time.Now()
	qs, from, err := c.Source.ReadWithServer(ctx, req.Query)
	if err != nil {
		c.learnFailed(asOf, err)
		return Answer{}, err
	}
	view := c.render(req.Format, qs)
	if from == server {
		keep = func(ctx context.Context, m *rediscache.Moment) error { return c.Store.KeepMoment(ctx, m, view) }
	} else {
		c.origins.recordServer(asOf, from)
	}
	a := answer(view, status)
	a.asOf = asOf
	return a, nil
}

// serverOfMoments names the server whose moments a request may share, of those who ask by the same
// description; "" if it may share none. A request with a token must see its own write, and one that
// wants to be alone what is read after it has begun.
func (c *Cache) serverOfMoments(ctx context.Context, req *Request) string {
	if req.sharesNone() {
		return ""
	}
	s := c.origins.recentOrAsk(ctx, time.Now())
	if !s.shareable() || !s.origin.describedBy(req.site()) {
		return ""
	}
	return s.origin.on()
}
