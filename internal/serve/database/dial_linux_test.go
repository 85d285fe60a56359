package database

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLimitUnacknowledged(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := (&net.Dialer{Control: limitUnacknowledged}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var got int
	var failed error
	err = raw.Control(func(fd uintptr) {
		got, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	})
	if err != nil || failed != nil || got != int(deadAfter.Milliseconds()) {
		t.Errorf("TCP_USER_TIMEOUT is %d ms (%v, %v), want %d", got, err, failed, deadAfter.Milliseconds())
	}
}
