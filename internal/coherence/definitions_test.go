package coherence

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// definitions are faults by DDL: what capture rests on is altered for a while.
var definitions = []fault{
	{name: "triggers disabled for a load", do: func(r *rig, _ *rand.Rand) { r.loadUncaptured() }},
	{name: "definition comes and goes", do: func(r *rig, random *rand.Rand) {
		for range 2 {
			r.define(fmt.Sprintf(comeAndGo[random.IntN(len(comeAndGo))], 3+10*random.IntN(9)))
			r.hold(random)
		}
	}},
	{name: "definition comes and goes in steps", do: func(r *rig, random *rand.Rand) {
		for step := range strings.SplitSeq(fmt.Sprintf(inherited, 3+10*random.IntN(9)), ";") {
			r.define(step) // several may pass between two beats
		}
	}},
	{name: "table rewritten", do: func(r *rig, random *rand.Rand) {
		for _, sql := range []string{"vacuum full public.properties", "cluster public.properties using properties_pkey"} {
			r.exec(sql)
			r.hold(random)
		}
	}},
	{name: "column swapped by renames", do: (*rig).swapColumn},
}

// inherited edits a row that a child table holds, which fires no trigger of the parent.
const inherited = `create table par (id bigint, price numeric(14, 2));
	alter table public.properties inherit par;
	update par set price = price + 7777 where id = %d;
	alter table public.properties no inherit par;
	drop table par`

// comeAndGo edit a row, %d, in one transaction past the triggers, or beside them, and
// leave every definition as it was. The function that is put back is the same text.
var comeAndGo = []string{
	inherited,
	`create table par (like public.properties) partition by list (city);
	alter table par attach partition public.properties default;
	update par set price = price + 5555 where id = %d;
	alter table par detach partition public.properties;
	drop table par`,
	`alter table public.properties disable trigger freshlist_update;
	update public.properties set price = price + 3333 where id = %d;
	alter table public.properties enable always trigger freshlist_update`,
	`alter table public.properties enable replica trigger freshlist_update;
	update public.properties set title = 'Replica' where id = %d;
	alter table public.properties enable always trigger freshlist_update`,
	`alter table public.properties rename to elsewhere;
	update public.elsewhere set price = price + 2222 where id = %d;
	alter table public.elsewhere rename to properties`,
	`alter table public.properties rename column price to cost;
	update public.properties set cost = cost + 1111 where id = %d;
	alter table public.properties rename column cost to price`,
	`do $do$
	declare was text := pg_get_functiondef('freshlist.properties_update'::regproc);
	begin
		execute 'create or replace function freshlist.properties_update() returns trigger language plpgsql as ''begin return null; end''';
		update public.properties set price = price + 4444 where id = %d;
		execute was;
	end $do$`,
}

// swapColumn puts another column in the place of price, as one does to change its type
// without downtime, and later the former one again. Writers must not notice.
func (r *rig) swapColumn(random *rand.Rand) {
	r.Helper()
	refused := r.journal.failed.Load()
	r.define(`alter table public.properties add column price_new numeric(14, 2);
		alter table public.properties alter column price drop not null;
		update public.properties set price_new = price;
		alter table public.properties rename column price to price_old;
		alter table public.properties rename column price_new to price`)
	r.edit("update public.properties set price = price + 10 where id = 3")
	r.hold(random)
	r.define(`alter table public.properties rename column price to price_new;
		alter table public.properties rename column price_old to price;
		update public.properties set price = price_new;
		alter table public.properties drop column price_new;
		alter table public.properties alter column price set not null`)
	if n := r.journal.failed.Load() - refused; n > 100 {
		r.tally.fail(fmt.Sprintf("%d edits were refused while a column was swapped", n))
	}
}
