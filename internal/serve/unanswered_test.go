package serve_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
)

// halfClose sends bytes and closes the sending side of the connection, as `nc -N` does. It
// returns the answers that come back.
func halfClose(t *testing.T, address, sent string) (answers []answer) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for {
		method, _, _ := strings.Cut(sent, " ")
		response, err := http.ReadResponse(r, &http.Request{Method: method, URL: &url.URL{Path: "half-closed"}})
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Logf("%q: %v", sent, err)
			}
			return answers
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Errorf("%q: read body: %v", sent, err)
		}
		answers = append(answers, answer{response, string(body)})
	}
}

func (a *api) address() string { return a.http.Listener.Addr().String() }

// A client that closes its side when it has sent its request gets the answer that any
// other gets, by every method, on every address, in both versions of HTTP.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, target := range []string{
		"/v1/properties?min_price=991", "/v1/properties/17", "/v1/properties/1700", "/v1/properties/summary", "/", "/properties/17",
		"/readyz", "/healthz", "/metrics", "/openapi.json", "/v1/cache/metrics", "/nothing", "/v1/properties?limit=0",
	} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "TRACE"} {
			want := a.request(method, target, "")
			for _, version := range []string{"1.0", "1.1"} {
				for range 3 {
					got := halfClose(t, a.address(), method+" "+target+" HTTP/"+version+"\r\nHost: x\r\n\r\n")
					if len(got) != 1 || got[0].StatusCode != want.StatusCode || len(got[0].body) == 0 != (len(want.body) == 0) {
						t.Errorf("%s %s HTTP/%s: %+v, want one answer %d", method, target, version, got, want.StatusCode)
					}
				}
			}
		}
	}
	const write = "Host: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"
	body := `{"title": "Half closed", "property_type": "Condo", "price": 7, "city": "FOLSOM"}`
	got := halfClose(t, a.address(), fmt.Sprintf("POST /v1/properties HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", write, len(body), body))
	if len(got) != 1 || got[0].StatusCode != 201 {
		t.Errorf("POST: %+v, want 201", got)
	}
	got = halfClose(t, a.address(), "PATCH /v1/properties/3 HTTP/1.1\r\n"+write+"Content-Length: 12\r\n\r\n"+`{"price": 8}`)
	if len(got) != 1 || got[0].StatusCode != 200 || !strings.Contains(got[0].body, `"price":8.00`) {
		t.Errorf("PATCH: %+v, want 200", got)
	}
	got = halfClose(t, a.address(), "DELETE /v1/properties/3 HTTP/1.1\r\n"+write+"\r\n")
	if len(got) != 1 || got[0].StatusCode != 204 {
		t.Errorf("DELETE: %+v, want 204", got)
	}
}

// Requests that were sent before the first answer are answered one after the other.
func TestPipelining(t *testing.T) {
	t.Parallel()
	a := start(t)
	var sent strings.Builder
	for i := range 20 {
		fmt.Fprintf(&sent, "GET /v1/properties/%d HTTP/1.1\r\nHost: x\r\n\r\n", i+1)
	}
	got := halfClose(t, a.address(), sent.String())
	if len(got) != 20 {
		t.Fatalf("%d answers, want 20", len(got))
	}
	for i, r := range got {
		if r.StatusCode != 200 || !strings.HasPrefix(r.body, fmt.Sprintf(`{"id":%d,`, i+1)) {
			t.Errorf("answer %d: %d %s", i, r.StatusCode, r.body)
		}
	}
}

// count returns how many properties there are.
func (a *api) count() (n int) {
	a.t.Helper()
	if err := a.database.QueryRow(a.t.Context(), "select count(*) from properties").Scan(&n); err != nil {
		a.t.Fatal(err)
	}
	return n
}

// A body that ends early or does not come is no success, and writes nothing.
func TestBodyCutOff(t *testing.T) {
	t.Parallel()
	a := start(t)
	before := a.count()
	const write = "Host: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"
	whole := `{"title": "Cut off", "property_type": "Condo", "price": 7, "city": "FOLSOM"}`
	for what, sent := range map[string]string{
		"cut off":                 "Content-Length: 100\r\n\r\n" + whole,
		"nothing":                 "Content-Length: 100\r\n\r\n",
		"a chunk too few":         "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(whole), whole),
		"within a chunk":          "Transfer-Encoding: chunked\r\n\r\nfff\r\n" + whole,
		"chunks that are none":    "Transfer-Encoding: chunked\r\n\r\nxyz\r\n" + whole,
		"more than it was to be?": "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n" + whole,
	} {
		for _, line := range []string{"POST /v1/properties", "PATCH /v1/properties/5"} {
			got := halfClose(t, a.address(), line+" HTTP/1.1\r\n"+write+sent)
			for _, r := range got {
				if r.StatusCode != 400 && r.StatusCode != 408 && r.StatusCode != 100 {
					t.Errorf("%s, %s: %d %s", line, what, r.StatusCode, r.body)
				}
			}
		}
	}
	if after := a.count(); after != before {
		t.Errorf("%d rows, want the %d there were", after, before)
	}
}

// A body that does not come in time is told so.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	slow := httptest.NewUnstartedServer(a.server)
	slow.Config.ReadHeaderTimeout = time.Minute // a busy machine may be late with the header
	slow.Config.ReadTimeout = 50 * time.Millisecond
	slow.Start()
	t.Cleanup(slow.Close)
	before := a.count()
	conn, err := net.Dial("tcp", slow.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /v1/properties HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Authorization: Bearer "+token+"\r\nContent-Length: 100\r\n\r\n{")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 408 || !response.Close {
		t.Errorf("a body that does not come: %d, close %v, want 408 and the end of the connection", response.StatusCode, response.Close)
	}
	if after := a.count(); after != before {
		t.Errorf("%d rows, want the %d there were", after, before)
	}
}

// patching is Writes whose patches are a function.
type patching struct {
	serve.Writes
	patch func(context.Context) error
}

func (p patching) Patch(ctx context.Context, _ *listing.Table, _ listing.Value, _ database.Fields, _ database.Precondition) (database.Written, error) {
	return database.Written{}, p.patch(ctx)
}

// How long the body of a PATCH takes to come is not taken from the time of the database.
func TestDeadlineBeginsBehindTheBody(t *testing.T) {
	t.Parallel()
	var sent, deadline time.Time
	a := start(t, func(o *serve.Options) {
		o.Writes = patching{patch: func(ctx context.Context) error {
			deadline, _ = ctx.Deadline()
			return database.ErrNotFound
		}}
	})
	conn, err := net.Dial("tcp", a.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "PATCH /v1/properties/17 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Authorization: Bearer "+token+"\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the body is waited for
		t.Fatalf("%q %v", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	sent = time.Now()
	if _, err := io.WriteString(conn, "{}"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 404 || deadline.Before(sent.Add(time.Minute)) {
		t.Errorf("%d; the deadline was %v after the body, want a minute at least", response.StatusCode, deadline.Sub(sent))
	}
}

// What is not answered looks like nothing but that, to a client and to a proxy that
// reuses connections.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	var log logBuffer
	a := start(t, log.debug, func(o *serve.Options) {
		o.Reads = reads(func(ctx context.Context, r readthrough.Request) (readthrough.Answer, error) {
			if r.Query.Key.Number == 13 {
				panic(http.ErrAbortHandler)
			}
			return readthrough.Answer{Status: 200, Body: "{}", ETag: "x"}, nil
		})
	})
	backend, err := url.Parse(a.http.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(backend)
	proxy.ErrorLog = nil
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	for range 5 {
		response, err := a.http.Client().Get(a.http.URL + "/v1/properties/13")
		if err == nil {
			response.Body.Close()
			t.Errorf("unanswered, but the client got %d", response.StatusCode)
		}
		for id, want := range map[int]int{1: 200, 13: 502} {
			response, err := front.Client().Get(fmt.Sprintf("%s/v1/properties/%d", front.URL, id))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("property %d through a proxy: %d, want %d", id, response.StatusCode, want)
			}
		}
	}
}

// A handler that forgets to answer has not said 200.
func TestForgottenAnswer(t *testing.T) {
	t.Parallel()
	var log logBuffer
	a := start(t, log.debug)
	serve.Forget(a.server, "/v1/forgotten")
	response, err := a.http.Client().Get(a.http.URL + "/v1/forgotten")
	if err == nil {
		response.Body.Close()
		t.Errorf("a request that was not answered got %d", response.StatusCode)
	}
	if text := log.String(); !strings.Contains(text, "status=499") || !strings.Contains(text, "level=ERROR") {
		t.Errorf("want an error in the log:\n%s", text)
	}
}
