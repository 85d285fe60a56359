package match

import (
	"encoding/binary"

	"github.com/freshlist/freshlist/internal/listing"
)

// shape tells which lists a filter has, a bit for each of the space's, and whether only
// PostgreSQL can judge one of its conditions.
type shape uint16

// mostLists is how many lists shapes tell apart; one of them is that of the keys. A table's further
// ones are left to the exact test.
const mostLists = 7

const withWide shape = 1 << mostLists

func (s shape) has(list uint8) bool { return list < mostLists && s>>list&1 != 0 }

// liveShape is a shape in whose buckets live queries stand, and how often they do.
type liveShape struct {
	shape
	uses int
}

// maxBuckets bounds how many buckets one filter stands in. A list that would exceed it stays
// out of the filter's shape, and is left to the exact test.
const maxBuckets = 20

// shapeOf returns the shape of a filter, and in how many buckets it stands.
func (s *space) shapeOf(f listing.Filter) (of shape, buckets int) {
	buckets = 1
	for i := range f {
		p := &s.parameters[f[i].Parameter]
		switch n := buckets * len(f[i].Values); {
		case p.Wide:
			of |= withWide
		case p.list != none && n <= maxBuckets:
			of |= 1 << p.list
			buckets = n
		}
	}
	return of, buckets
}

// A bucket has the lists that ask for the same values. A filter with a list of several stands
// in a bucket for each of them; a row is looked for in one bucket of each shape. A bucket's
// name is its shape and the values of its lists.

// visitBuckets calls visit with the name of each bucket that a filter stands in; the name is
// good until visit returns.
func (t *tableIndex) visitBuckets(f *sharedFilter, visit func(name []byte)) {
	t.visitFrom(f, 0, appendShape(t.from[:0], f.shape), visit)
}

// visitFrom completes a name that has the values of all conditions before i.
func (t *tableIndex) visitFrom(f *sharedFilter, i int, name []byte, visit func(name []byte)) {
	for ; i < len(f.Filter); i++ {
		c := &f.Filter[i]
		if p := &t.parameters[c.Parameter]; f.shape.has(p.list) {
			for _, v := range c.Values {
				t.visitFrom(f, i+1, appendValue(name, p.column, v), visit)
			}
			return
		}
	}
	t.from = name
	visit(name)
}

// appendBucket appends the name of the bucket of a shape that a row falls in; false if there
// is no row, or if a NULL keeps it out of all.
func (s *space) appendBucket(name []byte, of shape, r *listing.Row, exists bool) (_ []byte, ok bool) {
	if !exists {
		return name, false
	}
	name = appendShape(name, of)
	for i, c := range s.lists {
		if !of.has(uint8(i)) {
			continue
		}
		if r.Null(c.Number) {
			return name, false
		}
		name = appendValue(name, c, r.Values[c.Number])
	}
	return name, true
}

func appendShape(name []byte, s shape) []byte { return append(name, byte(s), byte(s>>8)) }

func appendValue(name []byte, c *listing.Column, v listing.Value) []byte {
	if c.Form.InNumber() {
		return binary.LittleEndian.AppendUint64(name, uint64(v.Number))
	}
	name = binary.AppendUvarint(name, uint64(len(v.Text)))
	return append(name, v.Text...)
}

func (t *tableIndex) insert(l *liveQuery) {
	if t.deferred {
		return
	}
	t.visitBuckets(l.filter, func(name []byte) {
		t.bucket(name).insert(l)
		t.count(l.filter.shape, +1)
	})
}

// bucket returns the tree of a bucket, which it makes if need be.
func (t *tableIndex) bucket(name []byte) *node {
	n, ok := t.buckets[string(name)]
	if !ok {
		n = newTree(leafSize)
		t.buckets[string(name)] = n
	}
	return n
}

func (t *tableIndex) remove(l *liveQuery) {
	if t.deferred {
		return
	}
	t.visitBuckets(l.filter, func(name []byte) {
		n := t.buckets[string(name)]
		if n.remove(l); n.size == 0 {
			delete(t.buckets, string(name))
		}
		t.count(l.filter.shape, -1)
	})
}

// build puts all lists into their buckets, unless they are there.
func (t *tableIndex) build() {
	if !t.deferred {
		return
	}
	t.deferred = false
	of := make(map[*node][]*liveQuery)
	for _, l := range t.lists {
		t.visitBuckets(l.filter, func(name []byte) {
			n := t.bucket(name)
			of[n] = append(of[n], l)
			t.count(l.filter.shape, +1)
		})
	}
	for n, lists := range of {
		n.build(lists)
	}
}

// count notes that a query has come to stand in a bucket of a shape, or has gone.
func (t *tableIndex) count(s shape, more int) {
	for i := range t.shapes {
		if u := &t.shapes[i]; u.shape == s {
			if u.uses += more; u.uses == 0 {
				last := len(t.shapes) - 1
				*u, t.shapes = t.shapes[last], t.shapes[:last]
			}
			return
		}
	}
	t.shapes = append(t.shapes, liveShape{s, more})
}
