package rediscache

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// PurgeIn removes everything cached of the queries in those of some partitions that are in use, and
// notes there that a batch of changes is being applied. The batch is noted even where there is no
// query: a fill may already have seen its changes, which matters if PostgreSQL goes back to before
// them. All that is purged between two calls of BatchStored is one batch. Behind the last purge, and
// in its round trip, it reads the registrations, as RegistrationsIn does.
//
// What is not in use any more at the end has not been purged, or only in part. Queries of other
// partitions are left out.
func (d *Purger) PurgeIn(ctx context.Context, in []int, queries []string, see func(Registration)) error {
	in = d.stillInUse(in)
	calls := d.purgeCalls(in, queries)
	for len(calls) > callsPerPipeline {
		if _, err := d.exchange(ctx, calls[:callsPerPipeline], nil, nil); err != nil {
			return err
		}
		if err := d.keepAlive(ctx); err != nil {
			return err
		}
		calls = slices.DeleteFunc(calls[callsPerPipeline:], func(c purgeCall) bool { return d.parts[c.partition].dark != nil })
	}
	in = d.stillInUse(in)
	more, err := d.exchange(ctx, calls, in, see)
	if err != nil || !more {
		return err
	}
	return d.RegistrationsIn(ctx, in, see)
}

// purgeCall is one call of the script purge.
type purgeCall struct {
	partition int
	queries   []string
}

// purgeCalls cuts the queries into calls. Each partition has one that has not noted the batch.
func (d *Purger) purgeCalls(in []int, queries []string) []purgeCall {
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
	for _, p := range in {
		qs := byPartition[p]
		for len(qs) > purgesPerCall {
			calls = append(calls, purgeCall{p, qs[:purgesPerCall]})
			qs = qs[purgesPerCall:]
		}
		if len(qs) > 0 || !d.parts[p].touched {
			calls = append(calls, purgeCall{p, qs})
		}
	}
	return calls
}

// readPurgeAnswer takes in the answer to one call, and counts who was told of the purge.
func (d *Purger) readPurgeAnswer(c call) error {
	values, err := d.answer(c.partition, d.scripts.purge, c.cmd)
	if err != nil {
		return err
	}
	d.parts[c.partition].touched = true
	if len(values) < 2 {
		return nil
	}
	receivers, err := number(values[1])
	if err != nil {
		return fmt.Errorf("read who was told of a purge: %w", err)
	}
	if receivers > 0 {
		d.deliveries[c.rdb] += int(receivers)
	}
	return nil
}

// Deliveries returns how many messages about purges the busiest server has written to subscribers
// since it was last asked: one for each call that purged something, to each subscriber.
func (d *Purger) Deliveries() (most int) {
	for _, n := range d.deliveries {
		most = max(most, n)
	}
	clear(d.deliveries)
	return most
}

// purgeScript returns the call of the script.
func (d *Purger) purgeScript(ctx context.Context, purge purgeCall, seq int64) call {
	p := purge.partition
	stems := d.space.EntryStems(p)
	args := make([]any, 0, 5+len(stems)+len(purge.queries))
	args = append(args, d.parts[p].batch+1, d.leader.origin(), d.servers.publish(), d.space.Purged(p), len(stems))
	for _, stem := range stems {
		args = append(args, stem)
	}
	for _, q := range purge.queries {
		args = append(args, q)
	}
	keys, args := d.checkArgs(p, seq, []string{d.space.Windows(p)}, args)
	return newCall(ctx, p, d.scripts.purge, keys, args)
}

// Cleanup looks at the next some live queries of each partition in use, about scans in all, and
// takes those of which nothing is left out of `live`; it returns them.
func (d *Purger) Cleanup(ctx context.Context, scans int) (removed []string, err error) {
	in := d.InUse()
	for left := max(1, scans/len(d.parts)); left > 0 && len(in) > 0; left -= scansPerCall {
		sent := make([]call, len(in))
		for i, p := range in {
			sent[i] = d.cleanupScript(ctx, p, min(left, scansPerCall))
		}
		d.send(ctx, sent, false)
		var again []int
		for _, call := range sent {
			p := call.partition
			gone, wrapped, failed := d.readCleanup(p, call.cmd)
			removed = append(removed, gone...)
			if failed != nil {
				err = cmp.Or(err, d.darken(ctx, p, failed))
			} else if !wrapped {
				again = append(again, p)
			}
		}
		if err != nil {
			return removed, err
		}
		in = again
	}
	return removed, nil
}

func (d *Purger) cleanupScript(ctx context.Context, p, scans int) call {
	args := []any{d.parts[p].scannedTo, scans, d.servers.publish(), d.space.Purged(p)}
	stems := d.space.EntryStems(p)
	args = append(args, len(stems))
	for _, stem := range stems {
		args = append(args, stem)
	}
	keys, args := d.checkArgs(p, d.parts[p].seq, []string{d.space.Windows(p)}, args)
	return newCall(ctx, p, d.scripts.cleanup, keys, args)
}

// readCleanup takes in what one call has removed. wrapped: there is nothing behind it.
func (d *Purger) readCleanup(p int, cmd *redis.Cmd) (removed []string, wrapped bool, err error) {
	part := &d.parts[p]
	values, err := d.answer(p, d.scripts.cleanup, cmd)
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
