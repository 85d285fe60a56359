package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"
)

// Stamp says which PostgreSQL this process reads from, and in which state it is.
type Stamp struct {
	Epoch       string // generation of the cache, in the marker; "": there is no marker
	Started     string // when the server was started, in seconds since 1970
	Database    string // system identifier, a slash, the database's oid
	InRecovery  bool   // a standby: it has no epoch to tell
	RowSecurity bool   // policies decide which rows this role sees
	Encoding    string // of the database
}

// Stamp asks the server, on a session that no read or write uses: it is told also
// while all of those are busy. Where freshlist is not installed, or this role may not
// ask for the epoch, the error is ErrNoEpoch and the rest of the stamp is there all the same.
func (r *Reader) Stamp(ctx context.Context) (Stamp, error) {
	s, err := r.pool.stamp(ctx, "case when not pg_is_in_recovery() then freshlist.properties_epoch() end")
	if !noEpoch(err) {
		return s, err
	}
	missing := fmt.Errorf("%w: %w", ErrNoEpoch, err)
	if hasCode(err, noPrivilege) {
		missing = fmt.Errorf("%w: %w", ErrNoRights, err)
	}
	s, err = r.pool.stamp(ctx, noStamp)
	if err == nil {
		err = missing
	}
	return s, err
}

// stamp asks with an expression for the epoch.
func (p *Pool) stamp(ctx context.Context, epoch string) (Stamp, error) {
	var s Stamp
	var marker pgtype.Text
	err := p.again(ctx, func() error {
		return p.ask(ctx, `select `+epoch+`,
			extract(epoch from pg_postmaster_start_time())::text,
			concat((select system_identifier from pg_control_system()), '/',
				(select oid from pg_database where datname = current_database())),
			pg_is_in_recovery(),
			coalesce(row_security_active(to_regclass('public.properties')), false),
			getdatabaseencoding()::text`,
			&marker, &s.Started, &s.Database, &s.InRecovery, &s.RowSecurity, &s.Encoding)
	})
	if err != nil {
		return Stamp{}, fmt.Errorf("read the stamp of the database: %w", classify(err))
	}
	s.Epoch = marker.String
	if s.InRecovery {
		p.renew(ErrInRecovery)
	}
	return s, nil
}
