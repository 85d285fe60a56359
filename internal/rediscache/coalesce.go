package rediscache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// coalescer joins the calls of several goroutines into one exchange with Redis. A call is
// sent at once if a slot is free. Else it joins the next exchange, so that one system call
// serves many. An exchange takes no more calls once it is sent, so nobody gets a result
// older than the call.
type coalescer[T any] struct {
	slots    chan struct{} // one taken for each exchange under way
	maxParts int           // parts of one exchange
	timeout  time.Duration // how long an exchange may wait for its turn
	send     func(context.Context, []T) error

	mu   sync.Mutex
	open *batch[T] // takes in callers until it is sent; nil if there is none
}

// batch is what is sent together.
type batch[T any] struct {
	parts []T
	err   error // set when done is closed
	done  chan struct{}
}

func newCoalescer[T any](atOnce, maxParts int, timeout time.Duration, send func(context.Context, []T) error) *coalescer[T] {
	return &coalescer[T]{slots: make(chan struct{}, atOnce), maxParts: maxParts, timeout: timeout, send: send}
}

// errStalled: no slot became free in time.
var errStalled = errors.New("redis does not keep up")

// do returns when an exchange with the part has ended, with the error of the whole exchange.
// The caller that opens an exchange sends it, even if its own context ends: the others wait
// for it.
func (g *coalescer[T]) do(ctx context.Context, part T) error {
	x, opens := g.join(part)
	if !opens {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-x.done:
			return x.err
		}
	}
	defer close(x.done)
	hasSlot := g.awaitSlot()
	g.mu.Lock()
	if g.open == x {
		g.open = nil
	}
	g.mu.Unlock()
	if !hasSlot {
		x.err = errStalled
		return x.err
	}
	defer func() { <-g.slots }()
	x.err = g.send(context.WithoutCancel(ctx), x.parts)
	return x.err
}

// awaitSlot takes a slot, and reports whether there was one in time.
func (g *coalescer[T]) awaitSlot() bool {
	select {
	case g.slots <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(g.timeout)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

// join puts a part into the open exchange, or opens one.
func (g *coalescer[T]) join(part T) (x *batch[T], opens bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x = g.open
	if opens = x == nil; opens {
		x = &batch[T]{done: make(chan struct{})}
		g.open = x
	}
	x.parts = append(x.parts, part)
	if len(x.parts) == g.maxParts {
		g.open = nil
	}
	return x, opens
}
