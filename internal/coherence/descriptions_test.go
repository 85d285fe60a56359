package coherence

import (
	"testing"
	"time"
)

// Other descriptions are installed while readers and writers are at work and two API processes serve: lists
// come to show another column, one that nothing captured before, and a table more; a filter goes, and with it
// the rows of one table inside another, and the default order is another one. No process is started again, no
// request fails, and no answer is older than B, of rows or of the description.
func TestDescriptionsUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{bound: 500 * time.Millisecond, apis: 2, invalidators: 1})
	r.work(3, 3, time.Millisecond)
	for _, variant := range []int{more, less, usual} {
		r.describe(variant)
		r.awaitHit(patience)
		r.until(r.journal.history.now() + instant(r.bound))
	}
}
