package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

// Triggers and description change in one transaction: an installation that cannot store its
// description, or cannot say what it has installed, has changed no trigger either. Else a column
// could be edited unseen, and the next epoch take the triggers that stand there for those of the
// former description.
func TestInstallIsOneTransaction(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Superuser)
	exec(t, conn, "create table others (id int primary key, note text, more int)")
	installFile(t, conn, twoTables)
	everything := func() []string {
		return list[string](t, conn, `
			select pg_get_functiondef(oid) from pg_proc where pronamespace = 'freshlist'::regnamespace
			union all select pg_get_triggerdef(oid) || tgenabled::text from pg_trigger where tgname like 'freshlist%'
			union all select format('%s %s', relkind, relname) from pg_class where relnamespace = 'freshlist'::regnamespace
			union all select format('%s %s', identity, body) from freshlist.description
			union all select obj_description('freshlist'::regnamespace)
			order by 1`)
	}
	before := everything()
	exec(t, conn, "create function public.refuse() returns event_trigger language plpgsql as $$ begin raise 'not now'; end $$")
	for _, tag := range []string{"CREATE TRIGGER", "COMMENT", "GRANT"} { // in the middle, behind the description, at the end
		exec(t, conn, "create event trigger refuse on ddl_command_start when tag in ('"+tag+"') execute function public.refuse()")
		_, err := schema.InstallFile(t.Context(), conn, oneTable)
		exec(t, conn, "drop event trigger refuse")
		if err == nil || !strings.Contains(err.Error(), "not now") {
			t.Fatalf("an installation that may not %s: %v, want its error", tag, err)
		}
		if after := everything(); !slices.Equal(after, before) {
			t.Errorf("an installation that may not %s has changed\n%s\ninto\n%s", tag, strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
	}
}

// A transaction that has taken its snapshot before an installation is captured by what has been
// installed: the triggers know what they capture, and do not ask a table, which shows that
// transaction its former content.
func TestWriterOfAnOlderSnapshot(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	owner, writer := connect(t, db.Owner), connect(t, db.Owner)
	exec(t, owner, "create table others (id int primary key, note text, more int); insert into others values (1, 'a', 1)")
	installFile(t, owner, oneTable)
	exec(t, writer, "begin isolation level repeatable read")
	exec(t, writer, "select from pg_class") // the snapshot, without a lock that an installation waits for
	installFile(t, owner, twoTables)
	if seen := one[int](t, writer, "select count(*) from freshlist.description where source = $1", twoTables.Text); seen != 0 {
		t.Fatal("the writer sees the new description: the test shows nothing")
	}
	exec(t, writer, "update others set note = 'b'")
	exec(t, writer, "update others set more = 2") // which is not described any more
	exec(t, writer, "commit")
	if got := take(t, owner, "others"); len(got) != 1 {
		t.Errorf("captured is %+v, want the update of note", got)
	}
}
