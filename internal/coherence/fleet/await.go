package fleet

import (
	"testing"
	"time"
)

// patience is how long Await waits: it is reached only by what never happens.
const patience = time.Minute

// Await waits until cond holds, asking every few milliseconds.
func Await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	Within(t, patience, what, cond)
}

// Within waits until cond holds, and fails the test if that takes longer than
// limit. It returns how long it took.
func Within(t testing.TB, limit time.Duration, what string, cond func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Since(began) > limit {
			t.Fatalf("no end of waiting for this after %v: %s", limit, what)
		}
		<-tick.C
	}
	return time.Since(began)
}

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
