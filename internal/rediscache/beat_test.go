package rediscache_test

import (
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// setBeat puts a beat where the daemon's would be.
func (w *world) setBeat(change func(*rediscache.Beat)) {
	w.Helper()
	w.beat()
	text, err := w.rdb.Get(w.ctx, w.space.Beat(0)).Result()
	w.must(err)
	beat, err := rediscache.ParseBeat(text)
	w.must(err)
	change(&beat)
	w.must(w.rdb.Set(w.ctx, w.space.Beat(0), beat.Encode(), 0).Err())
}

// readers are all that read a beat; each tells whether it took it for one.
func (w *world) readers() map[string]func() bool {
	return map[string]func() bool{
		"look": func() bool {
			result, err := w.reader.Lookup(w.ctx, "json", query)
			w.must(err)
			return result.Beat != nil && result.View != nil
		},
		"acquire": func() bool {
			_, stored, err := w.reader.Acquire(w.ctx, query)
			w.must(err)
			return stored != nil
		},
		"audit": func() bool {
			held, err := rediscache.NewAuditor(w.rdb, w.space).Read(w.ctx, query)
			w.must(err)
			return held.Beat != nil
		},
		"inspect": func() bool {
			state, err := rediscache.Inspect(w.ctx, w.rdb, w.space)
			w.must(err)
			return state.Partitions[0].Beat != nil
		},
		"beats": func() bool {
			beats, _ := w.reader.BeatReader().Beats(w.ctx)
			return len(beats) > 0
		},
	}
}

// A beat counts only from its noted time to its end by the clock of the same exchange,
// whoever put it there and whatever life its key was given: MIGRATE and RESTORE give one.
func TestABeatCountsBetweenItsTimesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	for name, c := range map[string]struct {
		change func(*rediscache.Beat)
		counts bool
	}{
		"as published":    {func(*rediscache.Beat) {}, true},
		"past its end":    {func(b *rediscache.Beat) { b.Noted -= bound.Microseconds() }, false},
		"from the future": {func(b *rediscache.Beat) { b.Noted += time.Minute.Microseconds() }, false},
	} {
		w.setBeat(c.change)
		for reader, counts := range w.readers() {
			if got := counts(); got != c.counts {
				t.Errorf("%s: %s takes it for a proof: %t, want %t", name, reader, got, c.counts)
			}
		}
	}
}

// A copy of the beat that RESTORE has given another life ends with the original.
func TestARestoredBeatEndsInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	w.setBeat(func(b *rediscache.Beat) { b.Noted -= bound.Microseconds() })
	dump, err := w.rdb.Dump(w.ctx, w.space.Beat(0)).Result()
	w.must(err)
	w.must(w.rdb.RestoreReplace(w.ctx, w.space.Beat(0), time.Hour, dump).Err())
	for reader, counts := range w.readers() {
		if counts() {
			t.Errorf("%s takes it for a proof", reader)
		}
	}
}

// The beat cannot be evicted: it has no TTL, also where one with a TTL was before it.
func TestABeatHasNoTTL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.beat()
	w.must(w.rdb.Expire(w.ctx, w.space.Beat(0), time.Minute).Err())
	w.beat()
	if ttl, err := w.rdb.PTTL(w.ctx, w.space.Beat(0)).Result(); err != nil || ttl != -1 {
		t.Errorf("the beat has a life of %v (%v)", ttl, err)
	}
}

// A beat from the future, which a clock that was set back has left, is replaced: it
// counts for nobody, and would stand in the way for as long as the step was.
func TestABeatFromTheFutureIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(query, "x")
	w.setBeat(func(b *rediscache.Beat) { b.Noted += time.Hour.Microseconds() })
	w.beat()
	w.wantBody(query, "x")
}

func TestParseBeat(t *testing.T) {
	t.Parallel()
	beat := rediscache.Beat{
		Noted: 1_700_000_000_000_000, Bound: time.Second, Epoch: strings.Repeat("a", 32), Server: "1700000000.5",
		Database: "7500000000000000000/16384", Partitions: 16, Generation: strings.Repeat("b", 32), Applied: "10:20:12,15",
	}
	if back, err := rediscache.ParseBeat(beat.Encode()); err != nil || back != beat {
		t.Errorf("%q is read as %+v (%v)", beat.Encode(), back, err)
	}
	for _, text := range []string{
		"", "beat3", beat.Encode() + " more", beat.Encode()[1:], strings.Replace(beat.Encode(), " 16 ", " x ", 1),
		strings.Replace(beat.Encode(), strings.Repeat("a", 32), "a", 1), strings.Replace(beat.Encode(), strings.Repeat("b", 32), "b", 1),
		strings.Repeat("a", 32) + " 1700000000000000 1700000001000000 10:20:12,15", // as version 1 wrote it
	} {
		if b, err := rediscache.ParseBeat(text); err == nil {
			t.Errorf("%q is taken for %+v", text, b)
		}
	}
}
