package rediscache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Ahead is what one call of ReadAhead has read.
type Ahead struct {
	Changed       []int // partitions of which the caller must forget what it knows, before it takes in the registrations
	Registrations []Registration
	More          bool // there are others, which the next call returns
	Live          int  // how many queries are live in the partitions that answered
	Held          bool // somebody else reads ahead in a partition
}

// aheadLife is for how long a call keeps others from reading ahead. One standby that does is enough:
// the work and the memory of the others would be for nothing.
const aheadLife = 5 * time.Second

// ReadAhead reads registrations for a Purger that does not lead, so that it need not read them once
// it does: Adopt then goes on behind the last one. It changes nothing that the leader's scripts
// compare. Nothing is read where no epoch has begun or somebody else reads ahead; nor where all is as this
// Purger has left it when it led. The error is that of a partition that did not answer; what others
// have answered counts.
func (d *Purger) ReadAhead(ctx context.Context) (a Ahead, err error) {
	sent := make([]call, len(d.parts))
	for p := range sent {
		sent[p] = d.aheadScript(ctx, p)
	}
	d.send(ctx, sent, false)
	for _, call := range sent {
		values, failed := d.scripts.readAhead.answer(call.cmd)
		switch {
		case failed == nil:
			failed = d.takeAhead(call.partition, values, &a)
		case errors.Is(failed, ErrStateLost), errors.Is(failed, ErrNoFence), errors.Is(failed, ErrHeld):
			d.dropAhead(call.partition, &a)
			a.Held = a.Held || errors.Is(failed, ErrHeld)
			failed = nil
		}
		err = cmp.Or(err, failed)
	}
	return a, err
}

// aheadScript returns the call of the script. Each has a mark of its own.
func (d *Purger) aheadScript(ctx context.Context, p int) call {
	part := &d.parts[p]
	d.marks++
	process := d.process + "."
	args := []any{process, part.mark, process + strconv.Itoa(d.marks), "0", registrationsPerCall, aheadLife.Microseconds(), "", "", ""}
	if part.mark != "" {
		args[3] = part.lastSeen
	} else if !part.unknown {
		args[6], args[7], args[8] = part.term, part.generation, part.seq
	}
	return newCall(ctx, p, d.scripts.readAhead, []string{d.space.Fence(p), d.space.Live(p), d.space.Windows(p)}, args)
}

// takeAhead takes in what one partition has answered.
func (d *Purger) takeAhead(p int, values []any, a *Ahead) error {
	if len(values) < 2 {
		return fmt.Errorf("read ahead in partition %d: %d values are answered", p, len(values))
	}
	live, err := number(values[0])
	if err != nil {
		return fmt.Errorf("read how many queries are live in partition %d: %w", p, err)
	}
	a.Live += int(live)
	mark, _ := values[1].(string)
	if mark == "" {
		return nil
	}
	part := &d.parts[p]
	if part.mark == "" {
		d.dropAhead(p, a)
	}
	part.mark = mark
	more, err := part.takeRegistrations(values[2:], func(r Registration) { a.Registrations = append(a.Registrations, r) })
	a.More = a.More || more
	return err
}

// dropAhead has nothing be known of a partition any more.
func (d *Purger) dropAhead(p int, a *Ahead) {
	part := &d.parts[p]
	if !part.unknown || part.mark != "" {
		a.Changed = append(a.Changed, p)
	}
	part.unknown, part.mark, part.lastSeen = true, "", "0"
}
