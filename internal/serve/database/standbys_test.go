package database_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/lsn"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// pair is a primary and its standby.
type pair struct {
	*testing.T
	server  *pgtest.Server // the standby
	db, at  pgtest.Database
	primary *pgx.Conn
	standby *pgx.Conn
	lag     float64
}

func newPair(t *testing.T) *pair {
	t.Helper()
	server := pgtest.Start(t)
	p := &pair{T: t, db: migrated.On(t, server)}
	p.primary = connect(t, p.db.Superuser)
	fill(t, p.primary, properties(), crowd(9, 7))
	exec(t, p.primary, `insert into freshlist.banner values (true, 'first', $1, extract(epoch from pg_postmaster_start_time())::text)`,
		listingtest.Site().Identity)
	p.server = server.Standby(t)
	p.at = p.server.At(t, p.db)
	p.standby = connect(t, p.at.Superuser)
	return p
}

// end returns where the primary's log ends.
func (p *pair) end() lsn.LSN {
	p.Helper()
	var text string
	if err := p.primary.QueryRow(p.Context(), "select pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		p.Fatal(err)
	}
	end, err := lsn.Parse(text)
	if err != nil {
		p.Fatal(err)
	}
	return end
}

// hold stops replay, and returns once it has stopped.
func (p *pair) hold() {
	p.Helper()
	exec(p.T, p.standby, "select pg_wal_replay_pause()")
	p.await("replay to stop", func() (stopped bool) {
		exec(p.T, p.primary, "select pg_logical_emit_message(false, 'freshlist', '')") // it stops at a record
		if err := p.standby.QueryRow(p.Context(), "select pg_get_wal_replay_pause_state() = 'paused'").Scan(&stopped); err != nil {
			p.Fatal(err)
		}
		return stopped
	})
}

func (p *pair) resume() {
	p.Helper()
	exec(p.T, p.standby, "select pg_wal_replay_resume()")
}

func (p *pair) await(what string, done func() bool) {
	p.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("waited in vain for %s", what)
		}
	}
}

// reader reads the standby at an address.
func (p *pair) reader(address string) *database.Standbys {
	p.Helper()
	return database.NewStandbys(open(p.T, address, 2), func(bytes float64) { p.lag = bytes })
}

// A standby is read only once it has replayed enough. What it shows then is what the primary shows,
// and the banner says of which epoch that is.
func TestReadsOfAStandby(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	through := p.server.Pooler(t, "transaction", 2)
	primary := database.NewReader(open(t, p.db.API, 2), nothing)
	state, err := primary.ServerState(t.Context(), listingtest.Site())
	if err != nil {
		t.Fatal(err)
	}
	want := "first " + state.Started + " " + state.Database + " " + listingtest.Site().Identity
	for _, address := range []string{p.at.API, through(p.at.API)} {
		reads := p.reader(address)
		floor := p.end()
		for _, q := range everyKind() {
			var got listing.Queryset
			var origin string
			p.await("replay", func() bool {
				got, origin, err = reads.Read(t.Context(), q, floor)
				return !errors.Is(err, database.ErrBehind)
			})
			shown, failed := primary.Read(t.Context(), q)
			if err != nil || failed != nil || string(got.Encode()) != string(shown.Encode()) || origin != want {
				t.Errorf("%s of %q (%v), on the primary %v; want the same of %q", q, origin, err, failed, want)
			}
		}
		p.hold()
		exec(t, p.primary, "update properties set title = 'edited'")
		floor = p.end()
		if _, _, err := reads.Read(t.Context(), anyPage(), floor); !errors.Is(err, database.ErrBehind) || p.lag <= 0 {
			t.Errorf("a standby that is behind: %v, by %v bytes", err, p.lag)
		}
		if _, _, err := reads.Read(t.Context(), anyPage(), 1); err != nil {
			t.Errorf("a standby that has replayed enough: %v", err)
		}
		p.resume()
	}
	reads := p.reader(p.at.API)
	p.server.Promote(t)
	if _, _, err := reads.Read(t.Context(), anyPage(), 1); !errors.Is(err, database.ErrNoStandby) {
		t.Errorf("a promoted server: %v, want ErrNoStandby", err)
	}
}

// While no standby answers, a read does not wait for one but now and then.
func TestNoStandbyAnswers(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	reads := database.NewStandbys(open(t, "postgres://u@"+silent.Addr().String()+"/d?connect_timeout=60", 2), func(float64) {})
	if _, _, err := reads.Read(t.Context(), anyPage(), 1); !errors.Is(err, database.ErrNoStandby) || !errors.Is(err, database.ErrBusy) {
		t.Errorf("a silent server: %v, want ErrNoStandby since no session could be had", err)
	}
	if _, _, err := reads.Read(t.Context(), anyPage(), 1); !errors.Is(err, database.ErrNoStandby) || errors.Is(err, database.ErrBusy) {
		t.Errorf("soon after: %v, want ErrNoStandby alone", err)
	}
}

// How much has been replayed is asked before the snapshot of the data is taken. Asked later, it may have
// come to show a commit that the data does not.
func TestReplayIsAskedFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	// The statement takes its snapshot, and then waits until all is replayed.
	exec(t, p.primary, `create or replace function freshlist.banner() returns text language plpgsql as $$
		begin
			while pg_is_wal_replay_paused() or pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn() loop perform pg_sleep(0.001); end loop;
			return 'x';
		end $$`)
	reads := p.reader(p.at.API)
	floor := p.end()
	p.await("replay", func() bool {
		_, _, err := reads.Read(t.Context(), anyPage(), floor)
		return err == nil
	})
	p.hold()
	exec(t, p.primary, "update properties set title = 'edited'")
	floor = p.end()
	done := make(chan struct{})
	var qs listing.Queryset
	var err error
	go func() {
		defer close(done)
		qs, _, err = reads.Read(context.WithoutCancel(t.Context()), query("properties/1"), floor)
	}()
	p.await("the end of the read, or its snapshot", func() (waits bool) {
		select {
		case <-done:
			return true
		default:
		}
		const ask = "select exists (select from pg_stat_activity where wait_event = 'PgSleep')"
		if err := p.standby.QueryRow(t.Context(), ask).Scan(&waits); err != nil {
			t.Fatal(err)
		}
		return waits
	})
	p.resume()
	<-done
	if err == nil && qs.Items[0].Values[column("title")].Text != "edited" {
		t.Errorf("the read of a standby shows %q, from before the floor", qs.Items[0].Values[column("title")].Text)
	}
	if err != nil && !errors.Is(err, database.ErrBehind) {
		t.Error(err)
	}
}
