package database_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/serve/database"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const timeout = time.Minute

// open returns a pool of at most n connections.
func open(t *testing.T, url string, n int) *database.Pool {
	t.Helper()
	pool, err := database.Open(database.Config{URL: url, Application: "test", MaxConns: n, Timeout: timeout})
	if err != nil {
		t.Fatalf("open pool: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// with returns an address with one more parameter.
func with(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// connect returns a connection of one's own.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// fill inserts rows of a table, in one statement.
func fill(t *testing.T, conn *pgx.Conn, table *listing.Table, rows []listing.Row) {
	t.Helper()
	var names, values, sources []string
	var args []any
	for i := range table.Columns {
		c := &table.Columns[i]
		if c.Generated {
			continue
		}
		texts := make([]*string, len(rows))
		for n := range rows {
			if !rows[n].Null(i) {
				text := sqlText(c, rows[n].Values[i])
				texts[n] = &text
			}
		}
		args = append(args, texts)
		alias := fmt.Sprintf("v%d", i)
		names = append(names, description.QuoteIdentifier(c.Name))
		values, sources = append(values, alias+"::"+c.Castable()), append(sources, alias)
	}
	parameters := make([]string, len(args))
	for i := range args {
		parameters[i] = fmt.Sprintf("$%d::text[]", i+1)
	}
	exec(t, conn, fmt.Sprintf("insert into %s (%s) overriding system value select %s from unnest(%s) as v (%s)", table.Relation.SQL(),
		strings.Join(names, ", "), strings.Join(values, ", "), strings.Join(parameters, ", "), strings.Join(sources, ", ")), args...)
}

// sqlText spells a value as PostgreSQL reads it. Arrays are as they are captured.
func sqlText(c *listing.Column, v listing.Value) string {
	if c.Element == nil {
		return c.Spell(v)
	}
	elements := elementsOf(v)
	for i, e := range elements {
		elements[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(e) + `"`
	}
	return "{" + strings.Join(elements, ",") + "}"
}

// sqlJSON spells a captured array as JSON.
func sqlJSON(v listing.Value) string {
	elements := elementsOf(v)
	for i, e := range elements {
		text, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		elements[i] = string(text)
	}
	return "[" + strings.Join(elements, ",") + "]"
}

// elementsOf returns the elements of a captured array, as they are spelled.
func elementsOf(v listing.Value) []string {
	elements := []string{}
	for rest := []byte(v.Text); len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		elements = append(elements, string(rest[n:n+int(size)]))
		rest = rest[n+int(size):]
	}
	return elements
}

// setEpoch writes a marker of an epoch of the description that ships.
func setEpoch(t *testing.T, conn *pgx.Conn, epoch string) {
	t.Helper()
	exec(t, conn, `insert into freshlist.marker (revision, epoch, description, term, system_identifier, database_oid,
			catalog, agreed, uncaptured, generations, positions, fence_terms, fence_seqs, fence_batches)
		values (1, $1, $2, 1, 1, 1, '', '', '{}', '{}', '{}', '{}', '{}', '{}')`, epoch, listingtest.Site().Identity)
}

func nothing() {}
