package invalidate

import (
	"testing"
	"time"
)

// Told to stop between two purges of one edit, an invalidator stores nothing: the position is ahead of
// what has been purged. (There is no connection here to store anything by.)
func TestNothingIsStoredAtTheEndWhileSomethingIsLeft(t *testing.T) {
	t.Parallel()
	l := &leadership{Invalidator: &Invalidator{Config: Config{Bound: time.Minute}}, pending: []uint64{17}, remaining: []string{"properties?city=FOLSOM"}}
	l.saveOnExit(t.Context())
	if len(l.pending) != 1 {
		t.Error("the transaction counts as done")
	}
}
