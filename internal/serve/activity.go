package serve

import (
	"context"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// activityEvery is how often the process writes its row of counters. One takes about 0.1 ms, most
// of it waiting.
const activityEvery = time.Second

// ShowActivity writes what this process has counted, for commands and the dashboard, until ctx is
// done. self says which process it is. Whether write succeeds matters to nobody else: that Redis is
// down is said elsewhere.
func (s *Server) ShowActivity(ctx context.Context, self activity.Process, write func(context.Context, activity.Process) error) {
	tick := time.NewTicker(activityEvery)
	defer tick.Stop()
	for before := (telemetry.Reading{}); ctx.Err() == nil; {
		now := s.Metrics.Read(before)
		row, present := now.Process, s.State.Present()
		row.ID, row.Host, row.PID, row.Address, row.Version, row.Started = self.ID, self.Host, self.PID, self.Address, self.Version, self.Started
		row.At, row.Caching, row.Reason = time.Now(), present.Reason == cachestate.OK, present.Reason.String()
		row.MostRead = s.mostRead(now.Requests - before.Requests)
		_ = write(ctx, row)
		before = now
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// mostRead returns which queries are read most. requests is how many there have been since the
// call before.
func (s *Server) mostRead(requests uint64) []activity.Reads {
	site := s.Site()
	return s.popular.Read(requests, func(address string) string {
		q, _, err := site.ParseAddress(address)
		if err != nil {
			return ""
		}
		return q.String()
	})
}
