package rediscache

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// BeatReader reads the valid beats without a request at hand. A process uses it to learn its
// own state.
type BeatReader struct {
	servers servers
	probe   script
}

// NewBeatReader returns a BeatReader on the partitions of a deployment.
func NewBeatReader(rdb redis.UniversalClient, space rediskey.Space) *BeatReader {
	return &BeatReader{serversOf(rdb, space), plain("probe")}
}

// BeatReader returns a BeatReader on what the reader reads.
func (r *Reader) BeatReader() *BeatReader { return &BeatReader{r.servers, plain("probe")} }

// Beats returns the valid beats. If there is none, or a server would store nothing, or is not as
// it must be, the error is a cachestate.Fault.
func (w *BeatReader) Beats(ctx context.Context) ([]Beat, error) {
	found := make([]*Beat, w.servers.space.Partitions)
	err := w.servers.eachThatAnswers(ctx, func(ctx context.Context, at server) error { return w.read(ctx, at, found) })
	if err != nil {
		return nil, err
	}
	var beats []Beat
	for _, beat := range found {
		if beat != nil {
			beats = append(beats, *beat)
		}
	}
	if beats == nil {
		return nil, cachestate.Wrap(cachestate.NoBeat, errors.New("there is no beat in Redis"))
	}
	return beats, nil
}

// read reads the beats that one server holds.
func (w *BeatReader) read(ctx context.Context, at server, found []*Beat) error {
	if _, err := w.probe.run(ctx, at.rdb, nil); err != nil {
		return err
	}
	pipe := at.rdb.Pipeline()
	info := pipe.Info(ctx, "memory")
	reads := make([]*redis.SliceCmd, len(at.partitions))
	for i, p := range at.partitions {
		reads[i] = pipe.MGet(ctx, w.servers.space.Beat(p))
	}
	now := pipe.Time(ctx)
	exec(ctx, pipe)
	for _, err := range []error{info.Err(), now.Err()} {
		if err != nil {
			return failed("read the beats", err)
		}
	}
	if _, err := CheckPolicy(infoField(info.Val(), "maxmemory_policy")); err != nil {
		return err
	}
	for i, p := range at.partitions {
		switch err := reads[i].Err(); {
		case err == nil:
			found[p] = validBeat(reads[i].Val()[0], now.Val())
		case !isDown(failed("read the beats", err)):
			return failed("read the beats", err)
		}
	}
	return nil
}
