package database

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/listing"
)

// Once is a request to create a row that is answered once, however often it is sent.
type Once struct {
	Key     string             // the name that the client gave it
	Request string             // what it asks for: the same for the same
	Answer  func(Written) Kept // what is answered, also later
}

// Kept is the answer to a request that has created a row.
type Kept struct {
	Xid      uint64 // the transaction, for a Consistency-Token
	Location string // the row's address
	Body     string
}

// claim keeps others from answering a request of the same name until the transaction ends, and
// returns what it was answered in the last 24 hours. Its error is ErrInProgress if somebody else is
// about to answer it, ErrOtherRequest if something else was asked for under the name, and ErrNoKeys if
// this role cannot know.
func (o *Once) claim(ctx context.Context, tx pgx.Tx, t *listing.Table) (kept Kept, found bool, err error) {
	free := false
	s := &statement{}
	s.add("select 1 where pg_try_advisory_xact_lock(hashtextextended('freshlist.idempotency_keys ' || ", s.arg(t.Name), " || ' ' || ", s.arg(o.Key), ", 0))")
	err = s.each(ctx, tx.Conn(), func([]pgconn.FieldDescription, [][]byte) error {
		free = true
		return nil
	})
	switch {
	case err != nil:
		return kept, false, err
	case !free:
		return kept, false, ErrInProgress
	}
	request := ""
	s = &statement{} // another one: its snapshot shows what was committed before the lock was free
	s.add("select request, xid::text, location, body from freshlist.idempotency_keys")
	s.add(` where "table" = `, s.arg(t.Name), " and key = ", s.arg(o.Key), " and created_at > now() - interval '24 hours'")
	err = s.each(ctx, tx.Conn(), func(_ []pgconn.FieldDescription, values [][]byte) (err error) {
		found, request = true, string(values[0])
		kept.Location, kept.Body = string(values[2]), string(values[3])
		kept.Xid, err = strconv.ParseUint(string(values[1]), 10, 64)
		return err
	})
	switch {
	case hasCode(err, undefinedTable, invalidSchemaName, noPrivilege):
		return kept, false, fmt.Errorf("%w: %v", ErrNoKeys, err) // not wrapped: it is no fault of the table that is written
	case err != nil:
		return kept, false, fmt.Errorf("look for the request's key: %w", err)
	case found && request != o.Request:
		return kept, false, ErrOtherRequest
	}
	return kept, found, nil
}

// cleanedAtOnce is how many old keys are removed whenever one is added, at most. So there are never
// many more than those of a day.
const cleanedAtOnce = 10

// keep notes what the request is answered, and removes some of what is too old to count.
func (o *Once) keep(ctx context.Context, tx pgx.Tx, t *listing.Table, kept Kept) error {
	s := &statement{}
	table, key := s.arg(t.Name), s.arg(o.Key)
	s.add(`with old as (
			select "table", key from freshlist.idempotency_keys
			where created_at < now() - interval '24 hours' and ("table", key) <> (`, table, ", ", key, `)
			order by created_at limit `, s.number(cleanedAtOnce), ` for update skip locked
		), removed as (
			delete from freshlist.idempotency_keys as k using old where (k."table", k.key) = (old."table", old.key)
		)
		insert into freshlist.idempotency_keys ("table", key, request, xid, location, body)
		values (`, table, ", ", key, ", ", s.arg(o.Request), ", ", s.arg(strconv.FormatUint(kept.Xid, 10)), "::xid8, ", s.arg(kept.Location), ", ", s.arg(kept.Body), `)
		on conflict ("table", key) do update
		set request = excluded.request, xid = excluded.xid, location = excluded.location, body = excluded.body, created_at = excluded.created_at`)
	if err := s.each(ctx, tx.Conn(), func([]pgconn.FieldDescription, [][]byte) error { return nil }); err != nil {
		return fmt.Errorf("keep the request's key: %w", err)
	}
	return nil
}
