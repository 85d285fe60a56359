package readthrough

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// Examine says why this process does not use the cache at present, or that it does, and
// what was seen. It asks both servers what a request would ask them, so the answer does
// not depend on whether there are requests.
func (c *Cache) Examine(ctx context.Context) (why cachestate.Reason, detail string) {
	if c.Off {
		return cachestate.Off, ""
	}
	asked, site := time.Now(), c.Site()
	state, err := c.origins.inquire(ctx)
	switch {
	case err != nil:
		return reasonOfDatabase(err), err.Error()
	case state.InRecovery:
		return cachestate.InRecovery, ""
	case state.RowSecurity:
		return cachestate.RowSecurity, ""
	case state.Epoch != "" && state.Description != site.Identity:
		c.OtherDescription()
		return cachestate.OtherDescription, fmt.Sprintf("the database: %s; here: %s", state.Description, site.Identity)
	}
	beats, err := c.Store.BeatReader().Beats(ctx)
	for _, beat := range beats { // of other processes, if a partition has none
		if _, why := c.checkBeat(ctx, &beat, asked, site); why != cachestate.OK {
			return why, c.differences(&beat, state)
		}
	}
	if err != nil {
		return reasonOfRedis(err), err.Error()
	}
	return cachestate.OK, ""
}

// Proved reports whether every partition has a beat that counts for this process: purges are
// published as changes are committed.
func (c *Cache) Proved(ctx context.Context) bool {
	if c.Off {
		return false
	}
	asked := time.Now()
	beats, err := c.Store.BeatReader().Beats(ctx)
	if err != nil {
		return false
	}
	for i := range beats {
		if _, why := c.checkBeat(ctx, &beats[i], asked, c.Site()); why != cachestate.OK {
			return false
		}
	}
	return true
}

// differences says in what a beat and this process differ.
func (c *Cache) differences(b *rediscache.Beat, s database.ServerState) string {
	return fmt.Sprintf("proof: database %s, epoch %s, %d partitions, bound %v; here: database %s, epoch %s, %d partitions, bound %v",
		b.Database, b.Epoch, b.Partitions, b.Bound, s.Database, s.Epoch, c.Store.Partitions(), c.Bound)
}

// reasonOfDatabase returns the reason of an error of the database.
func reasonOfDatabase(err error) cachestate.Reason {
	switch {
	case errors.Is(err, database.ErrNoRights):
		return cachestate.NoRights
	case errors.Is(err, database.ErrNoEpoch):
		return cachestate.NotInstalled
	case errors.Is(err, database.ErrInRecovery):
		return cachestate.InRecovery
	case errors.Is(err, database.ErrDivided):
		return cachestate.OtherDeployment
	}
	return cachestate.DatabaseDown
}

// reasonOfRedis returns the reason of an error on the way through Redis. What says none is the
// refusal to ask it.
func reasonOfRedis(err error) cachestate.Reason {
	if r, found := cachestate.ReasonOf(err); found {
		return r
	}
	return cachestate.RedisDown
}
