package listing

import (
	"encoding/binary"
	"math/bits"
)

// Shape names the layout that Encode writes and the spelling of cursors, which stand in the
// next links of rendered answers. It goes into every cached value's build tag: change it with
// either, and no build ever decodes another's bytes.
const Shape = "queryset 4, cursor 4"

// The layout: one byte for the query's kind, then what the kind has. Numbers are varints
// (zigzag), floats eight bytes, texts their length and bytes. Where a value may be absent a
// flag says so and nothing stands for it. Behind a row's values stand, for each join of the
// query, how many inner rows it has, and those.

// Encode returns the queryset's rows as DecodeQueryset reads them. The query is not among
// them: it is the name that the bytes are stored under.
func (qs *Queryset) Encode() []byte {
	const perItem = 128 // a guess, to allocate once
	e := encoder{b: make([]byte, 0, 32+perItem*len(qs.Items))}
	q := &qs.Query
	e.byte(byte(q.Kind))
	if q.Kind == SummaryKind {
		e.summary(q.Table, &qs.Summary)
		return e.b
	}
	e.items(q, qs.Items)
	if q.Kind == PageKind && e.flag(qs.Ahead.Valid) {
		e.optional(q.Order().Column, qs.Ahead.V.Value)
		e.value(q.Table.KeyColumn(), &qs.Ahead.V.Key)
	}
	return e.b
}

type encoder struct{ b []byte }

func (e *encoder) byte(v byte) { e.b = append(e.b, v) }
func (e *encoder) int(v int64) { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) count(n int) { e.b = binary.AppendUvarint(e.b, uint64(n)) }

// flag writes and returns whether something follows.
func (e *encoder) flag(follows bool) bool {
	if follows {
		e.byte(1)
	} else {
		e.byte(0)
	}
	return follows
}

func (e *encoder) value(c *Column, v *Value) { e.b = appendValue(e.b, c, v) }

// appendValue appends a value of a column.
func appendValue(b []byte, c *Column, v *Value) []byte {
	switch {
	case !c.Form.InNumber():
		return append(binary.AppendUvarint(b, uint64(len(v.Text))), v.Text...)
	case c.Form == Float:
		return binary.LittleEndian.AppendUint64(b, uint64(v.Number))
	}
	return binary.AppendVarint(b, v.Number)
}

func (e *encoder) optional(c *Column, v Null[Value]) {
	if e.flag(v.Valid) {
		e.value(c, &v.V)
	}
}

func (e *encoder) items(q *Query, items []Row) {
	e.count(len(items))
	columns, joins, b := q.Columns(), q.Joins(), e.b
	for i := range items {
		b = appendRow(b, q.Table, &items[i], columns)
		for _, j := range joins {
			b = appendInner(b, j, &items[i])
		}
	}
	e.b = b
}

// appendRow appends some columns of a row.
func appendRow(b []byte, t *Table, r *Row, columns Columns) []byte {
	nulls := r.Nulls & columns
	b = binary.AppendUvarint(b, uint64(nulls))
	for left := columns &^ nulls; left != 0; left &= left - 1 {
		c := bits.TrailingZeros64(uint64(left))
		b = appendValue(b, &t.Columns[c], &r.Values[c])
	}
	return b
}

// appendInner appends the inner rows of a row.
func appendInner(b []byte, j *Join, r *Row) []byte {
	inner := r.InnerOf(j)
	b = binary.AppendUvarint(b, uint64(len(inner)))
	for i := range inner {
		b = appendRow(b, j.Inner, &inner[i], j.Shown)
	}
	return b
}

func (e *encoder) summary(t *Table, s *Summary) {
	e.int(s.Count)
	for i, stat := range s.Stats {
		c := &t.Columns[t.Stats[i]]
		mean := c.MeanColumn()
		e.optional(c, stat.Min)
		e.optional(c, stat.Max)
		e.optional(&mean, stat.Mean)
	}
	for i, facets := range s.Facets {
		e.count(len(facets))
		for _, f := range facets {
			e.optional(&t.Columns[t.Table.Facets[i].Column], f.Value)
			e.int(f.Count)
		}
	}
}
