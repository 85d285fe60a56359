package faultproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/freshlist/freshlist/internal/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that sends each line back, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return "echo://" + l.Addr().String()
}

type client struct {
	*testing.T
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, address string) client {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return client{t, conn, bufio.NewReader(conn)}
}

func (c client) say(line string) {
	c.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		c.Fatal(err)
	}
}

func (c client) hear(want string) {
	c.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		c.Fatal(err)
	}
	if got, err := c.lines.ReadString('\n'); err != nil || got != want+"\n" {
		c.Fatalf("heard %q (%v), want %q", got, err, want)
	}
}

func (c client) hearNothing() {
	c.Helper()
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
		c.Fatal(err)
	}
	if got, err := c.lines.ReadString('\n'); !isTimeout(err) {
		c.Fatalf("heard %q (%v), want silence", got, err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestSilence(t *testing.T) {
	t.Parallel()
	server := echo(t)
	for _, way := range []faultproxy.Direction{faultproxy.ToServer, faultproxy.ToClient, faultproxy.Both} {
		proxy := faultproxy.New(t, server)
		old := dial(t, proxy.URL(server))
		old.say("one")
		old.hear("one")

		proxy.Silence(way)
		old.say("two")
		old.hearNothing()
		fresh := dial(t, proxy.URL(server))
		fresh.say("three")
		fresh.hearNothing()

		proxy.Resume()
		old.hear("two")
		fresh.hear("three")
	}
}

func TestSilenceHoldsTheEnd(t *testing.T) {
	t.Parallel()
	server := echo(t)
	proxy := faultproxy.New(t, server)
	c := dial(t, proxy.URL(server))
	c.say("one")
	c.hear("one")
	proxy.Silence(faultproxy.ToServer)
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.hearNothing()
	proxy.Resume()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.lines.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the end went through: %v, want the server's end", err)
	}
}

func TestCutAndRefuse(t *testing.T) {
	t.Parallel()
	server := echo(t)
	proxy := faultproxy.New(t, server)
	c := dial(t, proxy.URL(server))
	c.say("one")
	c.hear("one")

	proxy.Cut()
	if _, err := c.lines.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("after a cut: %v, want a reset", err)
	}
	c = dial(t, proxy.URL(server))
	c.say("two")
	c.hear("two")

	proxy.Refuse()
	if _, err := c.lines.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("refused: %v, want a reset", err)
	}
	expectReset(t, proxy.URL(server))
	proxy.Resume()
	c = dial(t, proxy.URL(server))
	c.say("three")
	c.hear("three")
}

func TestServerGone(t *testing.T) {
	t.Parallel()
	proxy := faultproxy.New(t, "echo://127.0.0.1:1")
	expectReset(t, proxy.URL("echo://127.0.0.1:1"))
}

// expectReset connects and wants a reset, at once or at the first read.
func expectReset(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err == nil {
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %v, want a reset", err)
	}
}
