package rediscache

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Purge removes everything cached of the queries, and notes that a batch of changes is
// being applied. The batch is noted even if there is no query: a fill may already have
// seen its changes, which matters if PostgreSQL goes back to before them. All that is
// purged between two calls of Settle is one batch. Behind the last purge, and in its round
// trip, it reads the registrations, as Registrations does.
func (d *Purger) Purge(ctx context.Context, queries []string, see func(Registration)) error {
	d.batchOpen = true
	calls := d.purgeCalls(queries)
	for len(calls) > callsPerPipeline {
		if _, err := d.exchange(ctx, calls[:callsPerPipeline], nil); err != nil {
			return err
		}
		if err := d.keepAlive(ctx); err != nil {
			return err
		}
		calls = calls[callsPerPipeline:]
	}
	more, err := d.exchange(ctx, calls, see)
	if err != nil || !more {
		return err
	}
	return d.Registrations(ctx, see)
}

// purgeCall is one call of the script purge.
type purgeCall struct {
	partition int
	queries   []string
}

// purgeCalls cuts the queries into calls; partition 0 always has one.
func (d *Purger) purgeCalls(queries []string) []purgeCall {
	byPartition := make([][]string, len(d.parts))
	if len(d.parts) == 1 {
		byPartition[0] = queries
	} else {
		for _, q := range queries {
			p := d.space.Partition(q)
			byPartition[p] = append(byPartition[p], q)
		}
	}
	var calls []purgeCall
	for p, qs := range byPartition {
		for len(qs) > purgesPerCall {
			calls = append(calls, purgeCall{p, qs[:purgesPerCall]})
			qs = qs[purgesPerCall:]
		}
		if len(qs) > 0 || p == 0 {
			calls = append(calls, purgeCall{p, qs})
		}
	}
	return calls
}

// readPurgeAnswer takes in the answer to one call.
func (d *Purger) readPurgeAnswer(call purgeCall, cmd *redis.Cmd) error {
	_, err := d.answer(call.partition, d.scripts.purge, cmd)
	if err == nil {
		d.parts[call.partition].batch = d.batch + 1
	}
	return err
}

// purgeScript returns the call of the script.
func (d *Purger) purgeScript(ctx context.Context, purge purgeCall, seq int64) call {
	p := purge.partition
	stems := d.space.EntryStems(p)
	args := make([]any, 0, 5+len(stems)+len(purge.queries))
	args = append(args, d.batch+1, d.leader.origin(), d.servers.publish(), d.space.Purged(p), len(stems))
	for _, stem := range stems {
		args = append(args, stem)
	}
	for _, q := range purge.queries {
		args = append(args, q)
	}
	keys, args := d.checkArgs(p, seq, []string{d.space.Windows(p)}, args)
	return newCall(ctx, p, d.scripts.purge, keys, args)
}

// Cleanup looks at the next some live queries of each partition, about looks in
// all, and takes those of which nothing is left out of `live`; it returns them.
func (d *Purger) Cleanup(ctx context.Context, scans int) ([]string, error) {
	var removed []string
	for p := range d.parts {
		for left := max(1, scans/len(d.parts)); left > 0; left -= scansPerCall {
			gone, wrapped, err := d.cleanup(ctx, p, min(left, scansPerCall))
			removed = append(removed, gone...)
			if err != nil {
				return removed, err
			}
			if wrapped {
				break
			}
		}
	}
	return removed, nil
}

func (d *Purger) cleanup(ctx context.Context, p, scans int) (removed []string, wrapped bool, err error) {
	part := &d.parts[p]
	args := []any{part.scannedTo, scans, d.servers.publish(), d.space.Purged(p)}
	stems := d.space.EntryStems(p)
	args = append(args, len(stems))
	for _, stem := range stems {
		args = append(args, stem)
	}
	values, err := d.run(ctx, d.scripts.cleanup, p, []string{d.space.Windows(p)}, args...)
	if err != nil {
		return nil, false, err
	}
	if len(values) < 2 {
		return nil, true, nil
	}
	for _, v := range values[2:] {
		query, _ := v.(string)
		removed = append(removed, query)
	}
	if part.scannedTo, _ = values[1].(string); part.scannedTo == "" {
		part.scannedTo, wrapped = "0", true
	}
	return removed, wrapped, nil
}
