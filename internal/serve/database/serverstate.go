package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ServerState says which PostgreSQL this process reads from, and in which state it is.
type ServerState struct {
	Epoch       string // generation of the cache, in the marker; "": there is no marker
	Started     string // when the server was started, in seconds since 1970
	Database    string // system identifier, a slash, the database's oid
	InRecovery  bool   // a standby: it has no epoch to tell
	RowSecurity bool   // policies decide which rows this role sees
	Encoding    string // of the database
}

// ServerState asks the server, on a session that no read or write uses: it works also while
// all of those are busy. Where freshlist is not installed, or this role may not ask for the
// epoch, the error is ErrNoEpoch and the rest of the state is returned all the same.
func (r *Reader) ServerState(ctx context.Context) (ServerState, error) {
	return r.pool.stateOf(ctx, r.pool.probe)
}

// AgreedState asks on a session that no read or write uses and on one that they use. Its
// error is ErrDivided if those say different things.
func (r *Reader) AgreedState(ctx context.Context) (ServerState, error) {
	for try := 0; ; try++ {
		s, err := r.pool.stateOf(ctx, r.pool.probe)
		if err != nil {
			return s, err
		}
		other, err := r.pool.stateOf(ctx, r.pool.pgx)
		switch {
		case err != nil || other == s:
			return other, err
		case try > 0: // an epoch that began between the two has not begun between these too
			return ServerState{}, fmt.Errorf("compare what two sessions say: %w", ErrDivided)
		}
	}
}

// Renew has every session closed, at once or when it is given back: what is asked from now on
// is asked on new ones.
func (r *Reader) Renew() { r.pool.reset() }

// stateOf asks on a session of one of the pools.
func (p *Pool) stateOf(ctx context.Context, from *pgxpool.Pool) (ServerState, error) {
	s, err := p.serverState(ctx, from, "case when not pg_is_in_recovery() then freshlist.properties_epoch() end")
	if !noEpoch(err) {
		return s, err
	}
	missing := withoutEpoch(err)
	s, err = p.serverState(ctx, from, noOrigin)
	if err == nil {
		err = missing
	}
	return s, err
}

// serverState asks with an expression for the epoch.
func (p *Pool) serverState(ctx context.Context, from *pgxpool.Pool, epoch string) (ServerState, error) {
	var s ServerState
	var marker pgtype.Text
	err := p.retryOnce(ctx, func() error {
		return p.ask(ctx, from, `select `+epoch+`,
			extract(epoch from pg_postmaster_start_time())::text,
			concat((select system_identifier from pg_control_system()), '/',
				(select oid from pg_database where datname = current_database())),
			pg_is_in_recovery(),
			coalesce(row_security_active(to_regclass('public.properties')), false),
			getdatabaseencoding()::text`,
			&marker, &s.Started, &s.Database, &s.InRecovery, &s.RowSecurity, &s.Encoding)
	})
	if err != nil {
		return ServerState{}, fmt.Errorf("read the state of the database: %w", classify(err))
	}
	s.Epoch = marker.String
	if s.InRecovery {
		p.resetSessions(ErrInRecovery)
	}
	return s, nil
}
