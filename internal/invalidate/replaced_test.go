package invalidate_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// A standby is promoted, and its old primary lives on, with an invalidator of its own. Once the promoted server's
// invalidator has led, the old one never leads again, however often it tries.
func TestAReplacedPrimaryNeverLeads(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	d := deployment.New(t, deployment.Options{Bound: 400 * time.Millisecond, Postgres: primary})
	standby := primary.Standby(t)
	old := d.Invalidate()
	timeline := func() (timeline int64, of string) {
		fence, err := d.Redis.HMGet(t.Context(), d.Space.Fence(0), "term", "origin").Result()
		d.Must(err)
		text, _ := fence[0].(string)
		term, err := strconv.ParseInt(text, 10, 64)
		d.Must(err)
		of, _ = fence[1].(string)
		return term >> 32, of
	}
	if n, _ := timeline(); n != 1 {
		t.Errorf("the first term is of timeline %d, want 1", n)
	}
	standby.Promote(t)
	promoted := invalidate.New(invalidate.Config{
		DatabaseURL: standby.At(t, d.Database).Invalidator, Redis: d.Client(time.Second), Space: d.Space, Bound: d.Bound,
		Log: slog.New(slog.NewTextHandler(d.Output(), nil)), Metrics: telemetry.NewInvalidator(),
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = promoted.Run(ctx) // it returns nil when ctx is done
	}()
	defer func() {
		cancel()
		<-done
	}()
	d.Await("a beat of the promoted server", func() bool {
		beat := d.Beat(0)
		return promoted.Metrics.Beats.Value() > 0 && beat != nil && beat.Epoch == promoted.Report().Epoch
	})
	n, of := timeline()
	if n != 2 {
		t.Errorf("the term after the promotion is of timeline %d, want 2", n)
	}
	fenced := old.Metrics.Fenced.Value()
	d.Await("the old one to try twice", func() bool { return old.Metrics.Fenced.Value() >= fenced+3 })
	if again, now := timeline(); again != n || now != of {
		t.Errorf("the fence is of timeline %d and %s, was of %d and %s", again, now, n, of)
	}
}
