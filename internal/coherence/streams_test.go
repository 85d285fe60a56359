package coherence

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
)

// Many streams of one answer on one API process: an edit reaches all of them, by one read of the
// database, and a stream costs little memory. STREAMS says how many.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	streams, err := strconv.Atoi(os.Getenv("STREAMS"))
	if err != nil {
		streams = 300
	}
	db, rd := migrated.New(t), redistest.New(t)
	c := fleet.Config{
		Database: db.Roles, Redis: rd.URL, Prefix: rd.Prefix, Bound: 5 * time.Second,
		Env: []string{"WATCH_MAX=" + strconv.Itoa(streams)},
	}
	conn, err := pgx.Connect(t.Context(), db.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("insert into properties (id, title, property_type, price, city) values (1, 'a', 'b', 1, 'FOLSOM')")
	c.Invalidator(t)
	api := c.API(t)
	fleet.Await(t, "caching", func() bool { return api.State().Caching })
	fleet.Await(t, "a hit", func() bool {
		return strings.Contains(api.Header("/v1/properties?city=FOLSOM", "Cache-Status"), "freshlist-l1; hit")
	})

	memory := func() float64 { return api.Metric("process_resident_memory_bytes") }
	before := memory()
	told := make(chan time.Time, 10*streams) // at each change event
	var reading sync.WaitGroup
	var conns []net.Conn
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
		reading.Wait()
	}()
	for i := range streams {
		conn, err := net.Dial("tcp", strings.TrimPrefix(api.URL, "http://"))
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		conns = append(conns, conn)
		// As a browser asks.
		_, err = fmt.Fprintf(conn, "GET /v1/properties?city=FOLSOM HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n"+
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n"+
			"Accept: text/event-stream\r\nCache-Control: no-cache\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n"+
			"Sec-Fetch-Dest: empty\r\nReferer: http://localhost/?city=FOLSOM\r\nAccept-Encoding: gzip, deflate, br\r\n"+
			"Accept-Language: en-US,en;q=0.9\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		reading.Go(func() {
			for lines := bufio.NewReaderSize(conn, 512); ; {
				line, err := lines.ReadSlice('\n')
				if err != nil {
					if err == io.EOF {
						t.Errorf("stream %d has ended", i)
					}
					return
				}
				if string(line) == "event: change\n" {
					told <- time.Now()
				}
			}
		})
	}
	all := func(what string) (last time.Time) {
		t.Helper()
		timeout := time.After(time.Minute)
		for n := range streams {
			select {
			case last = <-told:
			case <-timeout:
				t.Fatalf("%s reached %d of %d streams", what, n, streams)
			}
		}
		return last
	}
	all("the first event")
	per := (memory() - before) / float64(streams) / 1000
	if open := api.Metric("freshlist_streams"); open != float64(streams) {
		t.Errorf("freshlist_streams is %v, want %d", open, streams)
	}
	for range 3 {
		reads := api.Metric("freshlist_database_reads_total")
		begun := time.Now()
		exec("update properties set price = price + 1")
		took := all("the edit").Sub(begun)
		if n := api.Metric("freshlist_database_reads_total") - reads; n != 1 {
			t.Errorf("%v reads of the database for one edit", n)
		}
		t.Logf("%d streams: an edit reached the last after %v; %.1f kB of memory each, %.1f after the edit", streams, took, per,
			(memory()-before)/float64(streams)/1000)
	}
	if streams >= 5000 && per > 40 {
		t.Errorf("a stream takes %.1f kB", per)
	}
}
