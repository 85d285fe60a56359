package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// probed is how many listings, from the first on, are edited by probers only.
const probed = 500

// prober measures how long after a commit what it makes stale is gone from Redis and
// from the cache of an API process. It sees a purge as such a process does, by the
// published name, and so disturbs nobody by asking again and again.
type prober struct {
	api   *load
	conn  *pgx.Conn
	sub   *redis.PubSub
	heard chan purged
	done  chan struct{} // closed when nothing is heard any more

	mu     sync.Mutex
	wanted string
	all    chan<- string // takes every purged query, if there is room; nil if nobody wants them

	id int // of the listing that was edited last
}

// purged is the message of a purge that was wanted.
type purged struct {
	query string
	at    time.Time
}

func (r *rig) newProber(ctx context.Context, api *process) (_ *prober, err error) {
	p := &prober{heard: make(chan purged, 16), done: make(chan struct{})}
	if p.api, err = dial(api.addr, 1); err != nil {
		return nil, err
	}
	if p.conn, err = pgx.Connect(ctx, r.owner(captured)); err != nil {
		p.api.close()
		return nil, err
	}
	// The flush is no part of what is measured.
	if _, err = p.conn.Exec(ctx, "set synchronous_commit = off"); err == nil {
		p.sub = r.rdb.Subscribe(ctx, space.Purged(0))
		_, err = p.sub.Receive(ctx)
	}
	if err != nil {
		p.api.close()
		return nil, errors.Join(err, p.conn.Close(context.WithoutCancel(ctx)))
	}
	go p.hear()
	return p, nil
}

func (p *prober) close() {
	_ = p.sub.Close()
	<-p.done
	_ = p.conn.Close(context.Background())
	p.api.close()
}

// hear passes on the purges that are wanted.
func (p *prober) hear() {
	defer close(p.done)
	for {
		m, err := p.sub.ReceiveMessage(context.Background()) // until the subscription is closed
		if err != nil {
			return
		}
		at := time.Now()
		for query := range strings.SplitSeq(m.Payload, "\n") {
			p.pass(purged{query, at})
		}
	}
}

// pass passes one purge on to who waits for it.
func (p *prober) pass(one purged) {
	p.mu.Lock()
	wanted := one.query == p.wanted
	select {
	case p.all <- one.query:
	default:
	}
	p.mu.Unlock()
	if wanted {
		select {
		case p.heard <- one:
		default: // nobody waits for it any more
		}
	}
}

// tell has every query that is purged sent to a channel from now on.
func (p *prober) tell(all chan<- string) {
	p.mu.Lock()
	p.all = all
	p.mu.Unlock()
}

// once edits a listing that the API holds, and returns how long after the commit was
// acknowledged the API had it no longer, in milliseconds. Somebody else may have asked
// for it meanwhile, so that it is the old price that tells.
func (p *prober) once(ctx context.Context) (float64, error) {
	p.id = p.id%probed + 1
	query := fmt.Sprintf("properties/%d", p.id)
	request := get("/v1/" + query)
	p.mu.Lock()
	p.wanted = query
	p.mu.Unlock()
	held, err := p.hold(ctx, request)
	if err != nil {
		return 0, err
	}
	if _, err := p.conn.Exec(ctx, fmt.Sprintf("begin; update properties set price = price + 1 where id = %d", p.id)); err != nil {
		return 0, err
	}
	for len(p.heard) > 0 {
		<-p.heard // of an earlier round
	}
	committed := make(chan error, 1)
	var acknowledged time.Time
	go func() {
		_, err := p.conn.Exec(ctx, "commit")
		acknowledged = time.Now()
		committed <- err
	}()
	at, err := p.await(ctx, query)
	if err := errors.Join(err, <-committed); err != nil {
		return 0, err
	}
	for {
		a, err := p.api.do(request)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(a.body, held) {
			return max(0, at.Sub(acknowledged)).Seconds() * 1000, nil
		}
		at = time.Now()
	}
}

// hold asks until the API process has the answer itself, and returns its body.
func (p *prober) hold(ctx context.Context, request []byte) (body []byte, err error) {
	err = await(ctx, 5*time.Second, "the API holds a listing", func() (bool, error) {
		a, err := p.api.do(request)
		body = append(body[:0], a.body...)
		return a.first(), err
	})
	return body, err
}

// await waits for a purge and returns when it was heard.
func (p *prober) await(ctx context.Context, query string) (time.Time, error) {
	const patience = 10 * time.Second
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case m := <-p.heard:
			if m.query == query {
				return m.at, nil
			}
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		case <-timeout.C:
			return time.Time{}, fmt.Errorf("%s was not purged within %v of its commit", query, patience)
		}
	}
}

// series probes so many times with pauses between them.
func (p *prober) series(ctx context.Context, times int, between time.Duration) (sample, error) {
	var delays sample
	for range times {
		if err := pause(ctx, between); err != nil {
			return nil, err
		}
		delay, err := p.once(ctx)
		if err != nil {
			return nil, err
		}
		delays = append(delays, delay)
	}
	return delays, nil
}

// beside probes again and again while work is being done, and returns what came of
// both.
func (p *prober) beside(ctx context.Context, between time.Duration, work func() (float64, error)) (sample, float64, error) {
	over := make(chan struct{})
	var delays sample
	var failed error
	var wait sync.WaitGroup
	wait.Go(func() {
		for failed == nil {
			select {
			case <-over:
				return
			default:
			}
			var some sample
			some, failed = p.series(ctx, 1, between)
			delays = append(delays, some...)
		}
	})
	result, err := work()
	close(over)
	wait.Wait()
	return delays, result, errors.Join(err, failed)
}
