// Package rediscache is the cache in Redis: the layout of its values, and the Lua scripts
// that change them. The API uses the Reader, the invalidator the Purger. The two programs
// share nothing else.
//
// The scripts keep these true, in whatever order they are called:
//
//   - A value is stored only under a lease that was taken before its rows were
//     read, in one epoch throughout, and that no purge has removed since.
//   - A query is in `live` from before its read until it has no value left. Its
//     window is that of its value, or wide.
//   - A beat is published only while (term, epoch, seq) are those of the one
//     purger that has applied everything visible at the beat's noted time.
//
// So a value and a beat of the same epoch, read by one MGET, prove that the value is right
// as of the beat's noted time. See docs/guarantee.md for the argument.
package rediscache

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
)

// What a script can answer other than OK. Redis' own failures are returned as
// they come, wrapped.
var (
	// ErrNoFence: no invalidator has set this partition up; nothing may be cached.
	ErrNoFence = errors.New("no fence in Redis")
	// ErrHeld: somebody else holds the lease of the query.
	ErrHeld = errors.New("the lease is held")
	// ErrFull: LIVE_MAX queries are live; this one is answered but not stored.
	ErrFull = errors.New("as many live queries as are allowed")
	// ErrLeaseLost: a purge removed the lease before the fill, or it expired.
	ErrLeaseLost = errors.New("the lease is gone")
	// ErrEpoch: lease, database and fence are not of the same epoch.
	ErrEpoch = errors.New("another epoch has begun")
	// ErrFenced: another invalidator leads; the caller must stop.
	ErrFenced = errors.New("another invalidator leads")
	// ErrStateLost: Redis does not hold what this invalidator wrote last; a new epoch is due.
	ErrStateLost = errors.New("redis is not in the state it was left in")
	// ErrOtherDatabase: the invalidator of another database publishes beats under the same names.
	ErrOtherDatabase = errors.New("a living beat in Redis is of another database; give each deployment a REDIS_PREFIX of its own")
	// ErrLate: the beat's noted time is older than the bound or than the present beat.
	ErrLate = errors.New("the beat came too late")
	// ErrFuture: the beat's noted time is ahead of Redis' clock.
	ErrFuture = errors.New("the beat's time is ahead of the clock of Redis")
)

var answers = map[string]error{
	"NOFENCE": ErrNoFence, "HELD": ErrHeld, "FULL": ErrFull, "NOLEASE": ErrLeaseLost, "EPOCH": ErrEpoch,
	"FENCED": ErrFenced, "LOST": ErrStateLost, "LATE": ErrLate, "FUTURE": ErrFuture,
}

//go:embed scripts/*.lua
var sources embed.FS

// script is one Lua script with the name it is known by.
type script struct {
	name string
	*redis.Script
}

// source returns the text of scripts/<name>.lua.
func source(name string) string {
	b, err := sources.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic("rediscache: " + err.Error()) // the file is embedded or the build is broken
	}
	return string(b)
}

// plain returns a script as its file has it.
func plain(name string) script {
	return script{name, redis.NewScript(source(name))}
}

// checked returns a script of the Purger: check.lua goes in front of it. It may
// run when Redis is over maxmemory, or a full Redis could never be used again.
func checked(name string) script {
	return script{name, redis.NewScript("#!lua flags=allow-oom\n" + source("check") + source(name))}
}

// answer turns what a script returned into its values, or into its error.
func (s script) answer(cmd *redis.Cmd) ([]any, error) {
	values, err := cmd.Slice()
	switch {
	case isWrongType(err):
		return nil, fmt.Errorf("run script %s: %w: %w", s.name, ErrStateLost, err)
	case err != nil:
		return nil, failed("run script "+s.name, err)
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("run script %s: it answered nothing", s.name)
	}
	word, _ := values[0].(string)
	if word == "OK" {
		return values[1:], nil
	}
	if err, known := answers[word]; known {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return nil, fmt.Errorf("run script %s: it answered %q", s.name, word)
}

// isWrongType reports whether Redis refused because a key of ours holds something that none of
// our scripts writes: somebody else has put it there.
func isWrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }

// failed wraps an error of Redis, or of the way to it, with what was being done and with
// the reason for which nothing is cached then.
func failed(doing string, err error) error {
	reason := cachestate.RedisDown
	if m := misfit(err); m != nil {
		err = m
	}
	switch {
	case redis.HasErrorPrefix(err, "OOM"):
		reason = cachestate.RedisFull
	case redis.HasErrorPrefix(err, "NOPERM"):
		reason = cachestate.NoRights
	}
	return cachestate.Wrap(reason, fmt.Errorf("%s: %w", doing, err))
}

// run calls the script by its hash, loading it if Redis does not know it.
func (s script) run(ctx context.Context, c redis.Scripter, keys []string, args ...any) ([]any, error) {
	return s.answer(s.Run(ctx, c, keys, args...))
}

// load makes Redis know the scripts, so that they can be sent by hash inside a
// pipeline, where a miss could not be mended.
func load(ctx context.Context, c redis.Scripter, scripts ...script) error {
	for _, s := range scripts {
		if err := s.Load(ctx, c).Err(); err != nil {
			return failed("load script "+s.name, err)
		}
	}
	return nil
}
