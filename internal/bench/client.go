package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// load is a closed loop of HTTP/1.1 clients, each with one request under way on its
// own kept connection. One thread serves them all by poll(2) and allocates nothing
// per request, so that most of the machine is left to what is measured. It is not
// safe for concurrent use.
type load struct {
	conns []*conn
	polls []unix.PollFd
}

// conn is one client.
type conn struct {
	fd   int
	buf  []byte
	have int // bytes of the answer so far
	need int // its whole length, 0 until its head is complete
}

// answer is what a client looks at. It is valid until the next request.
type answer struct {
	status      []byte // three digits
	cacheStatus []byte
	body        []byte
	size        int // with its head
}

// hit tells whether the answer came from a cache as it was.
func (a answer) hit() bool { return bytes.Contains(a.cacheStatus, []byte("; hit")) }

// first tells whether the cache nearest the client had it.
func (a answer) first() bool { return bytes.HasPrefix(a.cacheStatus, []byte("freshlist-l1; hit")) }

// get returns the request for a target.
func get(target string) []byte {
	return []byte("GET " + target + " HTTP/1.1\r\nHost: bench\r\n\r\n")
}

// dial connects n clients to an address on loopback.
func dial(addr string, n int) (*load, error) {
	to, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return nil, err
	}
	l := &load{}
	for range n {
		fd, err := connect(to)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("connect to %s: %w", addr, err)
		}
		l.conns = append(l.conns, &conn{fd: fd, buf: make([]byte, 64<<10)})
		l.polls = append(l.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	return l, nil
}

func connect(to *net.TCPAddr) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, err
	}
	unix.CloseOnExec(fd)
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())})
	err = errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.SetNonblock(fd, true))
	if err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func (l *load) close() {
	for _, c := range l.conns {
		_ = unix.Close(c.fd)
	}
	l.conns = nil
}

// tally is what a run of a load has seen.
type tally struct {
	answers, hits int
	took          time.Duration
}

func (t tally) rate() float64 { return float64(t.answers) / t.took.Seconds() }

// run sends requests until end, or until next returns nil, and waits for the last
// answers. Any status but 200 is an error.
func (l *load) run(end time.Time, next func() []byte) (tally, error) {
	var t tally
	began := time.Now()
	busy := 0
	for _, c := range l.conns {
		sent, err := c.sendNext(end, next)
		if err != nil {
			return t, err
		}
		busy += sent
	}
	for busy > 0 {
		if err := l.await(); err != nil {
			return t, err
		}
		for i, c := range l.conns {
			if l.polls[i].Revents == 0 {
				continue
			}
			a, done, err := c.receive()
			if err != nil {
				return t, err
			}
			if !done {
				continue
			}
			if string(a.status) != "200" {
				return t, fmt.Errorf("an answer of status %s: %.200s", a.status, a.body)
			}
			t.answers++
			if a.hit() {
				t.hits++
			}
			sent, err := c.sendNext(end, next)
			if err != nil {
				return t, err
			}
			busy += sent - 1
		}
	}
	t.took = time.Since(began)
	return t, nil
}

// stall is how long the load waits for any answer.
const stall = 20 * time.Second

// await waits until something has been answered.
func (l *load) await() error {
	for {
		n, err := unix.Poll(l.polls, int(stall.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("poll: %w", err)
		case n == 0:
			return fmt.Errorf("no answer within %v", stall)
		default:
			return nil
		}
	}
}

// do asks by the first client and waits for the answer.
func (l *load) do(request []byte) (answer, error) {
	c := l.conns[0]
	if err := c.send(request); err != nil {
		return answer{}, err
	}
	for {
		if err := l.await(); err != nil {
			return answer{}, err
		}
		if a, done, err := c.receive(); done || err != nil {
			return a, err
		}
	}
}

// steadily has one client send the next request, if there is one, each time that so long
// has passed, until the function that it returns is called, which returns the first error.
func steadily(p *process, every time.Duration, next func() []byte) (stop func() error, err error) {
	l, err := dial(p.addr, 1)
	if err != nil {
		return nil, err
	}
	over, done := make(chan struct{}), make(chan error, 1)
	go func() {
		defer l.close()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-over:
				done <- nil
				return
			case <-tick.C:
			}
			if request := next(); request != nil {
				if _, err := l.do(request); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	return func() error { close(over); return <-done }, nil
}

// sendNext sends the next request if there is one and returns how many it sent.
func (c *conn) sendNext(end time.Time, next func() []byte) (sent int, err error) {
	if time.Now().After(end) {
		return 0, nil
	}
	request := next()
	if request == nil {
		return 0, nil
	}
	return 1, c.send(request)
}

// send sends a request. It is far smaller than the socket's buffer, which is empty.
func (c *conn) send(request []byte) error {
	c.have, c.need = 0, 0
	n, err := unix.Write(c.fd, request)
	if err == nil && n < len(request) {
		err = unix.EAGAIN
	}
	if err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	return nil
}

// receive reads what has come, and tells whether that completes the answer.
func (c *conn) receive() (a answer, done bool, err error) {
	n, err := unix.Read(c.fd, c.buf[c.have:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return a, false, nil
	case err != nil:
		return a, false, fmt.Errorf("receive an answer: %w", err)
	case n == 0:
		return a, false, errors.New("receive an answer: the connection was closed")
	}
	c.have += n
	head := bytes.Index(c.buf[:c.have], blankLine)
	if head < 0 {
		return a, false, c.grow(c.have + 1)
	}
	head += len(blankLine)
	if c.need == 0 {
		length, err := strconv.Atoi(string(field(c.buf[:head], contentLength)))
		if err != nil {
			return a, false, fmt.Errorf("an answer without a length: %q", c.buf[:head])
		}
		c.need = head + length
	}
	if c.have < c.need {
		return a, false, c.grow(c.need)
	}
	if c.have > c.need {
		return a, false, fmt.Errorf("%d bytes more than the answer has", c.have-c.need)
	}
	return answer{
		status: c.buf[len("HTTP/1.1 "):][:3], cacheStatus: field(c.buf[:head], cacheStatus), body: c.buf[head:c.need], size: c.need,
	}, true, nil
}

// grow makes room for an answer of so many bytes.
func (c *conn) grow(size int) error {
	const limit = 8 << 20
	if size > limit {
		return fmt.Errorf("an answer of more than %d bytes", limit)
	}
	if size > len(c.buf) {
		c.buf = append(c.buf, make([]byte, max(size, 2*len(c.buf))-len(c.buf))...)
	}
	return nil
}

// Where the fields begin that are looked at. Go spells names like this.
var (
	blankLine     = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	cacheStatus   = []byte("\r\nCache-Status: ")
)

// field returns the value of a header field, nil if it is not there.
func field(head, name []byte) []byte {
	at := bytes.Index(head, name)
	if at < 0 {
		return nil
	}
	value := head[at+len(name):]
	return value[:bytes.IndexByte(value, '\r')]
}
