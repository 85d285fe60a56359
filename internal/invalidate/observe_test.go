package invalidate_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/pgtest"
)

// listening is a client of /events.
type listening struct {
	d     *deployment.Deployment
	lines *bufio.Scanner
}

// listenTo begins to read the events of an invalidator.
func listenTo(d *deployment.Deployment, i *deployment.Invalidator) *listening {
	d.Helper()
	server := httptest.NewServer(i.Handler(http.NotFoundHandler()))
	ctx, cancel := context.WithTimeout(d.Context(), time.Minute)
	d.Cleanup(func() { cancel(); server.Close() })
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/events", nil)
	d.Must(err)
	response, err := http.DefaultClient.Do(r)
	d.Must(err)
	d.Cleanup(func() { response.Body.Close() })
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		d.Fatalf("Content-Type %q", kind)
	}
	l := &listening{d: d, lines: bufio.NewScanner(response.Body)}
	var hello activity.Hello
	if l.next(&hello) != activity.EventHello || hello.Role != "leader" {
		d.Fatalf("the first event is %+v", hello)
	}
	return l
}

// next reads the next event into data and returns its name.
func (l *listening) next(data any) (event string) {
	l.d.Helper()
	for l.lines.Scan() {
		field, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch field {
		case "event":
			event = value
		case "data":
			l.d.Must(json.Unmarshal([]byte(value), data))
		case "":
			if event != "" {
				return event
			}
		}
	}
	l.d.Fatalf("the stream ended: %v", l.lines.Err())
	return ""
}

// change reads the next change.
func (l *listening) change() (c activity.Change) {
	l.d.Helper()
	if event := l.next(&c); event != activity.EventChange {
		l.d.Fatalf("event %s, want a change", event)
	}
	return c
}

// Whoever listens sees each change when it has been purged: the row, what it changed, how many
// queries went and stayed, and why.
func TestEventsOfChanges(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	i := d.Invalidate()
	api := d.API()
	live := []string{"properties/7", "properties/8", "properties?city=FOLSOM&limit=1", "properties/summary"}
	fill := func() {
		t.Helper()
		for _, q := range live {
			api.Get(q, formats[0])
		}
	}
	fill()
	events := listenTo(d, i)
	for _, test := range []struct {
		sql, kind, key string
		columns        []string
		purged         []string
	}{
		{"update properties set price = price + 1 where id = 7", "update", "7", []string{"price"}, []string{"properties/7", "properties/summary"}},
		{"delete from properties where id = 8", "delete", "8", nil, []string{"properties/8", "properties/summary"}},
		{"insert into properties (id, title, property_type, price, city) values (8, 't', 'Condo', 1, 'GALT')", "insert", "8", nil, []string{"properties/8", "properties/summary"}},
		{"select freshlist.properties_whole_table()", "whole", "", nil, live},
	} {
		fill()
		d.Exec(test.sql)
		c := events.change()
		key := ""
		if c.Key != nil {
			key = *c.Key
		}
		if c.Table != "properties" || c.Kind != test.kind || key != test.key || strings.Join(c.Columns, " ") != strings.Join(test.columns, " ") ||
			c.Purged != len(test.purged) || c.Spared != len(live)-len(test.purged) || c.At.IsZero() || c.Delay <= 0 {
			t.Errorf("%s: %+v", test.sql, c)
		}
		purged := map[string]bool{}
		for _, q := range c.Queries {
			if q.Why == "" {
				t.Errorf("%s: nothing says why of %s", test.sql, q.Query)
			}
			if q.Purged {
				purged[q.Query] = true
			}
		}
		for _, q := range test.purged {
			if !purged[q] {
				t.Errorf("%s: %s is not among the purged: %+v", test.sql, q, c.Queries)
			}
		}
		if len(purged) != len(test.purged) || len(c.Queries) != len(live) {
			t.Errorf("%s: %+v", test.sql, c.Queries)
		}
	}
}

// More changes than a reader can follow are counted.
func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	events := listenTo(d, d.Invalidate())
	d.Exec("update properties set price = price + 1")
	shown, omitted := 0, 0
	for shown+omitted < 932 {
		var both struct {
			activity.Change
			activity.Omitted
		}
		switch event := events.next(&both); event {
		case activity.EventChange:
			shown++
		case activity.EventOmitted:
			omitted += both.Changes
		default:
			t.Fatalf("event %s", event)
		}
	}
	if shown == 0 || omitted == 0 || shown+omitted != 932 {
		t.Errorf("%d shown, %d omitted, want 932", shown, omitted)
	}
}

// Where PostgreSQL notes when transactions commit, the time from there to the purge is known. Where
// that cannot be read, the changes are shown without it, and nothing else is different.
func TestEventsKnowTheCommit(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Postgres: pgtest.Start(t, "track_commit_timestamp=on")})
	d.Seed(0)
	i := d.Invalidate()
	events, led := listenTo(d, i), term(d)
	d.Exec("update properties set price = price + 1 where id = 7")
	if c := events.change(); c.CommitToPurge == nil || *c.CommitToPurge <= 0 || *c.CommitToPurge > 60 {
		t.Errorf("%+v", c)
	}
	_, err := d.Superuser().Exec(t.Context(), "revoke execute on function pg_xact_commit_timestamp(xid) from public")
	d.Must(err)
	d.Exec("update properties set price = price + 1 where id = 7")
	if c := events.change(); c.CommitToPurge != nil {
		t.Errorf("%+v", c)
	}
	d.AwaitApplied(d.Exec("update properties set price = price + 1 where id = 7"))
	if now := term(d); now != led {
		t.Errorf("the leadership has ended for what is only shown: term %d, then %d", led, now)
	}
}
