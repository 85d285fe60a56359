package doctor_test

import (
	"context"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// pooler is a small transaction pooler: it logs in to PostgreSQL by itself, lets
// anybody in, and gives each client's transactions to its backends in turn. What a
// backend says between two transactions waits until the client's next one there.
type pooler struct {
	t        *testing.T
	listener net.Listener
	target   string
	backends int // of each client
	running  sync.WaitGroup
	ctx      context.Context
}

// startPooler returns the pooler's address.
func startPooler(t *testing.T, target string, backends int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &pooler{t: t, listener: listener, target: target, backends: backends, ctx: ctx}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		cancel()
		p.running.Wait()
	})
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = listener.Addr().String(), "sslmode=disable"
	return u.String()
}

func (p *pooler) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.serve(conn) })
	}
}

// serve works for one client until that goes away.
func (p *pooler) serve(conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(p.ctx, func() { _ = conn.Close() })
	defer stop()
	client := pgproto3.NewBackend(conn, conn)
	if _, err := client.ReceiveStartupMessage(); err != nil {
		return
	}
	var servers []*pgproto3.Frontend
	for range p.backends {
		server, err := pgconn.Connect(p.ctx, p.target)
		if err != nil {
			p.t.Errorf("pooler: %v", err)
			return
		}
		defer server.Close(context.WithoutCancel(p.ctx))
		servers = append(servers, server.Frontend())
	}
	client.Send(&pgproto3.AuthenticationOk{})
	client.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for turn := 0; client.Flush() == nil; {
		idle, err := exchange(client, servers[turn%len(servers)])
		if err != nil {
			return
		}
		if idle {
			turn++
		}
	}
}

// exchange passes a client's messages up to the next end of a query to a server, and
// its answer back. idle tells that no transaction is open after it.
func exchange(client *pgproto3.Backend, server *pgproto3.Frontend) (idle bool, err error) {
	for asked := false; !asked; {
		message, err := client.Receive()
		if err != nil {
			return false, err
		}
		server.Send(message)
		switch message.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			asked = true
		case *pgproto3.Terminate:
			return false, net.ErrClosed
		}
	}
	if err := server.Flush(); err != nil {
		return false, err
	}
	for {
		message, err := server.Receive()
		if err != nil {
			return false, err
		}
		client.Send(message)
		if ready, over := message.(*pgproto3.ReadyForQuery); over {
			return ready.TxStatus == 'I', nil
		}
	}
}
