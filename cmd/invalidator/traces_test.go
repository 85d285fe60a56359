package main

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/probe"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/tracing/tracetest"
)

// With a collector named, what is purged of a transaction is a trace that says which transaction it was; and
// at the end of the process all of it has been sent.
func TestTracesOfPurges(t *testing.T) {
	t.Parallel()
	db, r, collector := migrated.New(t), redistest.New(t), tracetest.New()
	var xid uint64
	t.Cleanup(func() { // behind the end of the invalidator
		defer collector.Close()
		for _, s := range collector.Spans() {
			if s.Name == "purge" && tracetest.Attribute(s, "freshlist.xid").GetIntValue() == int64(xid) {
				for _, below := range collector.Spans() {
					if string(below.ParentSpanId) == string(s.SpanId) {
						return
					}
				}
				t.Errorf("nothing is below the purge: %s", collector.Text())
			}
		}
		t.Errorf("there is no purge of %d: %s", xid, collector.Text())
	})
	e := environmentOf(db.Invalidator, r.URL, r.Prefix)
	e["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.URL
	log := start(t, e)
	await(t, "a beat", func() bool { return strings.Contains(log.String(), "the cache is used") })
	conn, err := pgx.Connect(t.Context(), db.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	fill(t, db.API, r)
	const insert = `insert into properties (id, title, property_type, price, city) values (17, 't', 'Condo', 1, 'FOLSOM')
		returning pg_current_xact_id()`
	if err := conn.QueryRow(t.Context(), insert).Scan(&xid); err != nil {
		t.Fatal(err)
	}
	await(t, "the purge", func() bool {
		metrics, err := probe.Get(t.Context(), addressIn(t, log), "/metrics")
		return err == nil && strings.Contains(string(metrics), "freshlist_changes_applied_total 1\n")
	})
}
