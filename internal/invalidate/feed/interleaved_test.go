package feed_test

import (
	"fmt"
	"testing"

	"github.com/freshlist/freshlist/internal/pgtest"
)

// The changes of all tables are read in one snapshot, which becomes the position: what a
// transaction has done to several tables comes at once or not at all, and nothing is passed over,
// however many commit meanwhile.
func TestChangesOfAllTablesAreOfOneSnapshot(t *testing.T) {
	t.Parallel()
	r := every(t)
	r.exec(`insert into "Every Type" ("Key", small) values ('a', 0); insert into by_uuid (id, name, price) values ('00000000-0000-0000-0000-000000000007', 'x', 0)`)
	r.drain()
	stop := pgtest.WriteOn(t, r.connect(r.db.Owner), func(n int) string {
		return fmt.Sprintf(`update "Every Type" set small = %[1]d; update by_uuid set price = %[1]d`, 1+n%1000)
	})
	found, drains := map[string]int{}, 0
	drain := func() {
		drains++
		of := map[string]int{}
		for _, c := range r.drain() {
			of[c.Table.Name]++
			found[c.Table.Name]++
		}
		if of["every"] != of["by-uuid"] {
			t.Errorf("drain %d found %d changes of the one table and %d of the other", drains, of["every"], of["by-uuid"])
		}
	}
	for (drains < 50 || found["every"] < 100) && !t.Failed() {
		drain()
	}
	commits := stop()
	drain()
	if found["every"] != commits || found["by-uuid"] != commits {
		t.Errorf("%d drains found %d and %d changes of %d commits", drains, found["every"], found["by-uuid"], commits)
	}
}
