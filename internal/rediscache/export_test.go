package rediscache

// SetStride sets by how much the first seq of an entry is above all before it.
func (d *Purger) SetStride(n int64) { d.stride = func() int64 { return n } }
