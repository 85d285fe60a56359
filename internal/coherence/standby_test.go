package coherence

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// API processes read a standby, whose replay is held up at random, while transactions stay open, some commit
// without waiting for the disk, and in the end the standby is promoted beside the primary.
//
// COHERENCE_TIME says for how long (3s: what is looked for is a matter of luck), COHERENCE_HOLD how long replay
// is held up at most (3s, or a third of the whole).
func TestStandbyReads(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(seed(), 0))
	lasts := fromEnv(t, "COHERENCE_TIME", 3*time.Second, time.ParseDuration)
	hold := fromEnv(t, "COHERENCE_HOLD", min(3*time.Second, lasts/3), time.ParseDuration)
	r := newRig(t, options{bound: fromEnv(t, "COHERENCE_BOUND", 500*time.Millisecond, time.ParseDuration), apis: 2, invalidators: 2, standby: true})
	replay, err := pgx.Connect(t.Context(), r.standby.At(t, r.database).Superuser)
	r.check(err)
	defer replay.Close(context.Background())
	open := r.connect()
	defer open.Close(context.Background())
	_, err = open.Exec(t.Context(), "begin; select pg_current_xact_id()")
	r.check(err)
	r.work(3, 3, time.Millisecond)
	for end := r.journal.history.now() + instant(lasts); r.journal.history.now() < end && r.tally.stale() == 0; {
		_, err := replay.Exec(t.Context(), "select pg_wal_replay_pause()")
		r.check(err)
		r.until(r.journal.history.now() + instant(random.Int64N(int64(hold))))
		_, err = replay.Exec(t.Context(), "select pg_wal_replay_resume()")
		r.check(err)
		r.until(r.journal.history.now() + instant(random.Int64N(int64(hold))))
	}
	for _, result := range []string{"used", "behind"} {
		reads := 0.0
		for _, api := range r.apis {
			reads += api.Metric(`freshlist_standby_reads_total{result="` + result + `"}`)
		}
		if t.Logf("reads of the standby that were %s: %.0f", result, reads); reads == 0 {
			t.Errorf("no read of the standby was %s", result)
		}
	}
	r.standby.Promote(t)
	r.until(r.journal.history.now() + instant(r.bound))
}
