package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/schema"
)

// install takes a file, says what is wrong with it or worth a second look, and what it did.
func TestInstall(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn, err := pgx.Connect(t.Context(), db.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "create table homes (id int primary key, city text, price numeric(10, 2))"); err != nil {
		t.Fatal(err)
	}
	e := environmentOf(db.Owner, "", "")
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("homes.yaml", "tables: {homes: {columns: {city: {filter: any-of}, price: {sort: true}}}}")
	var relations []string
	parsed, _ := description.Parse(schema.Shipped().Name, schema.Shipped().Text)
	for _, relation := range parsed.Relations() {
		relations = append(relations, relation.String())
	}
	shipped := strings.Join(relations, ", ")
	for _, step := range []struct {
		args      []string
		said, err string
		code      int
	}{
		{[]string{"install"}, "capture installed: " + shipped + "\n", "", 0},
		{[]string{"install"}, "capture was in order, nothing changed: " + shipped + "\n", "", 0},
		{[]string{"install", good}, "capture installed: public.homes\n", "", 0},
		{[]string{"install", good}, "capture was in order, nothing changed: public.homes\n", "", 0},
		{[]string{"install", file("bad.yaml", "tables: {homes: {columns: {citi: {}, prize: {}}}}")}, "", "2 faults in", 1},
		{[]string{"install", filepath.Join(t.TempDir(), "none.yaml")}, "", "read the description", 1},
	} {
		said, err := command(t, e, step.args...)
		code := 0
		if err != nil {
			code = cli.ExitCode(err)
		}
		if said != step.said || code != step.code || (err == nil) != (step.err == "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%q: said %q, exit %d, %v", step.args, said, code, err)
		}
	}
	var warnings strings.Builder
	if err := run(t.Context(), []string{"install", good}, e.get, new(strings.Builder), &warnings); err != nil || !strings.Contains(warnings.String(), "warning: no index") {
		t.Errorf("the warnings are %q, %v", warnings.String(), err)
	}
}

// An invalidator that starts keeps the description that is installed, and takes up what has
// changed in the tables.
func TestRunKeepsTheDescription(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn, err := pgx.Connect(t.Context(), db.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("create table homes (id int primary key, price numeric(10, 2) not null)")
	path := filepath.Join(t.TempDir(), "homes.yaml")
	err = os.WriteFile(path, []byte("tables: {homes: {columns: {price: {sort: true}}}}"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command(t, environmentOf(db.Owner, "", ""), "install", path); err != nil {
		t.Fatal(err)
	}
	exec("alter table homes alter price drop not null")
	r := redistest.New(t)
	log := start(t, environmentOf(db.Owner, r.URL, r.Prefix))
	await(t, "the installation", func() bool { return strings.Contains(log.String(), "triggers installed") })
	await(t, "a beat", func() bool { return strings.Contains(log.String(), "the cache is used") })
	var tables int
	var file string
	if err := conn.QueryRow(t.Context(), "select jsonb_array_length(body::jsonb -> 'tables'), file from freshlist.description").Scan(&tables, &file); err != nil || tables != 1 || file != path {
		t.Errorf("%d tables of %s, %v", tables, file, err)
	}
}
