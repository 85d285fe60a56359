package rediscache_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/rediscache"
)

// A snapshot covers another one if it sees each transaction that the other sees.
func TestCovers(t *testing.T) {
	t.Parallel()
	const most = 12
	snapshot := rapid.Custom(func(t *rapid.T) string {
		xmax := rapid.Uint64Range(1, most).Draw(t, "xmax")
		xmin, running := xmax, []string{}
		for xid := xmax - 1; xid >= 1; xid-- {
			if rapid.IntRange(0, 3).Draw(t, "running") == 0 {
				xmin, running = xid, append(running, fmt.Sprint(xid))
			}
		}
		slices.Reverse(running)
		return fmt.Sprintf("%d:%d:%s", xmin, xmax, strings.Join(running, ","))
	})
	rapid.Check(t, func(t *rapid.T) {
		applied, seen := rediscache.Beat{Applied: snapshot.Draw(t, "applied")}, snapshot.Draw(t, "seen")
		want := true
		for xid := uint64(1); xid <= most; xid++ {
			if (rediscache.Beat{Applied: seen}).Sees(xid) && !applied.Sees(xid) {
				want = false
			}
		}
		// A snapshot's highest transactions may all be running: then it is only as good as
		// one that ends below them, which Covers need not know.
		if got := applied.Covers(seen); got && !want || want && !got && !endsInRunning(seen) {
			t.Fatalf("%q covers %q: %v, want %v", applied.Applied, seen, got, want)
		}
	})
	for _, text := range []string{"", "10", "10:20", "10:x:", "10:20:x", "10:20:12,"} {
		if (rediscache.Beat{Applied: "10:30:"}).Covers(text) != (text == "10:20:12,") {
			t.Errorf("covers %q", text)
		}
		if text != "10:20:12," && (rediscache.Beat{Applied: text}).Covers("1:1:") {
			t.Errorf("%q covers something", text)
		}
	}
}

// endsInRunning reports whether the transaction below a snapshot's xmax is running.
func endsInRunning(snapshot string) bool {
	parts := strings.Split(snapshot, ":")
	running := strings.Split(parts[2], ",")
	var xmax, last uint64
	_, _ = fmt.Sscan(parts[1], &xmax)
	_, err := fmt.Sscan(running[len(running)-1], &last)
	return err == nil && last == xmax-1
}

func TestSampleAndWalk(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, partitions)
			w.limits.Live = 10000
			w.reader = rediscache.NewReader(w.rdb, w.space, build, w.limits)
			a := rediscache.NewAuditor(w.rdb, w.space)
			if drawn, err := a.Sample(w.ctx, 3, 0); err != nil || len(drawn) != 0 {
				t.Errorf("the sample of nothing is %v %v", drawn, err)
			}
			var all []string
			for i := range 1200 {
				all = append(all, fmt.Sprintf("properties/%d", i))
				w.acquire(all[i])
			}
			for _, n := range []int{1, 50, 1200, 1300} {
				drawn, err := a.Sample(w.ctx, n, 1)
				w.must(err)
				slices.Sort(drawn)
				if drawn = slices.Compact(drawn); len(drawn) != min(n, len(all)) {
					t.Errorf("a sample of %d has %d different queries", n, len(drawn))
				}
			}
			turns := map[int]bool{}
			for turn := range partitions {
				drawn, err := a.Sample(w.ctx, 1, turn)
				w.must(err)
				turns[w.space.Partition(drawn[0])] = true
			}
			if len(turns) != partitions {
				t.Errorf("samples of one come from %v, want each partition in turn", turns)
			}

			times := map[string]int{}
			w.must(a.Walk(w.ctx, func(queries []string) error {
				for _, q := range queries {
					times[q]++
				}
				w.acquire(fmt.Sprintf("properties/%d", 5000+len(times))) // must not keep the walk going
				return nil
			}))
			for _, q := range all {
				if times[q] != 1 {
					t.Fatalf("the walk has come to %s %d times, want once", q, times[q])
				}
			}
		})
	}
}
