package rediscache

import (
	"context"
	"fmt"
)

// SetStride sets by how much the first seq of an entry is above all before it.
func (d *Purger) SetStride(n int64) { d.stride = func() int64 { return n } }

// Fences returns how far each partition has come. What it says of dark ones is not certain.
func (d *Purger) Fences() []Fence {
	fences := make([]Fence, len(d.parts))
	for p := range d.parts {
		fences[p] = d.Fence(p)
	}
	return fences
}

// Purge is PurgeIn in all partitions in use.
func (d *Purger) Purge(ctx context.Context, queries []string, see func(Registration)) error {
	return d.PurgeIn(ctx, d.InUse(), queries, see)
}

// Registrations is RegistrationsIn of all partitions in use.
func (d *Purger) Registrations(ctx context.Context, see func(Registration)) error {
	return d.RegistrationsIn(ctx, d.InUse(), see)
}

// Live returns how many queries are live in the partitions in use.
func (d *Purger) Live(ctx context.Context) (int64, error) {
	var n int64
	for _, p := range d.InUse() {
		rdb, err := d.servers.of(ctx, p)
		if err != nil {
			return 0, err
		}
		c, err := rdb.ZCard(ctx, d.space.Live(p)).Result()
		if err != nil {
			return 0, fmt.Errorf("count live queries: %w", err)
		}
		n += c
	}
	return n, nil
}
