package main

import (
	"io"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// api runs a command line against a database.
func api(t *testing.T, url string, args ...string) (stdout string, err error) {
	t.Helper()
	var out strings.Builder
	getenv := func(name string) string {
		if name == "DATABASE_URL" {
			return url
		}
		return ""
	}
	err = run(t.Context(), args, getenv, &out, io.Discard)
	return out.String(), err
}

// What is printed is a description: of the sample's table, and of nothing else.
func TestDescribe(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	out, err := api(t, db.API, "describe", "public.properties")
	if err != nil {
		t.Fatal(err)
	}
	file, faults := description.Parse("draft", out)
	if len(faults) > 0 || len(file.Tables) != 1 || len(file.Tables[0].Columns) < len(listingtest.Columns()) {
		t.Errorf("%v\n%s", faults, out)
	}
	for _, want := range []string{"label: title\n", "newest: created_at\n", "place: {latitude: latitude, longitude: longitude}\n", "updated_at:    {on: item, write: now}"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
}

func TestDescribeFaults(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"propertys"}, 1, "help: did you mean public.properties?"},
		{[]string{"properties", "freshlist.marker"}, 1, "belongs to PostgreSQL or to freshlist itself"},
		{nil, 2, "needs the name of at least one table\nsee: api describe --help"},
		{[]string{"--rows", "properties"}, 2, "unknown flag: --rows\nsee: api describe --help"},
		{[]string{"a b"}, 2, "is not the name of a table"},
		{[]string{""}, 2, "is not the name of a table"},
		{[]string{"x; drop table properties"}, 2, "is not the name of a table"},
	} {
		out, err := api(t, db.API, append([]string{"describe"}, test.args...)...)
		if out != "" || err == nil || cli.ExitCode(err) != test.code || !strings.Contains(err.Error(), test.want) {
			t.Errorf("describe %q prints %q, exits with %d: %v; want %d, %q", test.args, out, cli.ExitCode(err), err, test.code, test.want)
		}
	}
	if _, err := api(t, "", "describe", "properties"); err == nil || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("without a database: %v", err)
	}
}
