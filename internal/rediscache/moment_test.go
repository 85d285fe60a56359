package rediscache_test

import (
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// A moment is made by one at a time, found by others of the same origin and build, and ends B after
// the time that was noted before it was made.
func TestMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	get := func(r *rediscache.Reader, origin string, bound time.Duration) *rediscache.Moment {
		t.Helper()
		m, err := r.Moment(w.ctx, "json", query, origin, bound)
		w.must(err)
		return m
	}
	m := get(w.reader, "here", time.Minute)
	if m.View != nil {
		t.Fatal("a moment that nobody has made")
	}
	w.want(second(w.reader.Moment(w.ctx, "json", query, "here", time.Minute)), rediscache.ErrHeld)
	w.must(w.reader.KeepMoment(w.ctx, m, rediscache.View{Status: 200, ETag: tag, Body: "x", Gzip: "zip"}))
	found := get(w.reader, "here", time.Minute)
	if found.View == nil || found.View.Body != "x" || found.View.Gzip != "zip" || found.Age < 0 || found.Age >= time.Minute {
		t.Fatalf("found %+v", found)
	}

	if m = get(w.reader, "elsewhere", time.Minute); m.View != nil {
		t.Errorf("a moment of another origin: %+v", m)
	}
	w.must(w.reader.LeaveMoment(w.ctx, m))
	if m = get(rediscache.NewReader(w.rdb, w.space, "another-build-0x", w.limits), "here", time.Minute); m.View != nil {
		t.Errorf("a moment of another build: %+v", m)
	}
	w.must(w.reader.LeaveMoment(w.ctx, m))

	// Its end is that of its noted time, not of its key. A clock that was set back proves nothing.
	key := w.space.Moment("json", query)
	value := w.rdb.Get(w.ctx, key).Val()
	const noted = 4 + 16 + 1 + 32 + 1
	for digit, when := range map[string]string{"0": "past its end", "9": "of the future"} {
		moved := value[:noted] + strings.Replace(value[noted:], "1", digit, 1) // microseconds since 1970
		w.must(w.rdb.Set(w.ctx, key, moved, 0).Err())
		if m = get(w.reader, "here", time.Minute); m.View != nil {
			t.Errorf("a moment %s: %+v", when, m)
		}
		w.must(w.reader.LeaveMoment(w.ctx, m))
	}
}

// Whose right has ended, or was taken away since somebody has asked for the query's removal, leaves
// no moment.
func TestAMomentOfNoRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	view := rediscache.View{Status: 200, ETag: tag, Body: "x"}
	begin := func() *rediscache.Moment {
		t.Helper()
		m, err := w.reader.Moment(w.ctx, "json", query, "here", time.Minute)
		w.must(err)
		if m.View != nil {
			t.Fatalf("a moment that nobody has made: %+v", m)
		}
		return m
	}
	late := begin()
	w.must(w.rdb.Del(w.ctx, w.space.MomentLease("json", query)).Err())
	next := begin()
	w.want(w.reader.KeepMoment(w.ctx, late, view), rediscache.ErrLeaseLost)
	w.must(w.reader.LeaveMoment(w.ctx, next))

	remover := rediscache.NewRemover(w.rdb, w.space)
	under := begin()
	w.must(second(remover.Remove(w.ctx, query)))
	w.want(w.reader.KeepMoment(w.ctx, under, view), rediscache.ErrLeaseLost)
	w.must(w.reader.KeepMoment(w.ctx, begin(), view))
	if n, err := remover.Remove(w.ctx, query); err != nil || n != 1 {
		t.Errorf("removed %d, %v", n, err)
	}
	w.must(w.reader.LeaveMoment(w.ctx, begin()))
}
