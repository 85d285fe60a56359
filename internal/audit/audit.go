// Package audit compares what is cached with the database.
//
// A cached value that differs from what PostgreSQL says is no fault by itself: an
// edit may be on its way. When it is one:
//
//  1. Look at the query's values in Redis, with the beat. Value v was filled, under
//     a token of its own, from a snapshot F.
//  2. Read the query from PostgreSQL: one statement, so one snapshot S, with the
//     epoch of the marker in it, and the description that this belongs to. S was taken after the look and so after F: S sees
//     all that F sees. If the rows of S do not give v, some change C that S sees
//     and F does not touches the query.
//  3. Look again, until v has gone or the beat is of the marker's epoch, was noted
//     after 2 by Redis' clock, and its applied snapshot sees all that S sees. Such
//     a beat says that all that S sees, and so C, has been applied. Who filled v
//     had registered the query before F, so the purge for C knew of it and removed
//     v, or the lease without which v could not be stored. Either way v is not
//     there at any instant at which such a beat is: if one MGET shows both, the
//     cache has lied. A value filled anew has another token, and is another value.
//
// Why both conditions on the beat: the snapshot holds whatever clocks do. The time
// ties the beat to a drain after 2 that read the state of the triggers in its own
// snapshot: an edit made with the triggers disabled is seen by S, and that drain
// finds it out.
//
// Not judged are values of another build, whose bytes this one cannot make,
// values without a beat of their epoch, which nobody is served, and those of an epoch whose
// description is not the one that is installed.
package audit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// Outcome is what became of the check of one query.
type Outcome uint8

// The outcomes.
const (
	Agrees     Outcome = iota // what is cached is what the database says
	Differs                   // what is cached is wrong
	OtherBuild                // another build's values, or a query that this one cannot read
	NotServed                 // nothing cached, or nothing that anybody is served (any more, or yet)
	Replaced                  // it differed, and has gone since: an edit was on its way
	Undecided                 // it differs, but no beat came in time to say whether it may
	outcomes
)

// String returns the outcome's words in the summary of a verification.
func (o Outcome) String() string {
	return [outcomes]string{"agree", "differ", "of another build", "not served", "replaced meanwhile", "undecided"}[o]
}

// Result is the check of one query.
type Result struct {
	Query       string
	Outcome     Outcome
	Differences []Difference // of Differs and Undecided
}

// Difference is one cached value that is not what it should be.
type Difference struct {
	Name   string // "queryset", "json" or "html"
	Detail string // where it differs first
}

// Source reads listings from PostgreSQL, with what they were read from, and how they are
// described.
type Source interface {
	Description(ctx context.Context) (*description.Description, error)
	ReadWithSnapshot(ctx context.Context, q listing.Query) (database.SnapshotRead, error)
}

// Auditor checks cached queries. Its methods may be called concurrently.
type Auditor struct {
	Progress func(checked int) // called by Verify with how many queries have been checked; may be nil

	cached *rediscache.Auditor
	source Source
	bound  time.Duration // B
	build  string
	close  func()
	site   atomic.Pointer[listing.Site] // as described when last looked at; nil: not yet
}

// New returns an Auditor for values of this build. A beat is awaited for as long
// as two of the bound, and at least some seconds.
func New(cached *rediscache.Auditor, source Source, bound time.Duration) *Auditor {
	return &Auditor{cached: cached, source: source, bound: bound, build: render.BuildTag(), close: func() {}}
}

// Open returns an Auditor that reads PostgreSQL over one connection of its own,
// which is made when it is first needed.
func Open(cached *rediscache.Auditor, databaseURL string, bound time.Duration) (*Auditor, error) {
	pool, err := database.Open(database.Config{
		URL: databaseURL, Application: "freshlist-invalidator audit", MaxConns: 1, Timeout: readTimeout,
	})
	if err != nil {
		return nil, err
	}
	a := New(cached, database.NewReader(pool, func() {}), bound)
	a.close = pool.Close
	return a, nil
}

// readTimeout is generous: what takes the API longer than a request may is not cached.
const readTimeout = 30 * time.Second

// Close ends the connection to PostgreSQL.
func (a *Auditor) Close() { a.close() }

// Check checks some queries and returns a result for each. It reads them one after
// the other, and only then waits for a beat, if one of them differs.
func (a *Auditor) Check(ctx context.Context, queries []string) ([]Result, error) {
	results := make([]Result, len(queries))
	suspects := make(map[int]suspect)
	for i, q := range queries {
		var s suspect
		var err error
		if results[i], s, err = a.compare(ctx, q); err != nil {
			return nil, err
		}
		if len(s.wrong) > 0 {
			suspects[i] = s
		}
	}
	for i, s := range suspects {
		var err error
		if results[i], err = a.decide(ctx, queries[i], s); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// suspect is what differed from the database, and from which state of it.
type suspect struct {
	generation string // of the values
	wrong      []wrongValue
	read       database.SnapshotRead
}

type wrongValue struct {
	rediscache.Value
	detail string
}

// compare does the first two steps. If anything differs, the result is not known yet.
func (a *Auditor) compare(ctx context.Context, query string) (Result, suspect, error) {
	state, err := a.cached.Read(ctx, query)
	if err != nil {
		return Result{}, suspect{}, err
	}
	values, outcome := a.judged(state)
	site, err := a.described(ctx)
	if err != nil {
		return Result{}, suspect{}, err
	}
	q, err := site.Parse(query)
	if err != nil && len(state.Values) > 0 {
		// A text of another build, or of a description that has been replaced since.
		a.site.CompareAndSwap(site, nil)
		values, outcome = nil, OtherBuild
	}
	if len(values) == 0 {
		return Result{Query: query, Outcome: outcome}, suspect{}, nil
	}
	s := suspect{generation: state.Beat.Generation}
	if s.read, err = a.source.ReadWithSnapshot(ctx, q); err != nil {
		a.site.CompareAndSwap(site, nil)
		return Result{}, suspect{}, err
	}
	if s.read.Epoch != "" && s.read.Description != site.Identity {
		// There is no beat of that epoch yet, or the values are of one that has ended.
		a.site.CompareAndSwap(site, nil)
		return Result{Query: query, Outcome: NotServed}, suspect{}, nil
	}
	for _, v := range values {
		if detail := differs(v, &s.read.Queryset); detail != "" {
			s.wrong = append(s.wrong, wrongValue{v, detail})
		}
	}
	return Result{Query: query, Outcome: Agrees}, s, nil
}

// described returns the description by which queries are parsed and rendered.
func (a *Auditor) described(ctx context.Context) (*listing.Site, error) {
	if site := a.site.Load(); site != nil {
		return site, nil
	}
	d, err := a.source.Description(ctx)
	if err != nil {
		return nil, err
	}
	site := listing.NewSite(d)
	a.site.Store(site)
	return site, nil
}

// judged returns the values that can be judged, or, if there are none, why not.
func (a *Auditor) judged(state rediscache.QueryState) ([]rediscache.Value, Outcome) {
	var values []rediscache.Value
	outcome := NotServed
	for _, v := range state.Values {
		switch head := v.Head(); {
		case head.Build != a.build:
			outcome = OtherBuild
		case state.Beat != nil && head.Generation == state.Beat.Generation:
			values = append(values, v)
		}
	}
	return values, outcome
}

// How often Redis is asked for the beat that decides, and for how long at least.
const (
	pollsPerBound = 50
	minWait       = 5 * time.Second
)

// decide does the third step.
func (a *Auditor) decide(ctx context.Context, query string, s suspect) (Result, error) {
	end := time.Now().Add(max(2*a.bound, minWait))
	for after := int64(0); ; {
		state, err := a.cached.Read(ctx, query)
		if err != nil {
			return Result{}, err
		}
		if after == 0 {
			after = state.Now
		}
		s.wrong = stillThere(s.wrong, state.Values)
		switch {
		case len(s.wrong) == 0:
			return Result{Query: query, Outcome: Replaced}, nil
		case state.Beat != nil && state.Beat.Generation != s.generation:
			return Result{Query: query, Outcome: NotServed}, nil
		case decides(state.Beat, s.read, after):
			return s.result(query, Differs), nil
		case time.Now().After(end):
			return s.result(query, Undecided), nil
		}
		if err := wait(ctx, a.bound/pollsPerBound); err != nil {
			return Result{}, err
		}
	}
}

// decides reports whether a beat says that all that was seen has been applied.
func decides(b *rediscache.Beat, seen database.SnapshotRead, after int64) bool {
	return b != nil && b.Epoch == seen.Epoch && b.Noted >= after && b.Covers(seen.Snapshot)
}

// stillThere returns those of the wrong values that are among the present ones.
func stillThere(wrong []wrongValue, present []rediscache.Value) []wrongValue {
	var left []wrongValue
	for _, w := range wrong {
		for _, v := range present {
			if v == w.Value {
				left = append(left, w)
			}
		}
	}
	return left
}

func (s suspect) result(query string, o Outcome) Result {
	r := Result{Query: query, Outcome: o}
	for _, w := range s.wrong {
		r.Differences = append(r.Differences, Difference{w.Name, w.detail})
	}
	return r
}

// wait returns after d, or with the error of ctx when that is done.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
