package invalidate

import (
	"context"
	"fmt"
	"math"

	"github.com/freshlist/freshlist/internal/caching"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// catchUp is the rest of a round with a large backlog, which is read in parts on a
// connection that holds no lock. It may take long: there is no beat before its end.
func (l *leadership) catchUp(ctx context.Context, beat bool) error {
	if len(l.left) > 0 {
		if err := l.apply(ctx, nil, math.MaxInt); err != nil {
			return err
		}
	}
	batch, err := feed.DrainAll(ctx, l.drains, l.at, beat, func(changes []match.Change) error {
		l.hinder(caching.CatchingUp, fmt.Sprintf("%d changes at a time", len(changes)))
		if err := l.touch(ctx); err != nil {
			return err
		}
		return l.apply(ctx, changes, math.MaxInt)
	})
	switch {
	case err != nil:
		return err
	case beat && batch.Catalog != l.at.Catalog:
		return errCatalog
	}
	l.advance(batch)
	l.unproved = true
	if err := l.answerBurst(ctx, batch); err != nil {
		return err
	}
	return l.store(ctx, true)
}
