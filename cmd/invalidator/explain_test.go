package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
	"github.com/freshlist/freshlist/internal/redistest"
)

// parse runs a command with -o json and reads what it prints.
func parse(t *testing.T, e environment, into any, args ...string) {
	t.Helper()
	said, err := command(t, e, append(args, "-o", "json")...)
	if err == nil {
		err = json.Unmarshal([]byte(said), into)
	}
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, said)
	}
}

// The commands on a running invalidator: what is cached and what would purge it, what a statement
// would purge, what was purged, how much is read, and removing by hand.
func TestCommandsOnARunningInvalidator(t *testing.T) {
	t.Parallel()
	db, r := migrated.New(t), redistest.New(t)
	log := start(t, environmentOf(db.Invalidator, r.URL, r.Prefix))
	await(t, "a beat", func() bool { return strings.Contains(log.String(), "the cache is used") })
	addr := addressIn(t, log)
	e := environmentOf(db.Owner, r.URL, r.Prefix)
	e["INVALIDATOR_ADDR"] = addr
	conn, err := pgx.Connect(t.Context(), db.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	const insert = "insert into properties (id, title, property_type, price, city) values (17, 't', 'Condo', 1, 'FOLSOM')"
	fill(t, db.API, r)

	var a explain.Address
	parse(t, e, &a, "explain", "/v1/properties/17")
	if a.Query != "properties/17" || !a.Cached || !a.Live || !a.Served || len(a.Values) != 2 || a.Values[0].Since == nil || len(a.PurgedBy) < 3 {
		t.Errorf("explain: %+v", a)
	}
	said, err := command(t, e, "explain", "http://homes.example/properties/17?utm_source=x")
	for _, want := range []string{"query     properties/17", "not as html", "INSERT or DELETE", "id = 17", "ago"} {
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("explain of the page: %v, no %q in\n%s", err, want, said)
		}
	}
	if said, err := command(t, e, "explain", "/v1/nothing"); err == nil || !strings.Contains(err.Error(), "/v1/properties") {
		t.Errorf("explain of what is not there: %q, %v", said, err)
	}

	var s explain.Statement
	parse(t, e, &s, "explain", "--sql", insert)
	if s.Rows != 1 || s.Live != 1 || s.Purged != 1 || s.Spared != 0 || len(s.Queries) != 1 || s.Queries[0].Query != "properties/17" || s.Queries[0].Why == "" || len(s.Notes) > 0 {
		t.Errorf("explain --sql: %+v", s)
	}
	elsewhere := maps.Clone(e)
	elsewhere["INVALIDATOR_ADDR"] = "127.0.0.1:1"
	said, err = command(t, elsewhere, "explain", "--sql", insert)
	if err != nil || !strings.Contains(said, "1 would be purged") || !strings.Contains(said, "no leader answers at INVALIDATOR_ADDR") {
		t.Errorf("explain --sql without a leader: %v\n%s", err, said)
	}
	said, err = command(t, e, "explain", "--sql", insert)
	if err != nil || !strings.Contains(said, "1 would be purged, 0 spared") || !strings.Contains(said, "insert properties 17") || !strings.Contains(said, "comes to be") {
		t.Errorf("explain --sql: %v\n%s", err, said)
	}
	for sql, want := range map[string]string{
		"drop table properties": "DROP is refused", "commit": "COMMIT is refused", "update properties set price = -1; commit": "multiple commands",
		"vacuum": "VACUUM is refused", "select setval('properties_id_seq', 7)": "setval", "": "no statement", "update nothing set a = 1": "nothing",
	} {
		if said, err := command(t, e, "explain", "--sql", sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("explain --sql %q: %q, %v; want %q", sql, said, err, want)
		}
	}
	asAPI := environmentOf(db.API, r.URL, r.Prefix)
	if _, err := command(t, asAPI, "explain", "--sql", insert); err == nil || !strings.Contains(err.Error(), "owns the tables") {
		t.Errorf("explain --sql as the API's role: %v", err)
	}
	var rows, captured int
	if err := conn.QueryRow(t.Context(), "select (select count(*) from properties), (select count(*) from freshlist.properties_changes)").Scan(&rows, &captured); err != nil || rows+captured > 0 {
		t.Errorf("explain has left %d rows and %d changes, %v", rows, captured, err)
	}

	lines := &output{}
	tailing, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(tailing, []string{"tail", "-o", "json"}, e.get, lines, io.Discard) }()
	await(t, "a line of tail", func() bool {
		if lines.String() == "" {
			_, err = conn.Exec(t.Context(), "delete from properties")
			if err == nil {
				_, err = conn.Exec(t.Context(), insert)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return strings.Count(lines.String(), "\n") > 0
	})
	stop()
	if err := <-ended; err != nil {
		t.Errorf("tail ended with %v", err)
	}
	var change activity.Change
	if err := json.Unmarshal([]byte(strings.SplitAfter(lines.String(), "\n")[0]), &change); err != nil || change.Table != "properties" || change.At.IsZero() {
		t.Errorf("tail: %s, %v", lines, err)
	}

	space := rediskey.Space{Prefix: r.Prefix, Partitions: 1}
	for i, requests := range []uint64{100, 400} {
		row := activity.Process{ID: "p", Host: "h", At: time.Now(), Started: time.Now().Add(-time.Hour), Caching: true, Requests: requests,
			Levels: map[string]activity.Counts{"l1": {Hits: requests, Misses: uint64(i) * 100}}}
		if err := rediscache.WriteProcess(t.Context(), r.Client, space, row); err != nil {
			t.Fatal(err)
		}
	}
	var top snapshot
	parse(t, e, &top, "top", "--every", "1s")
	if len(top.Processes) != 1 || top.Processes[0].Requests != 400 || top.Traffic.Processes != 1 || !top.Purges.Heard {
		t.Errorf("top: %+v", top)
	}
	if said, err := command(t, e, "top", "--every", "1s"); err != nil || !strings.Contains(said, "API processes 1, caching 1") {
		t.Errorf("top: %v\n%s", err, said)
	}

	var gone purged
	refill := func() {
		t.Helper()
		await(t, "the removal", func() bool { // what filled before is a row by now: its view was purged
			return r.Client.Exists(t.Context(), space.View("json", "properties/17")).Val() == 0
		})
		fill(t, db.API, r)
	}
	for _, test := range []struct {
		args    []string
		removed int
	}{
		{[]string{"purge", "/properties/17"}, 1}, {[]string{"purge", "--table", "properties"}, 1}, {[]string{"purge", "--all"}, 1}, {[]string{"purge", "/v1/properties"}, 0},
	} {
		refill()
		parse(t, e, &gone, test.args...)
		if gone.Removed != test.removed {
			t.Errorf("%q: %+v, want %d removed", test.args, gone, test.removed)
		}
	}
	if _, err := command(t, e, "purge", "--table", "houses"); err == nil || !strings.Contains(err.Error(), "one of properties") {
		t.Errorf("purge of no table: %v", err)
	}

	var status struct{ Role string }
	if parse(t, e, &status, "status"); status.Role != "leader" {
		t.Errorf("status: %+v", status)
	}
	if said, err := command(t, e, "status", "-o", "text"); err != nil || !strings.Contains(said, "role          leader") {
		t.Errorf("status: %v\n%s", err, said)
	}
	var verified struct {
		Outcomes map[string]int
		Differ   int
	}
	if parse(t, e, &verified, "verify"); verified.Differ != 0 || verified.Outcomes["agree"] != 1 {
		t.Errorf("verify: %+v", verified)
	}
	var findings []finding
	doctor := environmentOf(db.Invalidator, r.URL, r.Prefix)
	doctor["INVALIDATOR_ADDR"] = addr
	if parse(t, doctor, &findings, "doctor"); len(findings) < 10 || findings[0].Check == "" || findings[0].Verdict != "ok" {
		t.Errorf("doctor: %+v", findings)
	}
	if log := log.String(); strings.Contains(log, "redis_lost") || strings.Count(log, "new epoch") > 1 {
		t.Errorf("the invalidator began anew: %s", log)
	}
}

// A variable that looks like one of ours is named, and the one that is meant.
func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	_ = run(t.Context(), []string{"health"}, environment{}.get, io.Discard, &stderr, "STALENES_BOUND=5s", "PATH=/bin")
	if said := stderr.String(); !strings.Contains(said, "STALENES_BOUND") || !strings.Contains(said, "STALENESS_BOUND") || strings.Contains(said, "PATH") {
		t.Errorf("it says %q", said)
	}
	stderr.Reset()
	_ = run(t.Context(), []string{"completion", "bash"}, environment{}.get, io.Discard, &stderr, "STALENES_BOUND=5s")
	if stderr.Len() > 0 {
		t.Errorf("completion says %q", stderr.String())
	}
}
