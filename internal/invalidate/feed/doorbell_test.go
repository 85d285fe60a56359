package feed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// patience is how long a test waits for what must come. No test waits that long for
// something that must not.
const patience = time.Minute

// fallAsleep takes the doorbell's lock, waiting for writers that have not rung.
func fallAsleep(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	execOn(t, conn, "select pg_advisory_lock($1)", schema.DoorbellLock)
}

func wakeUp(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	if !queryOn[bool](t, conn, "select pg_advisory_unlock($1)", schema.DoorbellLock) {
		t.Fatal("woke up without having slept")
	}
}

// ringFrom waits for a ring and returns its payload.
func ringFrom(t testing.TB, listener *pgx.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return must(listener.WaitForNotification(ctx))(t).Payload
}

// silent fails the test if anybody has rung up to now.
func (r *rig) silent(listener *pgx.Conn, what string) {
	r.Helper()
	r.exec("select pg_notify('freshlist', 'silence')")
	for payload := ""; payload != "silence"; {
		if payload = ringFrom(r, listener); payload != "silence" {
			r.Errorf("a ring: %s", what)
		}
	}
}

// The rules of the doorbell, one by one.
func TestDoorbell(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	listener, sleeper := r.connect(r.db.Invalidator), r.connect(r.db.Invalidator)
	execOn(t, listener, "listen freshlist")

	r.exec(raise(1))
	r.silent(listener, "nobody sleeps")

	fallAsleep(t, sleeper)
	for _, sql := range []string{
		raise(1), "update properties set price = price + 1", "delete from properties where id = 3",
		"insert into properties (id, title, property_type, price, city) values (3, 't', 'Condo', 1, 'LOOMIS')",
		"begin; truncate freshlist_parent cascade; commit",
	} {
		if sql[0] == 'b' {
			r.exec("create table freshlist_parent (id int primary key); alter table properties add column p int references freshlist_parent")
		}
		r.exec(sql)
		ringFrom(t, listener)
	}
	r.exec("begin; savepoint s; " + raise(1) + "; rollback to s; commit")
	r.silent(listener, "of what was rolled back")
	r.exec("begin; savepoint s; " + raise(1) + "; rollback to s; insert into properties (id, title, property_type, price, city) values (9, 't', 'Condo', 1, 'LOOMIS'); commit")
	ringFrom(t, listener)
	wakeUp(t, sleeper)

	// Who was silent before the sleeper came to wait is waited for; who comes while it
	// waits rings.
	r.exec("insert into properties (id, title, property_type, price, city) values (1, 't', 'Condo', 1, 'LOOMIS'), (2, 't', 'Condo', 1, 'LOOMIS')")
	r.drain()
	writer := r.begin()
	execOn(t, writer.Conn(), raise(1))
	asleep := make(chan error, 1)
	go func() {
		_, err := sleeper.Exec(t.Context(), "select pg_advisory_lock($1)", schema.DoorbellLock)
		asleep <- err
	}()
	r.awaitWaiter()
	r.exec(raise(2))
	ringFrom(t, listener)
	select {
	case err := <-asleep:
		t.Fatalf("asleep before the silent writer has committed: %v", err)
	default:
	}
	if err := writer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-asleep; err != nil {
		t.Fatal(err)
	}
	r.silent(listener, "of a writer that the sleeper has waited for")
	r.expect("update 1: price", "update 2: price")
}

// awaitWaiter waits until somebody waits for the doorbell's lock.
func (r *rig) awaitWaiter() {
	r.Helper()
	for start := time.Now(); ; {
		if queryOn[bool](r, r.owner, "select exists (select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database()))") {
			return
		}
		if time.Since(start) > patience {
			r.Fatal("nobody waits for the doorbell's lock")
		}
	}
}

// With max_prepared_transactions nobody rings, not even while the lock is held, and a
// transaction that edits listings can be prepared.
func TestDoorbellPolled(t *testing.T) {
	t.Parallel()
	r := rigOn(t, migrated.On(t, pgtest.Start(t, "max_prepared_transactions=5")))
	prepared := func() {
		r.exec("begin; " + raise(1) + "; prepare transaction 'p'")
		r.expect()
		r.exec("commit prepared 'p'")
		r.expect("update 1: price")
	}
	prepared()
	fallAsleep(t, r.connect(r.db.Invalidator))
	prepared()
}

// Random transactions with savepoints and rollbacks, against a sleeper that drains when
// it wakes and when it has fallen asleep, and never looks otherwise: none is lost.
func TestDoorbellLosesNothing(t *testing.T) {
	t.Parallel()
	if err := ringingTest(newRig(t), 4, 600); err != nil {
		t.Error(err)
	}
}

// Twin: writers that do not ring while the sleeper sleeps are lost.
func TestDoorbellSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit("080_update.sql", "pg_catalog.pg_notify('freshlist', '')", "pg_catalog.pg_notify('nobody', '')")
	if err := ringingTest(r, 1, 200); err == nil {
		t.Error("nobody rang and nothing was lost: the test before proves nothing")
	}
}

// Twin: who does not drain once more when he has fallen asleep loses the writer that he
// has waited for.
func TestDoorbellWithoutLastDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	listener, sleeper := r.connect(r.db.Invalidator), r.connect(r.db.Invalidator)
	execOn(t, listener, "listen freshlist")
	writer := r.begin()
	execOn(t, writer.Conn(), raise(1))
	r.expect()
	if err := writer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	fallAsleep(t, sleeper)
	r.silent(listener, "of a writer from before")
	if r.pending() != 1 {
		t.Error("the last drain was not needed")
	}
}

// ringingTest runs writers against a sleeper, who looks when he has fallen asleep and never
// otherwise, and returns an error if he does not know of all that was committed when the
// writers have ended and every ring of theirs has been heard.
func ringingTest(r *rig, writers, transactions int) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	listener, sleeper := r.connect(r.db.Invalidator), r.connect(r.db.Invalidator)
	execOn(r, listener, "listen freshlist")
	r.exec(fmt.Sprintf(`delete from properties;
		insert into properties (id, title, property_type, price, city) select n, 't', 'Condo', 0, 'LOOMIS' from generate_series(1, %d) n`, writers))
	r.drain()

	var group sync.WaitGroup
	done := make(chan struct{})
	failed := make(chan error, writers)
	for id := 1; id <= writers; id++ {
		conn, random := r.connect(r.db.API), rand.New(rand.NewPCG(1, uint64(id)))
		group.Go(func() { failed <- writeAtRandom(ctx, conn, random, id, transactions) })
	}
	last := r.connect(r.db.Owner)
	go func() {
		defer close(done)
		group.Wait()
		_, _ = last.Exec(r.Context(), "select pg_notify('freshlist', 'the end')") // heard after all that has been rung
	}()
	defer func() { // whoever still writes has to end before its connection does
		cancel()
		<-done
	}()

	sleeps, prices := 0, map[int64]int64{}
	for {
		fallAsleep(r, sleeper)
		sleeps++
		for _, c := range r.drain() {
			id, price := c.New.Values[c.Table.Key].Number, c.New.Values[c.Table.Column("price")].Number
			prices[id] = max(prices[id], price)
		}
		wait, cancel := context.WithTimeout(ctx, patience)
		ring, err := listener.WaitForNotification(wait)
		cancel()
		if err != nil {
			return err
		}
		if ring.Payload == "the end" {
			break
		}
		wakeUp(r, sleeper)
	}
	r.Logf("%d transactions, %d sleeps", writers*transactions, sleeps)
	if !r.upToDate(prices) {
		return errors.New("a committed change has not come")
	}
	for range writers {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}

// upToDate reports whether the drained prices are the present ones.
func (r *rig) upToDate(prices map[int64]int64) bool {
	r.Helper()
	rows, _ := r.owner.Query(r.Context(), "select id, (price * 100)::bigint from properties where price > 0")
	var id, price int64
	current := true
	_, err := pgx.ForEachRow(rows, []any{&id, &price}, func() error {
		current = current && prices[id] == price
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return current
}

// writeAtRandom raises the price of one property in transactions with savepoints, some
// of which are rolled back in part or whole.
func writeAtRandom(ctx context.Context, conn *pgx.Conn, random *rand.Rand, id, transactions int) error {
	raise := fmt.Sprintf("update properties set price = price + 1 where id = %d; ", id)
	for range transactions {
		sql := "begin; "
		for range 1 + random.IntN(3) {
			switch random.IntN(4) {
			case 0:
				sql += "savepoint s; " + raise + "rollback to s; "
			case 1:
				sql += "savepoint s; " + raise + "release s; "
			default:
				sql += raise
			}
		}
		sql += []string{"commit", "commit", "commit", "rollback"}[random.IntN(4)]
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
		if random.IntN(2) == 0 { // let the sleeper fall asleep
			if _, err := conn.Exec(ctx, "select pg_sleep(0.001)"); err != nil {
				return err
			}
		}
	}
	return nil
}

// The number in the SQL is the one in Go: the lock that a writer takes is the sleeper's.
func TestDoorbellLock(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	writer := r.begin()
	for _, sql := range []string{
		raise(1), "insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'LOOMIS')",
		"delete from properties", "truncate properties",
	} {
		execOn(t, writer.Conn(), "savepoint s")
		execOn(t, writer.Conn(), sql)
		if queryOn[bool](t, r.owner, "select pg_try_advisory_lock($1)", schema.DoorbellLock) {
			t.Errorf("%s: the lock is free", sql)
			execOn(t, r.owner, "select pg_advisory_unlock($1)", schema.DoorbellLock)
		}
		execOn(t, writer.Conn(), "rollback to s")
	}
}
