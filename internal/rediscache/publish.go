package rediscache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// Proof is what a beat certifies.
type Proof struct {
	Noted   int64  // from Note, before the drain
	Applied string // pg_snapshot of the drain
}

// PublishBeat publishes a beat in every partition in use of whose server the clock has been read
// since it came into use. ErrLate and ErrFuture leave the Purger usable: the next round can try
// again. proof.Noted must be of the last ReadClock, if the partitions are on several servers: each
// beat bears the time of its own server's clock.
func (d *Purger) PublishBeat(ctx context.Context, proof Proof) error {
	sent := d.beats(ctx, proof)
	d.send(ctx, sent, false)
	var refused, end error
	for _, call := range sent {
		_, err := d.scripts.beat.answer(call.cmd)
		switch p := call.partition; {
		case err == nil:
		case errors.Is(err, ErrLate) || errors.Is(err, ErrFuture):
			refused = cmp.Or(refused, fmt.Errorf("partition %d: %w", p, err))
		default:
			end = cmp.Or(end, d.darken(ctx, p, err))
		}
	}
	return cmp.Or(end, refused)
}

// beats returns the calls that publish beats.
func (d *Purger) beats(ctx context.Context, proof Proof) []call {
	var calls []call
	for p := range d.parts {
		part := &d.parts[p]
		if part.dark != nil || !part.timed {
			continue
		}
		beat := Beat{
			Noted: proof.Noted + part.ahead, Bound: d.bound,
			Epoch: d.leader.Epoch, Server: d.leader.Server, Database: d.leader.Database,
			Partitions: d.space.Partitions, Generation: part.generation, Applied: proof.Applied,
		}
		keys, args := d.checkArgs(p, part.seq, []string{d.space.Beat(p)}, []any{beat.Noted, beat.End(), beat.Encode()})
		calls = append(calls, newCall(ctx, p, d.scripts.beat, keys, args))
	}
	return calls
}
