package csvimport_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/csvimport"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// database is one with described tables.
type database struct {
	*testing.T
	*pgx.Conn
	site *listing.Site
}

// open returns the database of the shipped site or, with a description, one with other tables.
func open(t *testing.T, sql, file string) database {
	t.Helper()
	conn, err := session.For("test").With("search_path", session.TriggerPath).Connect(t.Context(), migrated.New(t).Owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	d := database{T: t, Conn: conn}
	d.exec("set search_path = public; " + sql + "; set search_path = " + session.TriggerPath)
	if file != "" {
		if _, err := schema.InstallFile(t.Context(), conn, schema.File{Name: "listings.yaml", Text: file}); err != nil {
			t.Fatal(err)
		}
	}
	description, err := schema.ReadDescription(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	d.site = listing.NewSite(description)
	return d
}

func (d database) exec(sql string) {
	d.Helper()
	if _, err := d.Exec(d.Context(), sql); err != nil {
		d.Fatalf("%s: %v", sql, err)
	}
}

// load imports a text into the home table.
func (d database) load(text, key string) (csvimport.Summary, error) {
	d.Helper()
	return csvimport.Import(d.Context(), d.Conn, d.site.Home(), strings.NewReader(text), csvimport.Options{File: "f.csv", Key: key})
}

// want imports a text and compares what was done.
func (d database) want(text string, added, changed, same int64) csvimport.Summary {
	d.Helper()
	s, err := d.load(text, "")
	if err != nil || s.Added != added || s.Changed != changed || s.Same != same || s.Rows != added+changed+same {
		d.Errorf("%.60q: %+v, %v; want %d added, %d changed, %d the same", text, s, err, added, changed, same)
	}
	return s
}

// faults imports a text that has faults, and nothing else must be said of it.
func (d database) faults(text, key string, want ...string) {
	d.Helper()
	before := d.text("select string_agg(p::text, E'\n' order by id) from " + d.site.Home().Relation.SQL() + " as p")
	_, err := d.load(text, key)
	var faults *csvimport.Faults
	if !errors.As(err, &faults) {
		d.Fatalf("%.60q: %v", text, err)
	}
	var said []string
	for _, f := range faults.First {
		said = append(said, fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.Detail))
	}
	if !slices.Equal(said, want) {
		d.Errorf("%.60q: said is\n%s\nwant\n%s", text, strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	if after := d.text("select string_agg(p::text, E'\n' order by id) from " + d.site.Home().Relation.SQL() + " as p"); after != before {
		d.Errorf("%.60q: rows have changed", text)
	}
}

func (d database) text(query string) string {
	d.Helper()
	var text *string
	if err := d.QueryRow(d.Context(), query).Scan(&text); err != nil {
		d.Fatalf("%s: %v", query, err)
	}
	if text == nil {
		return ""
	}
	return *text
}

func TestReso(t *testing.T) {
	t.Parallel()
	d := open(t, "select", "")
	file, err := os.ReadFile("../../docs/examples/reso.csv")
	if err != nil {
		t.Fatal(err)
	}
	s := d.want(string(file), 10, 0, 0)
	if !s.Analyzed || !slices.ContainsFunc(s.Ignored, func(n string) bool { return strings.HasPrefix(n, `"BathroomsTotalInteger" is not taken: bathrooms`) }) {
		t.Errorf("%+v", s)
	}
	d.want(string(file), 0, 0, 10)
	d.want(strings.Replace(string(file), "489000", "488000.00", 1), 0, 1, 9)
	const row = "select concat_ws('|', id, title, property_type, status, price, city, bedrooms, bathrooms, living_area, created_at, updated_at, description) from properties where id = "
	for id, want := range map[string]string{
		"900001": "900001|12 Alder Court, Folsom, CA 95630|Residential|for_sale|488000.00|Folsom|3|2.0|1620|2024-03-04 16:20:00+00|2024-03-11 09:05:00+00|" +
			"A single-storey house on a quiet court.\nTwo of its three bedrooms look into the garden.",
		"900007": "900007|Lot 3, Vine Road, Wilton, CA 95693|Land|for_sale|145000.00|Wilton|2024-03-09 19:00:00+00|2024-03-09 19:00:00+00|Level ground, well and power at the road.",
		"900003": "900003|9 Quarry Walk, Elk Grove, CA 95758|Residential|pending|402000.00|Elk Grove|3|2.5|1485|2024-03-06 08:45:00+00|2024-04-02 14:30:00+00|" +
			"End of a row of four; the garage has room for two cars.",
	} {
		if got := d.text(row + id); got != want {
			t.Errorf("%s:\n got %s\nwant %s", id, got, want)
		}
	}
	if id := d.text("insert into properties (title, property_type, price, city) values ('a', 'b', 1, 'c') returning id::text"); id != "900011" {
		t.Errorf("the next row is %s", id)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	d := open(t, "select", "")
	d.want("\ufeffTITLE,property_type,PRICE,City\r\n\"a\r\nb\",Condo, 12.50 ,X\r\n", 1, 0, 0)
	if got := d.text("select title || price from properties"); got != "a\nb12.50" {
		t.Errorf("%q", got)
	}
	d.want("title,property_type,price,city,Bed Rooms,colour,created_at\nt,Condo,1e2,X,,red,2024-01-02 03:04:05+00\nt,Condo,007,X,2,,2024-01-02\n", 2, 0, 0)
	d.want("id,title,property_type,price,city\n,new,Condo,1,X\n50,new,Condo,1,X\n", 2, 0, 0)
	if got := d.text("select string_agg(id::text, ' ' order by id) from properties where title = 'new'"); got != "50 51" {
		t.Errorf("the ids are %s", got)
	}
	before := d.text("select updated_at::text from properties where id = 50")
	d.want("id,title,property_type,price,city\n50,newer,Condo,1,X\n", 0, 1, 0)
	if d.text("select updated_at::text from properties where id = 50") == before {
		t.Error("the time of change is as before")
	}
	d.want("id,title,property_type,price,city\n", 0, 0, 0)
	for text, want := range map[string]string{
		"":                                 "its first line has to name the columns",
		"\xff\xfei\x00d\x00":               "UTF-16",
		"PK\x03\x04":                       "a workbook",
		"title;price\nx;1\n":               "separated by semicolons",
		"id\n1\n":                          "no title, or UnparsedAddress, and every row",
		"title,Title,price\n":              `"Title" is there for the second time`,
		"titel,property_type,price,city\n": `is it "titel"?`,
	} {
		if _, err := d.load(text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	d := open(t, "select", "")
	d.want("id,title,property_type,price,city\n1,t,Condo,1,X\n", 1, 0, 0)
	const head = "id,title,property_type,price,city,StandardStatus,latitude,created_at\n"
	d.faults(head+
		"x,t,Condo,1,X,Active,0,2024-01-01\n"+
		"2,,Condo,-1,X,Expired,91,yesterday\n"+
		"3,t,Condo,1\n"+
		"\"4\n\",\xff,Condo,1.005,X,closed,,\n"+
		"5,a\"b,Condo,1,X,,,\n", "",
		`2:1: id "x" must be a whole number from -9223372036854775808 to 9223372036854775807`,
		"3:3: title is empty, and every row of the table needs one",
		`3:10: price "-1" must be a number from 0 to 999999999999.99 with at most 2 decimals`,
		`3:15: StandardStatus "Expired" must be for_sale, pending or sold`,
		`3:23: latitude "91" must be a number from -90 to 90`,
		`3:26: created_at "yesterday" must be an instant, such as 2024-12-31T18:30:00Z or 2024-12-31`,
		"4:0: the line has 4 fields, and the header has 8",
		"6:3: title is not text in UTF-8; save the file in UTF-8",
		`6:11: price "1.005" must be a number from 0 to 999999999999.99 with at most 2 decimals`,
		`7:4: a quotation mark stands within a field without quotes; write the field in quotes, and its own marks twice: "6"" pipe"`,
	)
	d.faults("id,title,property_type,price,city\n7,t,Condo,1,X\n8,t,Condo,1,X\n7,u,Condo,1,X\n", "", `4:0: id "7" is in line 2, too`)
	// What only PostgreSQL knows has its line, too.
	d.faults("id,title,property_type,price,city,created_at\n7,t,Condo,1,X,2024-01-01\n8,t,Condo,1,X,1800-01-01\n9,t,Condo,1,X,2024-01-01\n10,t,Condo,1,X,2300-01-01\n", "",
		`3:0: PostgreSQL refuses the row: new row for relation "properties" violates check constraint "properties_created_at_range"`,
		`5:0: PostgreSQL refuses the row: new row for relation "properties" violates check constraint "properties_created_at_range"`)
	// Many are counted.
	_, err := d.load("title,property_type,price,city\n"+strings.Repeat("t,Condo,x,X\n", 150), "")
	if err == nil || !strings.Contains(err.Error(), "and 50 more\n150 faults in f.csv; nothing was imported") {
		t.Error(err)
	}
}

// A table with types of all kinds, foreign keys and triggers.
func TestForeignTable(t *testing.T) {
	t.Parallel()
	d := open(t, `
		create type tone as enum ('dark', 'Light');
		create domain short as varchar(4);
		create domain needed as text not null;
		create table brokers (id uuid primary key, name text not null);
		create table "Odd Homes" (
			id uuid primary key default gen_random_uuid(), "Ref No" text not null unique, tone tone, tags text[], sizes int[], extra jsonb, code short,
			"Net" numeric, gross numeric generated always as ("Net" * 2) stored, serial bigint generated always as identity unique,
			sold boolean not null default false, day date, broker uuid references brokers deferrable initially deferred, span interval, note text, need needed default 'given', parent uuid references "Odd Homes");
		create function stamp() returns trigger language plpgsql as $$ begin
			if new.note = 'refuse' then raise exception 'no such note'; end if; new.note := coalesce(new.note, 'none'); return new; end $$;
		create trigger stamp before insert or update on "Odd Homes" for each row execute function stamp();
		insert into brokers values ('11111111-1111-1111-1111-111111111111', 'B')`, `
tables:
  homes:
    relation: '"Odd Homes"'
    columns:
      Ref No: {as: ref}
      tone: {from: {Colour: {black: dark}}}
      tags: {}
      sizes: {}
      extra: {}
      code: {}
      Net: {}
      gross: {}
      serial: {}
      sold: {}
      day: {}
      broker: {}
      span: {}
      note: {}
      parent: {}
`)
	s, err := d.load(`REF,colour,tags,sizes,extra,code,net,gross,serial,sold,day,broker,span
r1,Black,"{a,""b, \""c\"""",NULL}","1, 2","{""a"": [1]}",ab,1.50,99,40,yes,2024-02-29,11111111-1111-1111-1111-111111111111,2 days
r2,Light,"[""x"",null]",,,,,,41,,,,
`, "ref")
	if err != nil || s.Added != 2 || len(s.Ignored) != 1 || !strings.Contains(s.Ignored[0], "PostgreSQL computes gross") {
		t.Fatalf("%+v, %v", s, err)
	}
	const row = `select concat_ws('|', tone, tags, sizes, extra, code, "Net", gross, serial, sold, day, broker, span, note) from "Odd Homes" where "Ref No" = `
	if got, want := d.text(row+"'r1'"), `dark|{a,"b, \"c\"",NULL}|{1,2}|{"a": [1]}|ab|1.50|3.00|40|t|2024-02-29|11111111-1111-1111-1111-111111111111|2 days|none`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := d.text(row+"'r2'"), "Light|{x,NULL}|41|f|none"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	d.faults("ref,broker,code\nr3,11111111-1111-1111-1111-111111111111,x\nr4,22222222-2222-2222-2222-222222222222,x\n", "ref",
		`3:0: PostgreSQL refuses the row: insert or update on table "Odd Homes" violates foreign key constraint "Odd Homes_broker_fkey": Key (broker)=(22222222-2222-2222-2222-222222222222) is not present in table "brokers".`)
	d.faults("ref,code\nr3,abcde\nr4,x\n", "ref", "2:0: PostgreSQL refuses the row: value too long for type character varying(4)")
	d.faults("ref,note\nr3,x\nr4,refuse\n", "ref", "3:0: PostgreSQL refuses the row: no such note")
	d.faults("ref,serial\nr3,40\n", "ref", `2:0: PostgreSQL refuses the row: duplicate key value violates unique constraint "Odd Homes_serial_key": Key (serial)=(40) already exists.`)
	d.faults("ref,tone,sizes\nr3,drak,\"1,x\"\n", "ref",
		"2:4: tone \"drak\" must be dark or Light; did you mean dark?",
		`2:9: sizes "1,x" must be an array whose elements are each a whole number from -2147483648 to 2147483647`)
	for key, want := range map[string]string{"tone": "may have the same tone", "nothing": "has no such column", "serial": "the file has no such column"} {
		if _, err := d.load("ref\nr1\n", key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("by %s: %v", key, err)
		}
	}
	if s, err := d.load("ref,net\nr1,1.5\nr2,7\nr5,8\n", "ref"); err != nil || s.Added != 1 || s.Changed != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if got := d.text(`select (serial > 41)::text from "Odd Homes" where "Ref No" = 'r5'`); got != "true" {
		t.Error("the next of the sequence is not behind those of the file")
	}
}
