package invalidate_test

import (
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
)

// What a beat certifies is a time before its drain: what commits while the drain is held up
// is not in it. (The invalidator sleeps, and nobody rings: it drains for its beats only.)
func TestABeatIsOfATimeBeforeItsDrain(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: 10 * time.Second})
	d.Invalidate()
	observer := d.Superuser()
	awaitSleep(d, observer)

	holder := d.Superuser()
	_, err := holder.Exec(t.Context(), "begin; lock table freshlist.properties_changes in access exclusive mode")
	d.Must(err)
	d.Await("a drain that is held up", func() bool {
		var drains int
		d.Must(observer.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock' and query like '%pg_current_snapshot()%'`).Scan(&drains))
		return drains > 0
	})
	before := d.Beat(0).Noted
	now, err := d.Redis.Time(t.Context()).Result()
	d.Must(err)
	_, err = holder.Exec(t.Context(), "commit")
	d.Must(err)
	d.Await("the next beat", func() bool { return d.Beat(0).Noted > before })
	if noted := time.UnixMicro(d.Beat(0).Noted); noted.After(now) {
		t.Errorf("a beat certifies %v after its drain was sent", noted.Sub(now))
	}
}
