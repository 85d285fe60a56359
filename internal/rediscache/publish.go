package rediscache

import (
	"context"
	"errors"
	"fmt"
)

// Proof is what a beat certifies.
type Proof struct {
	Noted   int64  // from Note, before the drain
	Applied string // pg_snapshot of the drain
}

// PublishBeat publishes a beat in every partition. ErrLate and ErrFuture leave the Purger
// usable: the next round can try again. proof.Noted must be of the last ReadClock, if the
// partitions are on several servers: each beat bears the time of its own server's clock.
func (d *Purger) PublishBeat(ctx context.Context, proof Proof) error {
	sent := d.beats(ctx, proof)
	execErr := d.send(ctx, sent, false)
	if err := d.worstAnswer(sent); err != nil {
		return err
	}
	if execErr != nil {
		return failed("beat", execErr)
	}
	return nil
}

// beats returns a call for each partition.
func (d *Purger) beats(ctx context.Context, proof Proof) []call {
	calls := make([]call, len(d.parts))
	value, ahead := "", int64(0)
	for p := range d.parts {
		beat := Beat{
			Noted: proof.Noted + d.parts[p].ahead, Bound: d.bound,
			Epoch: d.leader.Epoch, Server: d.leader.Server, Database: d.leader.Database,
			Partitions: d.space.Partitions, Applied: proof.Applied,
		}
		if value == "" || ahead != d.parts[p].ahead {
			value, ahead = beat.Encode(), d.parts[p].ahead
		}
		keys, args := d.checkArgs(p, d.parts[p].seq, []string{d.space.Beat(p)}, []any{beat.Noted, beat.End(), value})
		calls[p] = newCall(ctx, p, d.scripts.beat, keys, args)
	}
	return calls
}

// worstAnswer returns the worst of the answers: anything before late or future.
func (d *Purger) worstAnswer(sent []call) error {
	var mild error
	for p, call := range sent {
		_, err := d.scripts.beat.answer(call.cmd)
		switch {
		case err == nil:
		case errors.Is(err, ErrLate) || errors.Is(err, ErrFuture):
			mild = fmt.Errorf("partition %d: %w", p, err)
		default:
			return fmt.Errorf("partition %d: %w", p, err)
		}
	}
	return mild
}
