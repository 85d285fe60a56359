package rediscache

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// call is one call of a script on one partition.
type call struct {
	partition int
	cmd       *redis.Cmd
	rdb       *redis.Client // of the server that it has been sent to
}

// newCall returns a call of a script by its hash.
func newCall(ctx context.Context, p int, s script, keys []string, args []any) call {
	words := make([]any, 0, 3+len(keys)+len(args))
	words = append(words, "evalsha", s.Hash(), len(keys))
	for _, key := range keys {
		words = append(words, key)
	}
	cmd := redis.NewCmd(ctx, append(words, args...)...)
	cmd.SetFirstKeyPos(3)
	return call{partition: p, cmd: cmd}
}

// send sends calls, those to each server in their order and in one round trip. Each has its
// answer or an error then. ping sends a PING in front.
func (d *Purger) send(ctx context.Context, calls []call, ping bool) {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	if d.servers.one != nil {
		for i := range calls {
			calls[i].rdb = d.servers.one
		}
		d.sendTo(ctx, d.servers.one, calls, ping)
		return
	}
	type part struct {
		rdb   *redis.Client
		calls []call
	}
	var parts []part
	for n := range calls {
		c := &calls[n]
		rdb, err := d.servers.of(ctx, c.partition)
		if err != nil {
			c.cmd.SetErr(err)
			continue
		}
		c.rdb = rdb
		i := 0
		for i < len(parts) && parts[i].rdb != rdb {
			i++
		}
		if i == len(parts) {
			parts = append(parts, part{rdb: rdb})
		}
		parts[i].calls = append(parts[i].calls, *c)
	}
	_ = atOnce(parts, func(p part) error { d.sendTo(ctx, p.rdb, p.calls, ping); return nil })
}

// sendTo sends calls to one server. One that has become the master of late, or has been
// restarted, does not know the scripts and has executed nothing: they are loaded, and what
// was not executed is sent again, in its order.
func (d *Purger) sendTo(ctx context.Context, rdb *redis.Client, calls []call, ping bool) {
	pipe := rdb.Pipeline()
	if ping {
		pipe.Ping(ctx)
	}
	for _, c := range calls {
		_ = pipe.Process(ctx, c.cmd)
	}
	exec(ctx, pipe)
	var unknown []call
	for _, c := range calls {
		if redis.HasErrorPrefix(c.cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) == 0 || d.load(ctx, rdb) != nil {
		return
	}
	pipe = rdb.Pipeline()
	for _, c := range unknown {
		c.cmd.SetErr(nil)
		_ = pipe.Process(ctx, c.cmd)
	}
	exec(ctx, pipe)
}

// exec sends a pipeline. Each command has its answer or an error then: where there was no
// connection, go-redis may tell Exec alone.
func exec(ctx context.Context, pipe redis.Pipeliner) []redis.Cmder {
	cmds, err := pipe.Exec(ctx)
	told := err == nil
	for _, cmd := range cmds {
		told = told || cmd.Err() != nil
	}
	if !told {
		for _, cmd := range cmds {
			cmd.SetErr(err)
		}
	}
	return cmds
}

// load makes a server know the scripts that are sent by their hash. The purge comes first: where a
// pipeline finds registrations known and the purge in front of it not, since another process is just
// loading them, registrations would be refused as of a Redis that has lost something.
func (d *Purger) load(ctx context.Context, rdb *redis.Client) error {
	c := d.scripts
	return load(ctx, rdb, c.purge, c.registrations, c.cleanup, c.beat, c.readAhead)
}
