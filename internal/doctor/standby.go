package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// standby checks that DATABASE_READ_URL leads to a standby of the primary on conn, and that the API can use it.
func (c Config) standby(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	const identity = "(select system_identifier::text from pg_control_system()) || '/' || (select oid from pg_database where datname = current_database())"
	var end, ours string
	if err := conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text, "+identity).Scan(&end, &ours); err != nil {
		return Finding{}, err
	}
	const remedy = "set DATABASE_READ_URL to a standby of DATABASE_URL, or unset it: misses are read from the primary meanwhile"
	there, err := connect(ctx, c.ReadURL)
	if err != nil {
		return warn("DATABASE_READ_URL cannot be reached: "+err.Error(), remedy), nil
	}
	defer hangUp(there)
	var recovering, banner bool
	var theirs string
	var behind int64
	err = there.QueryRow(ctx, `
		select pg_is_in_recovery(), `+identity+`,
			case when pg_is_in_recovery() then greatest($1::text::pg_lsn - pg_last_wal_replay_lsn(), 0)::bigint else 0 end,
			coalesce((select has_schema_privilege(n.oid, 'USAGE') and has_function_privilege(p.oid, 'EXECUTE')
				from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where n.nspname = 'freshlist' and p.proname = 'banner'), false)`, end).
		Scan(&recovering, &theirs, &behind, &banner)
	switch {
	case err != nil:
		return Finding{}, fmt.Errorf("ask the server of DATABASE_READ_URL: %w", err)
	case !recovering:
		return warn("DATABASE_READ_URL leads to a primary", remedy+"; target_session_attrs=standby finds one of several"), nil
	case theirs != ours:
		return warn("DATABASE_READ_URL leads to a standby of another cluster, or to another database", remedy), nil
	case !banner:
		return warn("the role in DATABASE_READ_URL may not execute freshlist.banner(), or it is not installed", "run as the table's owner: invalidator install"), nil
	}
	return ok("a standby of this primary, %d bytes of its log behind", behind), nil
}
