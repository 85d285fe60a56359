package telemetry_test

import (
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// A reading has the counts so far, and how long the answers since the last one took.
func TestRead(t *testing.T) {
	t.Parallel()
	m := telemetry.NewAPI()
	none := m.Read(telemetry.Reading{})
	if none.Requests != 0 || none.P50 != 0 || none.P99 != 0 || len(none.Bypasses) != 0 {
		t.Errorf("before the first answer: %+v", none.Process)
	}
	for range 100 {
		m.Answered(telemetry.ListRoute, 200, telemetry.FromView, 3*time.Second)
	}
	first := m.Read(none)
	if first.P50 < 2.5 || first.P50 > 5 {
		t.Errorf("p50 %v of answers of 3 s", first.P50)
	}
	for range 98 {
		m.Answered(telemetry.ListRoute, 200, telemetry.FromView, 200*time.Microsecond)
	}
	for range 2 {
		m.Answered(telemetry.ListRoute, 503, telemetry.FromView, time.Hour)
	}
	m.Cache(telemetry.L1, telemetry.Hit).Add(7)
	m.Cache(telemetry.View, telemetry.Miss).Add(5)
	m.Bypass(cachestate.NoBeat).Add(3)
	m.DatabaseReads.Add(2)
	second := m.Read(first)
	if second.Requests != 200 || second.P50 < 0.0001 || second.P50 > 0.00025 || second.P99 != 10 {
		t.Errorf("%d requests, p50 %v, p99 %v", second.Requests, second.P50, second.P99)
	}
	if second.Levels["l1"] != (activity.Counts{Hits: 7}) || second.Levels["view"] != (activity.Counts{Misses: 5}) ||
		second.Bypasses["no-beat"] != 3 || second.Reads != 2 {
		t.Errorf("%+v", second.Process)
	}
	for _, level := range activity.Levels {
		if _, ok := second.Levels[level]; !ok {
			t.Errorf("no %s", level)
		}
	}
}

func TestDelays(t *testing.T) {
	t.Parallel()
	m := telemetry.NewInvalidator()
	m.Purged(5 * time.Second)
	before := m.ReadDelays()
	if got := before.Since(before, 0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
	for range 100 {
		m.Purged(300 * time.Microsecond)
	}
	now := m.ReadDelays()
	if p50 := now.Since(before, 0.5); now.Count != 101 || p50 < 0.00025 || p50 > 0.0005 {
		t.Errorf("%d, median %v", now.Count, p50)
	}
	if all := now.Since(telemetry.Delays{}, 0.999); all < 2.5 || all > 5 {
		t.Errorf("since the start: %v", all)
	}
}
