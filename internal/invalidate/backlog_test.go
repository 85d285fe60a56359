package invalidate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// A round that meets more than one drain reads goes on, and ends in a beat. Else none is due
// for a minute.
func TestLargeBatchEndsInABeat(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: 5 * time.Minute})
	i := d.Invalidate()
	listings(d, "FOLSOM", 1, 3001)
	fill(d, []string{galt})
	for range 2 {
		fill(d, []string{folsom})
		before := i.Metrics.Beats.Value()
		token := d.Exec(`
			update properties set price = price + 1 where city = 'FOLSOM';
			update properties set price = price + 1 where city = 'FOLSOM'`)
		d.Await("a beat", func() bool { return i.Metrics.Beats.Value() > before })
		d.AwaitApplied(token)
		if n := present(d, []string{folsom}); n != 0 {
			t.Errorf("%s is still there", folsom)
		}
		if n := present(d, []string{galt}); n != 1 {
			t.Errorf("%s is gone", galt)
		}
	}
	if term(d) != firstTerm {
		t.Errorf("term %d, want the first", term(d))
	}
}

// Queries that a round has still to purge, when more comes than one drain reads, are purged.
func TestBacklogWithinARound(t *testing.T) {
	t.Parallel()
	const each = 300
	d := deployment.New(t, deployment.Options{Bound: 20 * time.Second})
	i, hold, stop := startHeld(d)
	defer stop()
	listings(d, "FOLSOM", 1, 1)
	many := views("properties?city=FOLSOM&max_price=%d00000", each)
	fill(d, many)
	d.Await("all queries to be known", func() bool { return i.Report().Live == each })
	hold.arm(func(queries int) bool { return queries > 0 && queries < each })
	d.Exec("update properties set price = price + 1 where id = 1")
	hold.await(d)
	last := d.Exec(fmt.Sprintf(galtRows, 12_000))
	hold.open()
	d.AwaitApplied(last)
	if n := present(d, many); n != 0 {
		t.Errorf("%d of %d queries are still there", n, each)
	}
}

// galtRows stands for as many statements of one transaction.
const galtRows = `
	insert into freshlist.properties_changes (xid, new_row)
	select pg_current_xact_id(), row(1000 + x, now(), now(), null, null, null, null, x, null, 'House', 'Condo', 'for_sale', 'GALT', null)::freshlist.properties_row
	from generate_series(1, %d) as x`

// A backlog is applied in parts, and is gone then.
func TestBacklogIsApplied(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: 20 * time.Second})
	first := d.Invalidate()
	fill(d, []string{folsom, galt})
	epoch := d.Beat(0).Epoch
	first.Stop()
	token := d.Exec(fmt.Sprintf(galtRows, 60_000))
	second := d.Standby()
	second.AwaitBeat(d)
	d.AwaitApplied(token)
	if now := d.Beat(0).Epoch; now != epoch {
		t.Errorf("epoch %s has begun", now)
	}
	if present(d, []string{folsom}) != 1 || present(d, []string{galt}) != 0 {
		t.Error("want one query purged and the other not")
	}
	awaitNoChanges(d)
}

// A backlog that is not worth applying begins a new epoch, and is deleted while the same
// leader leads, so that capture does not go on to believe that nobody reads.
func TestCollapsedBacklogIsDeleted(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: 20 * time.Second})
	i := d.Invalidate()
	i.Collapse(40_000)
	epoch := d.Beat(0).Epoch
	last := d.Exec(fmt.Sprintf(galtRows, 100_000))
	d.AwaitApplied(last)
	if d.Beat(0).Epoch == epoch {
		t.Error("the epoch goes on")
	}
	before := term(d)
	awaitNoChanges(d)
	if term(d) != before || before != firstTerm {
		t.Errorf("terms %d and %d, want the first", before, term(d))
	}
}

func awaitNoChanges(d *deployment.Deployment) {
	d.Helper()
	conn := d.Connect()
	d.Await("no changes to be left", func() bool {
		var rows int
		d.Must(conn.QueryRow(d.Context(), "select count(*) from freshlist.properties_changes").Scan(&rows))
		return rows == 0
	})
}
