package rediscache_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// recorder keeps the words of every command that a client sends.
type recorder struct {
	sync.Mutex
	sent [][]any
}

func (r *recorder) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *recorder) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.keep(cmd)
		return next(ctx, cmd)
	}
}

func (r *recorder) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.keep(cmds...)
		return next(ctx, cmds)
	}
}

func (r *recorder) keep(cmds ...redis.Cmder) {
	r.Lock()
	defer r.Unlock()
	for _, cmd := range cmds {
		r.sent = append(r.sent, cmd.Args())
	}
}

// A view and the beat that proves it are read by one command: read one after the other,
// Redis may go back between the two, and either order pairs what does not belong together.
func TestViewAndBeatAreOneRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.store(query, "x")
	w.beat()
	var sent recorder
	w.rdb.AddHook(&sent)
	w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
	w.wantBody(query, "x")
	view, beat := w.space.View("json", query), w.space.Beat(w.space.Partition(query))
	var reads [][]any
	for _, words := range sent.sent {
		if slices.Contains(words, any(view)) || slices.Contains(words, any(beat)) {
			reads = append(reads, words)
		}
	}
	if len(reads) != 1 || !slices.Contains(reads[0], any(view)) || !slices.Contains(reads[0], any(beat)) {
		t.Errorf("view and beat are read by %v, want one command for both", reads)
	}
}
