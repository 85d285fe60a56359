package coherence

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Scenario 26: random edits, reads on several API processes, and one fault after
// the other; every answer is held against the history of the database.
//
// COHERENCE_TIME says for how long (20s), COHERENCE_BOUND sets the bound (500ms),
// COHERENCE_READERS how many read at a time (3), COHERENCE_PAUSE how long each of them
// waits between requests (1ms). COHERENCE_FAULTS says which faults there are: off for
// none, or parts of their names with commas between. Each comes once, in any order,
// before any comes again; those that take long, and are not named, only in a run of two
// minutes or more.
func TestCoherence(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(seed(), 0))
	lasts := fromEnv(t, "COHERENCE_TIME", 20*time.Second, time.ParseDuration)
	o := options{bound: fromEnv(t, "COHERENCE_BOUND", 500*time.Millisecond, time.ParseDuration), apis: 2, invalidators: 2}
	chosen := chooseFaults(t, os.Getenv("COHERENCE_FAULTS"), lasts >= 2*time.Minute)
	// Where transactions can be prepared, writers do not ring: sometimes it is so.
	if random.IntN(3) == 0 || len(chosen) > 0 && chosen[0].prepares {
		o.postgres = append(o.postgres, "max_prepared_transactions=5")
	} else {
		chosen = slices.DeleteFunc(chosen, func(f fault) bool { return f.prepares })
	}
	r := newRig(t, o)
	r.journal.truncates = true
	r.work(fromEnv(t, "COHERENCE_READERS", 3, strconv.Atoi), 3, fromEnv(t, "COHERENCE_PAUSE", time.Millisecond, time.ParseDuration))
	end := r.journal.history.now() + instant(lasts)
	done := map[string]int{}
	var deck []int
	for r.journal.history.now() < end {
		r.until(r.journal.history.now() + instant(2*r.bound))
		if len(chosen) == 0 {
			continue
		}
		if len(deck) == 0 {
			deck = random.Perm(len(chosen))
		}
		f := chosen[deck[0]]
		deck = deck[1:]
		r.tally.window(true)
		f.do(r, random)
		back := r.awaitHit(patience)
		r.until(r.journal.history.now() + instant(r.bound))
		r.tally.window(false)
		done[f.name]++
		if testing.Verbose() {
			t.Logf("%v %s: in use again after %v", time.Duration(r.journal.history.now()).Round(time.Second), f.name, back.Round(time.Millisecond))
		}
		if r.tally.stale() > 0 {
			t.Errorf("after: %s", f.name)
			break
		}
	}
	t.Logf("faults: %v", done)
}

// chooseFaults returns the faults that names says, all if it is empty, and the ones
// that take long only if they are named or long is true.
func chooseFaults(t *testing.T, names string, long bool) (chosen []fault) {
	t.Helper()
	if names == "off" {
		return nil
	}
	for _, f := range faults {
		named := slices.ContainsFunc(strings.Split(names, ","), func(name string) bool {
			return name != "" && strings.Contains(f.name, name)
		})
		if named || names == "" && (long || !f.long) {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 {
		t.Fatalf("COHERENCE_FAULTS=%s names no fault", names)
	}
	return chosen
}

func fromEnv[T any](t *testing.T, name string, usual T, parse func(string) (T, error)) T {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	v, err := parse(text)
	if err != nil {
		t.Fatal(fmt.Errorf("read %s: %w", name, err))
	}
	return v
}
