// Package faultproxy is a TCP proxy for tests that misbehaves on command: a link
// that goes silent without a word, in one direction or both, one that is cut, and
// a server that cannot be reached.
//
// A silent link is what a dropped route or a paused machine looks like to its
// ends: nothing arrives, nothing is refused, no connection ends. (The kernel still
// acknowledges what it has buffered, so TCP_USER_TIMEOUT does not see it, only an
// expected answer does.)
package faultproxy

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Direction is one way through a proxy, or both together.
type Direction uint8

// The ways through a proxy.
const (
	ToServer Direction = 1 << iota
	ToClient
	Both = ToServer | ToClient
)

// Proxy forwards connections to one server until it is told otherwise. Its
// methods may be called in parallel.
type Proxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	target  string
	changed sync.Cond // mu: silent or closed has changed
	silent  Direction
	refuses bool
	closed  bool
	links   map[*link]struct{}
}

// link is one forwarded connection.
type link struct{ client, server *net.TCPConn }

// New starts a proxy to the host and port of an address like "postgres://...".
// It ends with the test.
func New(t testing.TB, address string) *Proxy {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Port() == "" {
		t.Fatalf("proxy: no host and port in the address (%v)", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	p := &Proxy{listener: listener, target: u.Host, links: map[*link]struct{}{}}
	p.changed.L = &p.mu
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Redirect has new connections lead to the host and port of another address.
func (p *Proxy) Redirect(t testing.TB, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Port() == "" {
		t.Fatalf("proxy: no host and port in the address (%v)", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = u.Host
}

// URL returns an address with its host and port replaced by the proxy's.
func (p *Proxy) URL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // New has parsed one of its kind
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

// Silence stops forwarding in a direction. What is on its way is kept; new
// connections are accepted, as a kernel would, and stay silent too.
func (p *Proxy) Silence(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent |= d
}

// Resume forwards again in both directions, what was kept first, and accepts
// connections again.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent, p.refuses = 0, false
	p.changed.Broadcast()
}

// Cut resets all connections. New ones are forwarded.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Refuse resets all connections, and each new one, until Resume.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	p.refuses = true
	p.mu.Unlock()
	p.Cut()
}

// Links returns the number of connections that are forwarded now.
func (p *Proxy) Links() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		client := conn.(*net.TCPConn)
		p.running.Go(func() { p.forward(client) })
	}
}

func (p *Proxy) forward(client *net.TCPConn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	conn, err := net.Dial("tcp", target)
	if err != nil {
		(&link{client: client, server: client}).reset()
		return
	}
	l := &link{client: client, server: conn.(*net.TCPConn)}
	if !p.add(l) {
		l.reset()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(l.server, l.client, ToServer) })
	both.Go(func() { p.copy(l.client, l.server, ToClient) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	_ = l.client.Close() // both ways have ended
	_ = l.server.Close()
}

// add takes a link in, unless connections are refused.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses || p.closed {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

// copy forwards one way of a link until its source ends, holding each piece, and
// the end, for as long as the way is silent.
func (p *Proxy) copy(to, from *net.TCPConn, way Direction) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.awaitOpen(way)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				_ = from.CloseRead()
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite()
			return
		case err != nil: // reset: so is the other side
			_ = to.SetLinger(0)
			_ = to.Close()
			return
		}
	}
}

func (p *Proxy) awaitOpen(way Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.silent&way != 0 && !p.closed {
		p.changed.Wait()
	}
}

// reset ends both sides with an RST.
func (l *link) reset() {
	for _, conn := range []*net.TCPConn{l.client, l.server} {
		_ = conn.SetLinger(0) // fails only if it is closed already
		_ = conn.Close()
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.changed.Broadcast()
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Cut()
	p.running.Wait()
}
