package watch_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/serve"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// event is one of a stream. A comment has the name ":".
type event struct{ name, id, etag string }

// stream is an open stream.
type stream struct {
	t      testing.TB
	events chan event // closed at its end
	header http.Header
	retry  chan string
	close  context.CancelFunc
}

// open opens a stream, which ends with the test.
func open(t testing.TB, url string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s is %s, %v", url, answer.Status, answer.Header)
	}
	s := &stream{t, make(chan event, 1000), answer.Header, make(chan string, 10), cancel}
	done := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-done
	})
	go func() {
		defer close(done)
		defer close(s.events)
		defer answer.Body.Close()
		var e event
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				var data struct{ ETag string }
				if err := json.Unmarshal([]byte(value), &data); err != nil {
					t.Errorf("data %q: %v", value, err)
				}
				e.etag = data.ETag
			case "retry":
				s.retry <- value
			case "":
				if lines.Text() == ":" {
					e.name = ":"
				} else if e.name != "" {
					s.events <- e
					e = event{}
				}
			}
		}
	}()
	return s
}

// next returns the next event that is not a comment.
func (s *stream) next() event {
	s.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				s.t.Fatal("the stream has ended")
			}
			if e.name != ":" {
				return e
			}
		case <-timeout:
			s.t.Fatal("no event")
		}
	}
}

// expect fails unless the next event has a name. It returns its entity tag.
func (s *stream) expect(name string) string {
	s.t.Helper()
	e := s.next()
	if e.name != name || e.id != e.etag || len(e.id) < 3 || e.id[0] != '"' {
		s.t.Fatalf("the event is %+v, want %s", e, name)
	}
	return e.id
}

// until waits for an event of a name, past others: on a busy machine a beat may come late.
func (s *stream) until(name string) string {
	s.t.Helper()
	for {
		if e := s.next(); e.name == name {
			return e.id
		}
	}
}

// none fails if an event has come.
func (s *stream) none() {
	s.t.Helper()
	for {
		select {
		case e := <-s.events:
			if e.name != ":" {
				s.t.Fatalf("event %+v, want none", e)
			}
		default:
			return
		}
	}
}

// tag returns the entity tag that an address has now.
func tag(t testing.TB, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.Header.Get("ETag")
}

// What is watched: each kind of answer, in both formats, also a row that is not there.
func TestEveryAnswerIsWatched(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	d.Invalidate()
	s := d.API().Serve()
	for _, target := range []string{
		"/v1/properties/7", "/properties/7", "/v1/properties?city=FOLSOM", "/?city=FOLSOM", "/v1/properties/summary", "/v1/properties/5000000",
	} {
		d.AwaitApplied(d.Exec("delete from properties where id = 5000000"))
		w := open(t, s.URL+target)
		if vary := w.header.Get("Vary"); vary != "Accept-Encoding, Accept" || w.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Vary is %q, Cache-Control %q", target, vary, w.header.Get("Cache-Control"))
		}
		first := w.expect("change")
		if got := tag(t, s.URL+target); got != first {
			t.Errorf("%s: the first event is %s, the answer %s", target, first, got)
		}
		d.Exec("update properties set title = title || '.', price = price + 1, city = 'FOLSOM', created_at = now() where id = 7")
		d.Exec("insert into properties (id, title, property_type, price, city) values (5000000, 'x', 'y', 1, 'z')")
		changed := w.expect("change")
		if changed == first {
			t.Errorf("%s: a change event without a change", target)
		}
		for got := tag(t, s.URL+target); got != changed; got = tag(t, s.URL+target) {
			changed = w.expect("change") // the second edit's
		}
		w.close()
	}
}

// Many who watch the same cost one read for each change, and no event comes where the answer
// stays the same.
func TestOneReadForAll(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	d.Invalidate()
	s := d.API().Serve()
	const many = 50
	var all []*stream
	for range many {
		w := open(t, s.URL+"/v1/properties/7")
		w.expect("change")
		all = append(all, w)
	}
	other := open(t, s.URL+"/v1/properties/8")
	other.expect("change")
	if reads := s.Metrics.StreamReads.Value(); reads != 2 {
		t.Errorf("%d reads for %d streams of two answers", reads, many+1)
	}
	before, database := s.Metrics.StreamReads.Value(), s.Metrics.DatabaseReads.Value()
	d.Exec("update properties set price = price + 1 where id = 7")
	want := all[0].expect("change")
	for _, w := range all[1:] {
		if got := w.expect("change"); got != want {
			t.Errorf("one is told %s, another %s", got, want)
		}
	}
	if reads := s.Metrics.StreamReads.Value() - before; reads != 1 {
		t.Errorf("%d reads for one change", reads)
	}
	if reads := s.Metrics.DatabaseReads.Value() - database; reads != 1 {
		t.Errorf("%d reads of the database for one change", reads)
	}
	// There and back in one transaction: purged, and the same.
	before = s.Metrics.StreamReads.Value()
	d.Exec("update properties set price = price + 1 where id = 7; update properties set price = price - 1 where id = 7")
	d.Await("another read", func() bool { return s.Metrics.StreamReads.Value() > before })
	d.Exec("update properties set price = price + 5 where id = 7") // whose event comes next
	for _, w := range all {
		if got := w.expect("change"); got == want {
			t.Error("an event without a change")
		}
	}
	other.none()
	if open := s.Metrics.Streams.Value(); open != many+1 {
		t.Errorf("freshlist_streams is %v, want %d", open, many+1)
	}
}

// While purges are not heard the client is told so, and the answer is asked for every B; when
// they are, it is told, and goes on.
func TestLostAndHeard(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Bound: time.Second})
	d.Seed(0)
	i := d.Invalidate()
	s := d.API().Serve()
	w := open(t, s.URL+"/v1/properties/7")
	w.until("change")
	i.Stop()
	w.until("lost")
	d.Exec("update properties set price = price + 1 where id = 7")
	w.until("change") // by asking
	late := open(t, s.URL+"/v1/properties/7")
	late.until("change")
	late.until("lost")
	d.Invalidate()
	w.until("heard")
	late.until("heard")
	d.Exec("update properties set price = price + 1 where id = 7")
	w.until("change")
	late.until("change")
}

// A query for which there is no room in Redis is not registered: nobody would hear of it.
func TestUnregisteredIsLost(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Live: 1})
	d.Seed(0)
	d.Invalidate()
	s := d.API().Serve()
	first := open(t, s.URL+"/v1/properties/7")
	first.expect("change")
	second := open(t, s.URL+"/v1/properties/8")
	second.expect("change")
	second.expect("lost")
	d.Exec("update properties set price = price + 1 where id = 8")
	second.expect("change")
	first.none()
}

// What ends by its TTL is registered again: a change after it is told.
func TestTheEndOfAnEntryIsNoEnd(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	d.Invalidate()
	s := d.API(func(p *deployment.Process) {
		p.Limits.View, p.Limits.Queryset = 50*time.Millisecond, 50*time.Millisecond
	}).Serve()
	w := open(t, s.URL+"/v1/properties/7")
	before := w.expect("change")
	for range 3 {
		reads := s.Metrics.StreamReads.Value()
		d.Await("the entry's end", func() bool { return s.Metrics.StreamReads.Value() > reads })
		d.Exec("update properties set price = price + 1 where id = 7")
		after := w.expect("change")
		if after == before {
			t.Error("an event without a change")
		}
		before = after
	}
}

// No change is missed, whenever it comes: streams are opened while edits run, and each ends
// with the last state.
func TestNoChangeIsMissed(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{Partitions: 3})
	d.Seed(0)
	d.Invalidate()
	servers := []*deployment.Server{d.API().Serve(), d.API().Serve()}
	targets := []string{"/v1/properties/7", "/v1/properties?city=FOLSOM&sort=price", "/properties/7", "/v1/properties/summary?city=FOLSOM"}
	d.Exec("update properties set city = 'FOLSOM' where id = 7")
	for round := range 30 {
		var all []*stream
		var of []string
		edited := make(chan uint64)
		go func() {
			var last uint64
			for i := range 5 {
				last = d.Exec("update properties set price = $1 where id = 7", 1000+round*10+i)
			}
			edited <- last
		}()
		for i, target := range targets {
			url := servers[(round+i)%2].URL + target
			all, of = append(all, open(t, url)), append(of, url)
		}
		d.AwaitApplied(<-edited)
		for i, w := range all {
			last := w.expect("change")
			want := tag(t, of[i])
			for last != want {
				last = w.expect("change")
			}
			w.close()
		}
	}
}

// WATCH_MAX bounds the streams; a stream that ends makes room.
func TestMostStreams(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	d.Invalidate()
	s := d.API().Serve(func(o *serve.Options) { o.Streams.Max = 2 })
	one := open(t, s.URL+"/v1/properties/7")
	open(t, s.URL+"/v1/properties/8")
	third := func() *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/v1/properties/9", nil)
		d.Must(err)
		r.Header.Set("Accept", "text/event-stream")
		answer, err := http.DefaultClient.Do(r)
		d.Must(err)
		answer.Body.Close()
		return answer
	}
	if r := third(); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("the third stream is %s, %v", r.Status, r.Header)
	}
	one.close()
	d.Await("room", func() bool { return s.Metrics.Streams.Value() == 1 })
	open(t, s.URL+"/v1/properties/9").expect("change")
}

// A stop ends streams as whole answers, and says when to ask again.
func TestTheEndOfAServer(t *testing.T) {
	t.Parallel()
	d := deployment.New(t, deployment.Options{})
	d.Seed(0)
	d.Invalidate()
	s := d.API().Serve(func(o *serve.Options) { o.Streams.Comment = time.Millisecond })
	w := open(t, s.URL+"/v1/properties/7")
	w.expect("change")
	if e := <-w.events; e.name != ":" {
		t.Errorf("event %+v, want a comment", e)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	for range w.events {
	}
	if first, last := <-w.retry, <-w.retry; first != "1000" || last == "" {
		t.Errorf("retry is %s, at the end %s", first, last)
	}
}
