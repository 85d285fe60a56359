package invalidate

import (
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// loop works until an error ends the leadership. It never returns nil.
func (l *leadership) loop(ctx context.Context) error {
	l.ears = l.listen(ctx)
	defer func() { l.ears.stop() }()
	beat := time.NewTimer(0)
	defer beat.Stop()
	for due := false; ; {
		err := l.round(ctx, due)
		switch {
		case errors.Is(err, feed.ErrMarker), errors.Is(err, cache.ErrLost), errors.Is(err, errCatalog):
			if err := l.begin(ctx); err != nil {
				return err
			}
			beat.Reset(0)
		case err != nil:
			return err
		case due:
			beat.Reset(l.beatEvery())
		}
		if err := l.tend(ctx); err != nil {
			return err
		}
		if due, err = l.sleep(ctx, beat.C); err != nil {
			return err
		}
	}
}
