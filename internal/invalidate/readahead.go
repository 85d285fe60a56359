package invalidate

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// A standby knows the live queries before it leads, so that it can publish a beat at once. What it
// has read counts only if the takeover finds the mark of its last call in Redis: then Redis has
// forgotten nothing of it, and the numbers of registrations go on. Otherwise it reads all anew, as if it
// had read nothing. See rediscache.ReadAhead.

// A standby forgets all that it has read, and begins again, if it knows so many more queries than are
// live: it is not told which have gone. That bounds its memory by that of the leader and a quarter.
const (
	aheadPart  = 4
	aheadSpare = 10_000
)

// heldPause is how long a standby waits that has found another one reading ahead.
const heldPause = time.Second

// describeEvery is how often a standby looks which description is installed. One that was installed
// since is noticed by the takeover, and all is read anew.
const describeEvery = 5 * time.Second

// readAhead reads some registrations, for half of the time between two tries to lead at most. That it
// cannot is no error of a standby: it will have to read more later.
func (i *Invalidator) readAhead(ctx context.Context, conn *pgx.Conn) error {
	if err := i.readDescription(ctx, conn); err != nil || i.feed == nil || time.Now().Before(i.aheadAt) {
		return err
	}
	for began := time.Now(); time.Since(began) < i.tryEvery()/2; {
		a, err := i.purger.ReadAhead(ctx)
		i.forget(a.Changed...)
		i.index.Defer()
		i.addToIndex(a.Registrations)
		switch {
		case err != nil:
			i.Log.DebugContext(ctx, "registrations were not read ahead", "error", err)
			return nil
		case a.More:
			continue
		}
		if a.Held {
			i.aheadAt = time.Now().Add(heldPause)
		}
		i.index.Build()
		if n := i.index.Len(); n > a.Live+a.Live/aheadPart+i.spare {
			i.purger.Forget()
			i.index.Reset()
		}
		break
	}
	i.status.setLive(i.index.Len())
	return nil
}

// readDescription takes the installed description for what is read ahead, if there is one.
func (i *Invalidator) readDescription(ctx context.Context, conn *pgx.Conn) error {
	if time.Since(i.described) < describeEvery {
		return nil
	}
	i.described = time.Now()
	step, cancel := context.WithTimeout(ctx, i.stepTimeout())
	defer cancel()
	installed, err := feed.ReadInstalled(step, conn)
	if err == nil {
		err = i.useDescription(installed)
	}
	if conn.IsClosed() {
		return err
	}
	return nil // the takeover says what is wrong
}
