package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

const (
	host = "127.0.0.1"
	// Ports that are tried: below the range from which systems take the local
	// ports of outgoing connections, so that a stopped server finds its own free
	// when it starts again.
	firstPort, lastPort = 15000, 32000
	portTries           = 50
)

// FreePort returns a loopback port on which nobody listens: the wanted one, if it
// is one (not 0) and is free, else any. Any other is given to nobody else by
// FreePort, in whatever process, until this process ends.
func FreePort(wanted int) (int, error) {
	if wanted != 0 && portFree(wanted) {
		return wanted, nil
	}
	return freePortBetween(firstPort, lastPort)
}

func freePortBetween(first, last int) (int, error) {
	for range portTries {
		if port := first + rand.IntN(last-first); reserve(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port on %s: %d tried between %d and %d", host, portTries, first, last)
}

// reserved are the sockets that reserve ports for this process; they end with it.
var reserved struct {
	sync.Mutex
	sockets []net.PacketConn
}

// reserve takes the UDP port of a number as the sign that its TCP port is given away, so
// that two processes that look at the same time do not choose the same. It reports whether
// both were free.
func reserve(port int) bool {
	socket, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	if !portFree(port) {
		socket.Close()
		return false
	}
	reserved.Lock()
	defer reserved.Unlock()
	reserved.sockets = append(reserved.sockets, socket)
	return true
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// onFreePort runs start with free ports until it does not fail because somebody
// took the port meanwhile, which the server's log tells.
func onFreePort(ctx context.Context, wanted int, logfile string, start func(ctx context.Context, port int) error) error {
	var failed error
	for range 3 {
		port, err := FreePort(wanted)
		if err != nil {
			return err
		}
		if failed = start(ctx, port); failed == nil {
			return nil
		}
		log, err := os.ReadFile(logfile)
		if err != nil {
			return errors.Join(failed, err)
		}
		if !strings.Contains(string(log), "Address already in use") {
			return fmt.Errorf("%w; its log ends:\n%s", failed, tail(log))
		}
		wanted = 0
	}
	return failed
}

// tail returns the last lines of a log.
func tail(log []byte) string {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
