package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/csvimport"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
)

func TestImport(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	const reso = "../../docs/examples/reso.csv"
	out, err := api(t, db.Owner, "import", reso)
	if err != nil || !strings.HasPrefix(out, "properties: 10 rows read, 10 added, 0 changed, 0 as they were, in ") {
		t.Errorf("%q, %v", out, err)
	}
	out, err = api(t, db.Owner, "import", reso, "--table", "properties", "--key", "id", "-o", "json")
	var s csvimport.Summary
	if failed := json.Unmarshal([]byte(out), &s); failed != nil || err != nil || s.Rows != 10 || s.Same != 10 || s.Table != "properties" || len(s.Ignored) == 0 {
		t.Errorf("%q, %v, %v", out, err, failed)
	}
	faulty := filepath.Join(t.TempDir(), "faulty.csv")
	if err := os.WriteFile(faulty, []byte("title,property_type,price,city\na,b,c,d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, cli.Wrong, "needs the name of a file"},
		{[]string{reso, reso}, cli.Wrong, "and no"},
		{[]string{reso, "-o", "xml"}, cli.Wrong, "-o xml: it is text or json"},
		{[]string{"nothing.csv"}, cli.Failed, "nothing.csv: no such file"},
		{[]string{"."}, cli.Failed, "is a folder"},
		{[]string{faulty}, cli.Failed, "faulty.csv:2:5: price \"c\" must be a number from 0 to 999999999999.99 with at most 2 decimals\n1 fault in faulty.csv; nothing was imported"},
		{[]string{reso, "--table", "propertis"}, cli.Failed, "did you mean properties?"},
		{[]string{reso, "--table", "x"}, cli.Failed, "described are properties"},
		{[]string{reso, "--key", "pric"}, cli.Failed, "did you mean price?"},
		{[]string{reso, "--key", "price"}, cli.Failed, "two rows of public.properties may have the same price"},
	} {
		out, err := api(t, db.Owner, append([]string{"import"}, test.args...)...)
		if out != "" || cli.ExitCode(err) != test.code || !strings.Contains(err.Error(), test.want) {
			t.Errorf("import %q prints %q, exits with %d: %v; want %d, %q", test.args, out, cli.ExitCode(err), err, test.code, test.want)
		}
	}
	if _, err := api(t, db.API, "import", reso); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("without the rights: %v", err)
	}
}

func TestImportFromStandardInput(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	var out, said bytes.Buffer
	getenv := func(name string) string { return map[string]string{"DATABASE_URL": db.Owner}[name] }
	root := commands(getenv, &out, &said)
	root.SetIn(strings.NewReader("title,property_type,price,city,colour\na,b,1,d,red\n"))
	err := cli.Execute(t.Context(), root, []string{"import", "-"})
	if err != nil || !strings.HasPrefix(out.String(), "properties: 1 rows read, 1 added") || said.String() != "note: \"colour\" is no column of properties and is not taken\n" {
		t.Errorf("%q, %q, %v", &out, &said, err)
	}
}
