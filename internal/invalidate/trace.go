package invalidate

import (
	"context"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// roundTrace is the spans of the present round, if traces are made and it has something to purge.
type roundTrace struct {
	within  context.Context // of the first of them; nil if there is none
	end     []func(changes, purged int, err error)
	changes int
	purged  uint64 // queries, before the round
}

// traced begins the spans of what has been drained, and returns the context for what is done about it.
func (l *leadership) traced(ctx context.Context, batch *feed.Batch) context.Context {
	if l.Traces == nil || len(batch.Changes) == 0 {
		return l.within(ctx)
	}
	within, end := l.Traces.Purge(ctx, l.doorbell.polledAt, l.name.Database, batch.Xids)
	if t := &l.trace; t.within == nil {
		t.within, t.purged = within, l.Metrics.PurgedQueries.Value()
	}
	l.trace.end = append(l.trace.end, end)
	l.trace.changes += len(batch.Changes)
	return l.trace.within
}

// within returns the context of the present round's span, or ctx if there is none.
func (l *leadership) within(ctx context.Context) context.Context {
	if l.trace.within != nil {
		return l.trace.within
	}
	return ctx
}

// endTrace ends the spans of a round.
func (l *leadership) endTrace(err error) {
	t := l.trace
	l.trace = roundTrace{}
	for _, end := range t.end {
		end(t.changes, int(l.Metrics.PurgedQueries.Value()-t.purged), err)
	}
}
