package invalidate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/schema"
)

// PostgreSQL logs a line for each statement that a time-out ends, and one for each lock that
// is waited for longer than deadlock_timeout, if log_lock_waits is on. Whoever waits here
// waits for hours, so neither may happen.

// takeLeaderLock tries to take the leader lock, without waiting. With the lock, in the same
// statement, the session gets an end: it may be idle for so long.
func takeLeaderLock(ctx context.Context, conn *pgx.Conn, idle time.Duration) (held bool, err error) {
	const query = `
		select held, case when held then set_config('idle_session_timeout', $2, false) end
		from (select pg_try_advisory_lock($1) as held offset 0) as tried`
	if err := conn.QueryRow(ctx, query, schema.LeaderLock, milliseconds(idle)).Scan(&held, nil); err != nil {
		return false, fmt.Errorf("try the leader lock: %w", err)
	}
	return held, nil
}

// awaitDoorbellLock waits for the doorbell's lock, most at most. An error that a block of
// PL/pgSQL catches is not logged. The lock may be granted at the very instant at which the
// wait ends; then it is held in spite of the error, so the block looks.
var awaitDoorbellLock = fmt.Sprintf(`
	do $$
	declare
		held boolean := true;
		most integer := least(current_setting('%[2]s')::integer,
			extract(epoch from current_setting('deadlock_timeout')::interval) * 500);
	begin
		perform set_config('lock_timeout', greatest(most, 1)::text, true);
		begin
			perform pg_advisory_lock(%[1]d);
		exception when lock_not_available then
			held := exists (
				select from pg_locks
				where locktype = 'advisory' and pid = pg_backend_pid() and granted
				  and (classid::bigint << 32) + objid::bigint = %[1]d);
		end;
		perform set_config('freshlist.doorbell_held', held::text, false);
	end $$;
	select current_setting('freshlist.doorbell_held')`, schema.DoorbellLock, waitSetting)

// waitSetting is the setting of a session by which askForDoorbellLock knows how long to wait,
// in milliseconds: DO takes no parameters.
const waitSetting = "freshlist.doorbell_wait"

// askForDoorbellLock waits for the doorbell's lock for a while, and reports whether the
// session holds it then.
func askForDoorbellLock(ctx context.Context, conn *pgx.Conn) (held bool, err error) {
	results, err := conn.PgConn().Exec(ctx, awaitDoorbellLock).ReadAll()
	if err != nil {
		return false, fmt.Errorf("wait for the doorbell's lock: %w", err)
	}
	return lastValue(results) == "true", nil
}

// lastValue returns the value that a script ends with.
func lastValue(results []*pgconn.Result) string {
	if n := len(results); n > 0 && len(results[n-1].Rows) == 1 {
		return string(results[n-1].Rows[0][0])
	}
	return ""
}

// releaseDoorbellLock gives the doorbell's lock back.
func releaseDoorbellLock(ctx context.Context, conn *pgx.Conn) error {
	var held bool
	if err := conn.QueryRow(ctx, "select pg_advisory_unlock($1)", schema.DoorbellLock).Scan(&held); err != nil {
		return fmt.Errorf("release the doorbell's lock: %w", err)
	}
	if !held {
		return errors.New("release the doorbell's lock: it was not held")
	}
	return nil
}
