package readthrough

import (
	"context"
	"errors"

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
	stamp, err := c.Source.Stamp(ctx)
	switch {
	case err != nil:
		return whyDatabase(err), err.Error()
	case stamp.InRecovery:
		return caching.InRecovery, ""
	case stamp.RowSecurity:
		return caching.RowSecurity, ""
	}
	beats, err := c.Store.Watch().Beats(ctx)
	if err != nil {
		return whyRedis(err), err.Error()
	}
	for _, beat := range beats {
		if beat.Database != stamp.Database {
			return caching.OtherDeployment, "the beat is of another database"
		}
		if beat.Epoch != stamp.Epoch {
			return caching.NoBeat, "the beat is of another epoch than the database"
		}
	}
	return caching.OK, ""
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
