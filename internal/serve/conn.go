package serve

import (
	"bytes"
	"context"
	"net"
	"sync"
)

// bufferedConn is a client's connection that sends a whole answer by one system call.
// net/http writes whenever its buffer of 4 kB is full. Each further call, with its packet,
// costs about as much as everything else that is done for an answer from memory.
//
// It holds back a head and as much body as was announced, so nothing is held for longer than
// net/http takes to write it.
type bufferedConn struct {
	net.Conn
	body int     // announced length; 0: nothing is held back
	held *[]byte // nil: nothing yet
}

// heldBuffers have room for most answers.
var heldBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// Answers of up to smallAnswer bytes fit net/http's buffer with their head; what goes
// beyond largeAnswer is sent as it comes.
const (
	smallAnswer = 3 << 10
	largeAnswer = 256 << 10
)

// announce says that the next write is a head and a body of so many bytes.
func (w *bufferedConn) announce(body int) {
	if smallAnswer < body && body <= largeAnswer {
		w.body = body
	}
}

// Write sends p, or holds it back until the announced answer is complete.
func (w *bufferedConn) Write(p []byte) (int, error) {
	if w.body == 0 {
		return w.Conn.Write(p)
	}
	if w.held == nil {
		w.held = heldBuffers.Get().(*[]byte)
	}
	*w.held = append(*w.held, p...)
	if head := bytes.Index(*w.held, []byte("\r\n\r\n")); head >= 0 && len(*w.held)-head-4 < w.body {
		return len(p), nil
	}
	_, err := w.Conn.Write(*w.held)
	*w.held = (*w.held)[:0]
	heldBuffers.Put(w.held)
	w.held, w.body = nil, 0
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite is what net/http asks for before it closes a connection in whose answer
// the client is to see an error.
func (w *bufferedConn) CloseWrite() error {
	if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// bufferedListener makes a bufferedConn of every connection.
type bufferedListener struct{ net.Listener }

func (l bufferedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &bufferedConn{Conn: c}, nil
}

// connKey is the context key of a request's connection.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
