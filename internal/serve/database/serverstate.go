package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/freshlist/freshlist/internal/listing"
)

// ServerState says which PostgreSQL this process reads from, and in which state it is.
type ServerState struct {
	Epoch       string // of the cache, in the marker; "": there is no marker
	Description string // identity of the description that the epoch belongs to; "": there is no marker
	Started     string // when the server was started, in seconds since 1970
	Database    string // system identifier, a slash, the database's oid
	InRecovery  bool   // a standby: it has no epoch to tell
	RowSecurity bool   // policies decide which rows of a described table this role sees
	Encoding    string // of the database
}

// ServerState asks the server, on a session that no read or write uses: it works also while
// all of those are busy. What it says of row security is of the site's tables. Where freshlist
// is not installed, or this role may not ask for the
// epoch, the error is ErrNoEpoch and the rest of the state is returned all the same.
func (r *Reader) ServerState(ctx context.Context, site *listing.Site) (ServerState, error) {
	return r.pool.stateOf(ctx, r.pool.probe, site)
}

// AgreedState asks on a session that no read or write uses and on one that they use. Its
// error is ErrDivided if those say different things.
func (r *Reader) AgreedState(ctx context.Context, site *listing.Site) (ServerState, error) {
	for try := 0; ; try++ {
		s, err := r.pool.stateOf(ctx, r.pool.probe, site)
		if err != nil {
			return s, err
		}
		other, err := r.pool.stateOf(ctx, r.pool.pgx, site)
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

// What the state says of the marker. An epoch and its description are asked for in one
// statement: they belong together.
const (
	ownMarker = "case when not pg_is_in_recovery() then freshlist.epoch() end, case when not pg_is_in_recovery() then freshlist.described() end"
	noMarker  = "null::text, null::text"
)

// stateOf asks on a session of one of the pools.
func (p *Pool) stateOf(ctx context.Context, from *pgxpool.Pool, site *listing.Site) (ServerState, error) {
	s, err := p.serverState(ctx, from, site, ownMarker)
	if !noEpoch(err) {
		return s, err
	}
	missing := withoutEpoch(err)
	s, err = p.serverState(ctx, from, site, noMarker)
	if err == nil {
		err = missing
	}
	return s, err
}

// serverState asks with an expression for the epoch and its description.
func (p *Pool) serverState(ctx context.Context, from *pgxpool.Pool, site *listing.Site, marker string) (ServerState, error) {
	var s ServerState
	var epoch, description pgtype.Text
	relations := make([]string, len(site.Tables))
	for i, t := range site.Tables {
		relations[i] = t.Relation.SQL()
	}
	err := p.retryOnce(ctx, func() error {
		return p.ask(ctx, from, `select `+marker+`,
			extract(epoch from pg_postmaster_start_time())::text,
			concat((select system_identifier from pg_control_system()), '/',
				(select oid from pg_database where datname = current_database())),
			pg_is_in_recovery(),
			(select coalesce(bool_or(row_security_active(to_regclass(relation))), false) from unnest($1::text[]) as relation),
			getdatabaseencoding()::text`, []any{relations},
			&epoch, &description, &s.Started, &s.Database, &s.InRecovery, &s.RowSecurity, &s.Encoding)
	})
	if err != nil {
		return ServerState{}, fmt.Errorf("read the state of the database: %w", classify(err))
	}
	s.Epoch, s.Description = epoch.String, description.String
	if s.InRecovery {
		p.resetSessions(ErrInRecovery)
	}
	return s, nil
}
