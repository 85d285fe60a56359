package readthrough

import (
	"context"
	"errors"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// fromStandby reads a query of a standby, if there are any and one shows enough: all that had been drained
// when the query was registered. What is drained later purges the query. The answer is not older than the noted
// time of the beat that was found with the floor. Anything else is read of the primary: what a token
// asks for, or a request that wants to be alone, and all that is in doubt.
func (c *Cache) fromStandby(ctx context.Context, req Request, floor *rediscache.Floor, sent time.Time) (r reading, ok bool) {
	if c.Standbys == nil || floor == nil || req.sharesNone() {
		return reading{}, false
	}
	origin, why := c.checkBeat(ctx, &floor.Beat, sent, req.site())
	if why != cachestate.OK {
		return reading{}, false
	}
	// A standby that does not answer leaves time for the primary.
	limited, cancel := context.WithTimeout(ctx, c.Timeout/2)
	defer cancel()
	qs, said, err := c.Standbys.Read(limited, req.Query, floor.LSN)
	shown := parseOrigin(said)
	switch {
	case errors.Is(err, database.ErrConflict):
		c.Metrics.Standby(telemetry.StandbyConflict).Inc()
	case errors.Is(err, database.ErrBehind), err == nil && (shown == nil || *shown != *origin):
		c.Metrics.Standby(telemetry.StandbyBehind).Inc()
	case err != nil:
		c.Metrics.Standby(telemetry.StandbyFailed).Inc()
	default:
		c.Metrics.Standby(telemetry.StandbyUsed).Inc()
		return reading{qs, origin, proofOf(&floor.Beat, origin, sent, floor.Age).noted}, true
	}
	return reading{}, false
}
