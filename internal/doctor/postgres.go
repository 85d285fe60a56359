package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/schema"
)

// postgresChecks are the checks of PostgreSQL, in the order in which they are told.
func (c Config) postgresChecks() []check {
	checks := append(c.decisiveChecks(), []check{
		{"role", role},
		{"rights", rights},
		{"api's rights", apiRights},
		{"tables", tables},
		{"capture", capture},
		{"prepared", prepared},
		{"notifications", notifications},
		{"temporary files", temporaryFiles},
		{"backlog", backlog},
		{"transactions", c.transactions},
		{"clock", c.postgresClock},
	}...)
	if c.ReadURL != "" {
		checks = append(checks, check{"standby", c.standby})
	}
	return checks
}

// decisiveChecks are those without which an invalidator must not start.
func (c Config) decisiveChecks() []check {
	return []check{{"version", version}, {"primary", primary}, {"connection", c.direct}}
}

func version(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	var number int
	if err := conn.QueryRow(ctx, "select current_setting('server_version_num')::integer").Scan(&number); err != nil {
		return Finding{}, err
	}
	return judgeVersion(number), nil
}

// judgeVersion judges a version as the server numbers it, 150018 for 15.18.
func judgeVersion(number int) Finding {
	text := fmt.Sprintf("PostgreSQL %d.%d", number/10000, number%10000)
	if number < 150000 {
		return fail(text, "version 15 or newer is needed")
	}
	return ok("%s", text)
}

func primary(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	var recovering, readOnly bool
	err := conn.QueryRow(ctx, "select pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean").
		Scan(&recovering, &readOnly)
	switch {
	case err != nil:
		return Finding{}, err
	case recovering:
		return uncached(cachestate.InRecovery, "the server is a standby, which shows commits late and takes no marker"), nil
	case readOnly:
		return uncached(cachestate.InRecovery, "default_transaction_read_only is on in DATABASE_URL"), nil
	}
	return ok("primary"), nil
}

// captured are the tables that have a trigger of ours, as a query in which privileges and
// properties of tables are looked up by oid.
const captured = `
	select c.oid, n.nspname as schema, c.relname as name, c.relispartition, c.relrowsecurity
	from pg_trigger as t
	join pg_proc as p on p.oid = t.tgfoid
	join pg_namespace as f on f.oid = p.pronamespace and f.nspname = 'freshlist'
	join pg_class as c on c.oid = t.tgrelid
	join pg_namespace as n on n.oid = c.relnamespace
	where t.tgname = 'freshlist_update' `

func role(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	var name string
	var super, writes bool
	err := conn.QueryRow(ctx, `
		select current_user::text, rolsuper, coalesce((
			select bool_or(has_table_privilege(c.oid, privilege))
			from (`+captured+`) as c, unnest(array['INSERT', 'UPDATE', 'DELETE']) as privilege), false)
		from pg_roles where rolname = current_user`).Scan(&name, &super, &writes)
	const remedy = "use freshlist_invalidator, as db/roles.sql makes it"
	switch {
	case err != nil:
		return Finding{}, err
	case super:
		return warn(name+" is a superuser", remedy), nil
	case writes:
		return warn(name+" may write listings, which the invalidator never does", remedy), nil
	}
	return ok("%s, no more rights than it needs", name), nil
}

// rights are checked by the catalog's names: to_regclass and its like fail where the
// schema may not even be used.
func rights(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	const query = `
		with needed as (
			select c.oid, c.schema, c.name, 'SELECT' as privilege from (` + captured + `) as c
			union all
			select c.oid, n.nspname, c.relname, unnest(case
				when c.relname in ('marker', 'banner') then array['SELECT', 'INSERT', 'UPDATE']
				when c.relname = 'description' then array['SELECT']
				when c.relname like '%\_changes' then array['SELECT', 'DELETE'] end)
			from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
			where n.nspname = 'freshlist' and c.relkind = 'r'
		), missing as (
			select privilege || format(' on %I.%I', schema, name) as what
			from needed where not has_table_privilege(oid, privilege)
			union all
			select 'EXECUTE on freshlist.' || proname || '()'
			from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
			where n.nspname = 'freshlist' and proname in ('catalog', 'fault', 'repair') and not has_function_privilege(p.oid, 'EXECUTE')
			union all
			select 'USAGE on schema freshlist' from pg_namespace where nspname = 'freshlist' and not has_schema_privilege(oid, 'USAGE')
		)
		select coalesce(array_agg(what order by what), '{}'), (select count(*) from pg_namespace where nspname = 'freshlist') from missing`
	var missing []string
	var schemas int
	err := conn.QueryRow(ctx, query).Scan(&missing, &schemas)
	switch {
	case err != nil:
		return Finding{}, err
	case len(missing) > 0:
		return uncached(cachestate.NoRights, "missing: "+strings.Join(missing, ", ")), nil
	case schemas == 0:
		return warn("the schema freshlist is not there", "see capture"), nil
	}
	return ok("sufficient"), nil
}

// apiRights checks what the API's role needs besides the tables to cache, if there is that
// role and capture is installed.
func apiRights(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	const query = `
		select has_schema_privilege(r.oid, n.oid, 'USAGE'), has_function_privilege(r.oid, p.oid, 'EXECUTE')
		from pg_roles as r, pg_namespace as n join pg_proc as p on p.pronamespace = n.oid
		where r.rolname = 'freshlist_api' and n.nspname = 'freshlist' and p.proname = 'epoch'`
	var schema, function bool
	err := conn.QueryRow(ctx, query).Scan(&schema, &function)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ok("there is no role freshlist_api, or nothing that it could call"), nil
	case err != nil:
		return Finding{}, err
	case !schema:
		return uncached(cachestate.NoRights, "freshlist_api lacks USAGE on schema freshlist: what it reads is not stored"), nil
	case !function:
		return uncached(cachestate.NoRights, "freshlist_api lacks EXECUTE on freshlist.epoch(): what it reads is not stored"), nil
	}
	return ok("sufficient"), nil
}

// tables checks what makes edits go by without firing statement triggers of a captured table,
// and what hides rows from the audit.
func tables(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	const query = `
		select format('%I.%I', schema, name), c.relispartition or exists (select from pg_inherits where c.oid in (inhrelid, inhparent)),
			exists (select from pg_subscription_rel where srrelid = c.oid), row_security_active(c.oid),
			c.relrowsecurity and not coalesce((select rolbypassrls or rolsuper from pg_roles where rolname = 'freshlist_api'), not row_security_active(c.oid))
		from (` + captured + `) as c
		order by 1`
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return Finding{}, err
	}
	var name string
	var inherits, subscribed, secured, limited bool
	var worst Finding
	count := 0
	_, err = pgx.ForEachRow(rows, []any{&name, &inherits, &subscribed, &secured, &limited}, func() error {
		const remedy = "make it an ordinary table that only SQL writes to"
		found := ok("an ordinary table")
		switch {
		case inherits:
			found = fail(name+" inherits or is inherited", remedy)
		case subscribed:
			found = fail(name+" is fed by logical replication, which fires no statement triggers", remedy)
		case limited:
			found = uncached(cachestate.RowSecurity, "row security decides which rows of "+name+" a reader sees")
		case secured:
			found = warn("row security hides rows of "+name+" from this role", "the audit and verify cannot judge; give it BYPASSRLS, as the API's has")
		}
		if count++; found.Verdict > worst.Verdict || count == 1 {
			worst = found
		}
		return nil
	})
	switch {
	case err != nil:
		return Finding{}, err
	case count == 0:
		return uncached(cachestate.NotInstalled, "no table is captured"), nil
	case worst.Verdict == OK && count > 1:
		return ok("%d ordinary tables", count), nil
	}
	return worst, nil
}

func capture(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	difference, err := schema.Compare(ctx, conn)
	switch {
	case errors.Is(err, schema.ErrNoTable):
		return uncached(cachestate.NotInstalled, "there is no table to capture"), nil
	case err != nil:
		return Finding{}, err
	case difference != "":
		return uncached(cachestate.Capture, difference), nil
	}
	return ok("triggers present, ENABLE ALWAYS and unaltered"), nil
}

func prepared(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	var most int
	if err := conn.QueryRow(ctx, "select current_setting('max_prepared_transactions')::integer").Scan(&most); err != nil {
		return Finding{}, err
	}
	if most > 0 {
		return warn(fmt.Sprintf("max_prepared_transactions is %d: writers do not ring, changes are found by looking every few milliseconds", most),
			"set it to 0 if nobody uses PREPARE TRANSACTION"), nil
	}
	return ok("max_prepared_transactions is 0, writers may ring"), nil
}

func notifications(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	var used float64
	if err := conn.QueryRow(ctx, "select pg_notification_queue_usage()").Scan(&used); err != nil {
		return Finding{}, err
	}
	return judgeQueue(used), nil
}

// temporaryFiles looks for a bound of the writers' temporary files, against which the rows of
// a captured statement count: a bulk statement may fail by it that would pass uncaptured.
func temporaryFiles(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	const query = `
		select coalesce(string_agg(distinct said, ', '), '')
		from (
			select setting || ' kB on the server' from pg_settings where name = 'temp_file_limit' and setting <> '-1'
			union all
			select split_part(setting, '=', 2) || coalesce(' for role ' || rolname, '') || coalesce(' in database ' || datname, '')
			from pg_db_role_setting as s cross join unnest(setconfig) as setting
			left join pg_roles as r on r.oid = setrole left join pg_database as d on d.oid = setdatabase
			where setting like 'temp_file_limit=%' and setting <> 'temp_file_limit=-1' and setdatabase in (0, (select oid from pg_database where datname = current_database()))
		) as limits (said)`
	var limits string
	if err := conn.QueryRow(ctx, query).Scan(&limits); err != nil {
		return Finding{}, err
	}
	if limits != "" {
		return warn("temp_file_limit is "+limits+": captured rows of a bulk statement count against it",
			"raise it, or give the roles that edit in bulk -1"), nil
	}
	return ok("temp_file_limit is -1, no bulk statement fails by it"), nil
}

// judgeQueue judges which share of the notification queue is in use. Once it is full,
// every transaction that rings fails at its commit.
func judgeQueue(used float64) Finding {
	said := fmt.Sprintf("%.0f %% of the queue in use", 100*used)
	const remedy = "end the session that listens (to anything) and has been in one transaction since; see pg_stat_activity"
	switch {
	case used >= 0.5:
		return fail(said, remedy)
	case used >= 0.05:
		return warn(said, remedy)
	}
	return ok("%s", said)
}

// From where on the backlog is worth a warning.
const (
	manyRows  = 100_000
	manyBytes = 256 << 20
)

func backlog(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	rows, err := conn.Query(ctx, `
		select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'freshlist' and tablename like '%\_changes'`)
	if err != nil {
		return Finding{}, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		return warn("there is no table of changes", "see capture"), err
	}
	var count, size int64
	for _, name := range names { // as PostgreSQL has quoted it
		var some, bytes int64
		err := conn.QueryRow(ctx, fmt.Sprintf(`select (select count(*) from (select from %s limit %d) as counted), pg_total_relation_size($1::text::regclass)`,
			name, 10*manyRows), name).Scan(&some, &bytes)
		if err != nil {
			return Finding{}, err
		}
		count, size = count+some, size+bytes
	}
	said := fmt.Sprintf("%d changes to apply, %d MiB", count, size>>20)
	switch {
	case count >= manyRows:
		return warn(said, "start an invalidator, or run: invalidator uninstall"), nil
	case size >= manyBytes:
		return warn(said, "if it stays so: look for transactions that keep vacuum from clearing up"), nil
	}
	return ok("%s", said), nil
}

// transactions looks for what keeps vacuum from clearing processed changes away.
// Without pg_read_all_stats a role sees only its own sessions' transactions.
func (c Config) transactions(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	const query = `
		select coalesce(max(age) filter (where holds), 0)::float8, count(*) filter (where hidden)
		from (
			select extract(epoch from clock_timestamp() - xact_start) as age, backend_xmin is not null or backend_xid is not null as holds,
				backend_type is null as hidden
			from pg_stat_activity where coalesce(backend_type, 'client backend') = 'client backend' and datname = current_database() and pid <> pg_backend_pid()
			union all
			select extract(epoch from clock_timestamp() - prepared), true, false from pg_prepared_xacts where database = current_database()
		) as open`
	var seconds float64
	var hidden int
	if err := conn.QueryRow(ctx, query).Scan(&seconds, &hidden); err != nil {
		return Finding{}, err
	}
	open := time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
	switch {
	case open >= c.Open:
		return warn(fmt.Sprintf("one has been open for %v: vacuum cannot clear up behind it", open), "end it; see pg_stat_activity and pg_prepared_xacts"), nil
	case hidden > 0:
		return ok("none long open that this role can see (it does not see into %d sessions; pg_read_all_stats would show them)", hidden), nil
	}
	return ok("none open for long"), nil
}

func (c Config) postgresClock(ctx context.Context, conn *pgx.Conn) (Finding, error) {
	before := c.Now()
	var server time.Time
	if err := conn.QueryRow(ctx, "select clock_timestamp()").Scan(&server); err != nil {
		return Finding{}, err
	}
	return judgeClock("PostgreSQL", server, before, c.Now()), nil
}

const maxSkew = time.Second

// judgeClock compares a server's clock with ours, which was read before and after.
// Nothing rests on the difference: beats are timed by Redis' clock alone. But a clock
// that is far off is one that nobody keeps, and may be stepped.
func judgeClock(whose string, server, before, after time.Time) Finding {
	skew := max(server.Sub(after), before.Sub(server), 0).Round(time.Millisecond)
	if skew > maxSkew {
		return warn(fmt.Sprintf("the clock of %s and ours are %v apart", whose, skew), "have both slewed by NTP, never stepped")
	}
	return ok("the clock of %s agrees with ours", whose)
}
