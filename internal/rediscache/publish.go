package rediscache

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Proof is what a beat certifies.
type Proof struct {
	Noted   int64  // from Note, before the drain
	Applied string // pg_snapshot of the drain
}

// PublishBeat publishes a beat in every partition. ErrLate and ErrFuture leave the Purger
// usable: the next round can try again.
func (d *Purger) PublishBeat(ctx context.Context, proof Proof) error {
	pipe := d.rdb.Pipeline()
	sent := d.sendBeats(ctx, pipe, proof)
	_, execErr := pipe.Exec(ctx)
	if err := d.worstAnswer(sent); err != nil {
		return err
	}
	if execErr != nil {
		return failed("beat", execErr)
	}
	return nil
}

func (d *Purger) sendBeats(ctx context.Context, pipe redis.Pipeliner, proof Proof) []*redis.Cmd {
	beat := Beat{
		Noted: proof.Noted, Bound: d.bound,
		Epoch: d.leader.Epoch, Server: d.leader.Server, Database: d.leader.Database,
		Partitions: d.space.Partitions, Applied: proof.Applied,
	}
	value := beat.Encode()
	sent := make([]*redis.Cmd, len(d.parts))
	for p := range d.parts {
		keys, args := d.checkArgs(p, d.parts[p].seq, []string{d.space.Beat(p)}, []any{beat.Noted, beat.End(), value})
		sent[p] = pipe.EvalSha(ctx, d.scripts.beat.Hash(), keys, args...)
	}
	return sent
}

// worstAnswer returns the worst of the answers: anything before late or future.
func (d *Purger) worstAnswer(sent []*redis.Cmd) error {
	var mild error
	for p, cmd := range sent {
		_, err := d.scripts.beat.answer(cmd)
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
