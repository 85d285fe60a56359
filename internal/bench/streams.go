package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Streams that are open, and how long each measurement beside them takes: together a few more
// than the ten seconds in which each stream is sent a comment.
const (
	openStreams  = 10_000
	streamRounds = 6
	streamSlices = 2
)

// streams compares hits of a page beside very many streams of its changes with the same hits
// before and after them.
func (b *bench) streams(ctx context.Context) error {
	n := b.times(openStreams, 50)
	if err := enoughFiles(n); err != nil {
		return err
	}
	_, api, err := b.pair(ctx, "WATCH_MAX="+strconv.Itoa(n))
	if err != nil {
		return err
	}
	before, err := b.hitRates(ctx, api)
	if err != nil {
		return err
	}
	closeAll, err := b.openStreams(ctx, api, n)
	if err != nil {
		return err
	}
	beside, err := b.hitRates(ctx, api)
	memory, err2 := api.metric(ctx, "process_resident_memory_bytes")
	if err := errors.Join(err, err2, awaitStreams(ctx, api, n), closeAll(), awaitStreams(ctx, api, 0)); err != nil {
		return err
	}
	after, err := b.hitRates(ctx, api)
	if err != nil {
		return err
	}
	without := (before.median() + after.median()) / 2
	var shares sample
	for _, rate := range beside {
		shares = append(shares, rate/without)
	}
	b.add(fmt.Sprintf("L1 hits beside %d open streams / without", n), ratio, shares, atLeast(.80),
		"%.0f/s; before %.0f/s, after %.0f/s; %.0f MB resident with the streams", beside.median(), before.median(), after.median(), memory/(1<<20))
	return nil
}

// enoughFiles returns an error if a process may not open so many connections. Go raises what it
// may to the hard limit when a process starts.
func enoughFiles(connections int) error {
	const others = 200
	var may unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &may); err != nil {
		return fmt.Errorf("ask for the limit of open files: %w", err)
	}
	if need := uint64(connections + others); may.Max < need {
		return fmt.Errorf("%d streams need %d open files, and %d may be; run: ulimit -Hn %d", connections, need, may.Max, need)
	}
	return nil
}

// hitRates returns the rates of a page's hits.
func (b *bench) hitRates(ctx context.Context, api *process) (sample, error) {
	l, err := dial(api.addr, connections)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if _, err := warm(ctx, l, page, "freshlist-l1; hit"); err != nil {
		return nil, err
	}
	request := get(page)
	rates, err := inTurns(b.times(streamRounds, 2), func() (float64, error) {
		t, err := l.run(time.Now().Add(streamSlices*b.slice()), func() []byte { return request })
		if err == nil && float64(t.hits) < .99*float64(t.answers) {
			err = fmt.Errorf("%d of %d answers are no hits", t.answers-t.hits, t.answers)
		}
		return t.rate(), err
	})
	if err != nil {
		return nil, err
	}
	return rates[0], nil
}

// openStreams opens streams of a page's changes, and returns when each has had its first event.
// What comes later, a few bytes, nobody reads.
func (b *bench) openStreams(ctx context.Context, api *process, n int) (closeAll func() error, err error) {
	var streams []net.Conn
	closeAll = func() error {
		var failed []error
		for _, s := range streams {
			failed = append(failed, s.Close())
		}
		return errors.Join(failed...)
	}
	for range n {
		s, err := openStream(api.addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open stream %d: %w", len(streams)+1, err), closeAll())
		}
		streams = append(streams, s)
	}
	if err := awaitStreams(ctx, api, n); err != nil {
		return nil, errors.Join(err, closeAll())
	}
	return closeAll, nil
}

func openStream(addr string) (net.Conn, error) {
	s, err := net.DialTimeout("tcp", addr, stall)
	if err != nil {
		return nil, err
	}
	_, err = s.Write([]byte("GET " + page + " HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n"))
	err = errors.Join(err, s.SetReadDeadline(time.Now().Add(stall)))
	for lines := bufio.NewReaderSize(s, 512); err == nil; {
		var line []byte
		if line, err = lines.ReadSlice('\n'); string(line) == "event: change\n" {
			return s, nil
		}
	}
	return nil, errors.Join(err, s.Close())
}

// awaitStreams waits until an API process has so many streams open.
func awaitStreams(ctx context.Context, api *process, n int) error {
	return await(ctx, time.Minute, fmt.Sprintf("%d streams are open", n), func() (bool, error) {
		open, err := api.metric(ctx, "freshlist_streams")
		return open == float64(n), err
	})
}
