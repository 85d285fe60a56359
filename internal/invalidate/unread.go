package invalidate

import (
	"context"

	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// reportUnread counts and logs the changes, all of them purged for, that could not be
// understood: they cost all that is cached, and somebody may want to know what wrote them.
func (l *leadership) reportUnread(ctx context.Context, changes []match.Change) {
	for i := range changes {
		if err := changes[i].Unread; err != nil {
			l.Metrics.UnreadChanges.Inc()
			l.Log.WarnContext(ctx, "a captured change was not understood and purged everything", "error", err)
		}
	}
}
