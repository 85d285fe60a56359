package coherence

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// Scenario 26: random edits, reads on several API processes, and one fault after
// the other; every answer is held against the history of the database.
//
// COHERENCE_TIME says for how long (20s), COHERENCE_BOUND sets the bound (500ms),
// COHERENCE_PAUSE how long each reader waits between requests (1ms), and
// COHERENCE_FAULTS=off leaves the faults out.
func TestCoherence(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(seed(), 0))
	r := newRig(t, options{bound: fromEnv(t, "COHERENCE_BOUND", 500*time.Millisecond), apis: 2, invalidators: 2})
	r.journal.truncates = true
	r.work(3, 3, fromEnv(t, "COHERENCE_PAUSE", time.Millisecond))
	end := r.journal.history.now() + instant(fromEnv(t, "COHERENCE_TIME", 20*time.Second))
	done := map[string]int{}
	for r.journal.history.now() < end {
		r.until(r.journal.history.now() + instant(2*r.bound))
		if os.Getenv("COHERENCE_FAULTS") == "off" {
			continue
		}
		f := faults[random.IntN(len(faults))]
		r.census.window(true)
		f.do(r, random)
		back := r.awaitHit(patience)
		r.until(r.journal.history.now() + instant(r.bound))
		r.census.window(false)
		done[f.name]++
		if testing.Verbose() {
			t.Logf("%v %s: in use again after %v", time.Duration(r.journal.history.now()).Round(time.Second), f.name, back.Round(time.Millisecond))
		}
		if r.census.stale() > 0 {
			t.Errorf("after: %s", f.name)
			break
		}
	}
	t.Logf("faults: %v", done)
}

func fromEnv(t *testing.T, name string, usual time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(fmt.Errorf("read %s: %w", name, err))
	}
	return d
}
