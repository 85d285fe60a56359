package dashboard

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// processorTime is what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// What one change costs that is shown with all the queries it may name, and what all the panels
// cost that are rendered once a second.
func BenchmarkShown(b *testing.B) {
	change := activity.Change{At: time.Now(), Table: "properties", Kind: "update", Columns: []string{"price"}, Purged: 100, Spared: 99_900}
	for i := range activity.MostPurged + activity.MostSpared {
		change.Queries = append(change.Queries, activity.Query{Query: fmt.Sprintf("properties?city=FOLSOM&min_price=%d&sort=price", i), Purged: i < activity.MostPurged, Why: "the row is on the page, which depends on price"})
	}
	data, err := json.Marshal(change)
	if err != nil {
		b.Fatal(err)
	}
	event := fmt.Appendf(nil, "event: change\nid: 1\ndata: %s\n\n", data)
	board := newBoard(Config{Report: func() invalidate.Report { return invalidate.Report{} }, Metrics: telemetry.NewInvalidator(), Stream: &activity.Stream{}})
	b.Run("change", func(b *testing.B) {
		began := processorTime(b)
		for b.Loop() {
			board.show(event)
		}
		b.ReportMetric(float64((processorTime(b)-began).Microseconds())/float64(b.N), "µs-processor/op")
	})
	samples := make([]sample, kept)
	for i := range samples {
		samples[i] = sample{at: time.Unix(int64(i), 0), delays: board.Metrics.ReadDelays(), processes: []activity.Process{{ID: "1", At: time.Unix(int64(i), 0)}, {ID: "2", At: time.Unix(int64(i), 0)}}}
	}
	b.Run("panels", func(b *testing.B) {
		began := processorTime(b)
		for b.Loop() {
			shown := board.state(samples)
			for _, name := range panels {
				render(name, shown)
			}
		}
		b.ReportMetric(float64((processorTime(b)-began).Microseconds())/float64(b.N), "µs-processor/op")
	})
}
