package activity_test

import (
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
)

func TestBetween(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_000_000, 0)
	row := func(id string, at time.Time, requests uint64, hits, misses uint64, p50 float64) activity.Process {
		return activity.Process{
			ID: id, Started: at.Add(-time.Hour), At: at, Caching: true, Requests: requests, P50: p50, P99: 2 * p50, Reads: misses,
			Levels:   map[string]activity.Counts{"l1": {Hits: hits, Misses: misses}},
			Bypasses: map[string]uint64{"no-beat": requests / 100},
			MostRead: []activity.Reads{{Query: "x", Rate: 1}, {Query: id, Rate: 1.5}},
		}
	}
	before := []activity.Process{row("a", at, 1000, 500, 500, 0.1), row("gone", at, 9000, 1, 1, 9)}
	after := []activity.Process{
		row("a", at.Add(2*time.Second), 1200, 650, 550, 0.2),
		row("b", at.Add(time.Second), 100, 75, 25, 0.4),
		row("idle", at.Add(time.Second), 0, 0, 0, 0),
	}
	got := activity.Between(before, after)
	if l := got.Levels["l1"]; l.Hits != 150+75 || l.Misses != 50+25 || l.HitRatio() != 0.75 {
		t.Errorf("l1: %+v", l)
	}
	if got.Requests != 300 || got.Reads != 75 || got.Processes != 3 || got.Caching != 3 || got.Bypasses["no-beat"] != 3 ||
		got.P50 != 0.4 || got.P99 != 0.8 {
		t.Errorf("%+v", got)
	}
	if most := got.MostRead; len(most) != 4 || most[0] != (activity.Reads{Query: "x", Rate: 3}) || most[1].Query != "a" {
		t.Errorf("read most: %+v", most)
	}
	if empty := activity.Between(nil, nil); empty.Requests != 0 || empty.Levels["l1"].HitRatio() != 0 {
		t.Errorf("of nothing: %+v", empty)
	}
}
