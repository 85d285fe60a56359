package invalidate

import (
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

// question is what somebody wants to know of the index of live queries.
type question struct {
	ask  func(*listing.Site, *match.Index)
	done chan struct{} // closed once it has been asked
}

// ErrNotLeading tells that this process does not know which queries are live.
var ErrNotLeading = errors.New("this invalidator does not lead")

// questionTimeout is how long a leader may take to come to a question.
const questionTimeout = 5 * time.Second

// WithIndex has a leader call ask with its site and its index of all live queries, which ask must
// not keep. It does so behind a round with a beat: all registrations have been read by then. Nothing
// is purged until ask returns.
func (i *Invalidator) WithIndex(ctx context.Context, ask func(*listing.Site, *match.Index)) error {
	if i.role() != leader {
		return ErrNotLeading
	}
	limited, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	q := &question{ask: ask, done: make(chan struct{})}
	select {
	case i.questions <- q:
	case <-limited.Done():
		return errors.New("the leader is busy")
	}
	// From here on the question is the leader's, and so is what it writes to.
	select {
	case <-q.done:
		return nil
	case <-limited.Done():
		return errors.New("the leader is busy")
	}
}

// answerQuestion answers the question that has come, if there is one.
func (l *leadership) answerQuestion(ctx context.Context) error {
	q := l.question
	if q == nil {
		return nil
	}
	l.question = nil
	return l.computeKeepingAlive(ctx, l.index.Len(), func() {
		q.ask(l.feed.Site, &l.index)
		close(q.done)
	})
}
