package readthrough

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/caching"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// Examine says why this process does not use the cache at present, or that it does, and
// what was seen. It asks both servers what a request would ask them, so the answer does
// not depend on whether there are requests.
func (c *Cache) Examine(ctx context.Context) (why caching.Reason, detail string) {
	if c.Off {
		return caching.Off, ""
	}
	asked := time.Now()
	stamp, err := c.stamps.inquire(ctx)
	switch {
	case err != nil:
		return whyDatabase(err), err.Error()
	case stamp.InRecovery:
		return caching.InRecovery, ""
	case stamp.RowSecurity:
		return caching.RowSecurity, ""
	}
	beats, err := c.Store.Watch().Beats(ctx)
	for _, beat := range beats { // of other processes, if a partition has none
		if _, why := c.judge(ctx, &beat, asked); why != caching.OK {
			return why, c.contrast(&beat, stamp)
		}
	}
	if err != nil {
		return whyRedis(err), err.Error()
	}
	return caching.OK, ""
}

// contrast says in what a beat and this process differ.
func (c *Cache) contrast(b *cache.Beat, s database.Stamp) string {
	return fmt.Sprintf("proof: database %s, epoch %s, %d partitions, bound %v; here: database %s, epoch %s, %d partitions, bound %v",
		b.Database, b.Epoch, b.Partitions, b.Bound, s.Database, s.Epoch, c.Store.Partitions(), c.Bound)
}

// whyDatabase returns the reason of an error of the database.
func whyDatabase(err error) caching.Reason {
	switch {
	case errors.Is(err, database.ErrNoRights):
		return caching.NoRights
	case errors.Is(err, database.ErrNoEpoch):
		return caching.NotInstalled
	case errors.Is(err, database.ErrInRecovery):
		return caching.InRecovery
	case errors.Is(err, database.ErrDivided):
		return caching.OtherDeployment
	}
	return caching.DatabaseDown
}

// whyRedis returns the reason of an error on the way through Redis. What says none is the
// refusal to ask it.
func whyRedis(err error) caching.Reason {
	if r, found := caching.ReasonOf(err); found {
		return r
	}
	return caching.RedisDown
}
