package listing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// errEncoding says that bytes are not what Encode writes.
var errEncoding = errors.New("damaged queryset")

// DecodeQueryset is the inverse of Encode for a query's answer. It accepts only what Encode
// returns: anything else is an error, never a panic, and costs no more memory than its own
// length warrants.
func DecodeQueryset(q Query, b []byte) (Queryset, error) {
	d := decoder{b: b, s: string(b)}
	qs := Queryset{Query: q}
	if d.byte() != byte(q.Kind) {
		d.bad = true
	}
	if q.Kind == SummaryKind {
		d.summary(q.Table, &qs.Summary)
	} else {
		qs.Items = d.items(&q)
		d.bad = d.bad || q.Kind == RowKind && len(qs.Items) > 1
		if q.Kind == PageKind && d.flag() {
			qs.Ahead = Some(Key{Value: d.optional(q.Order().Column), Key: d.value(q.Table.KeyColumn())})
		}
	}
	if d.bad || d.at != len(b) {
		return Queryset{}, fmt.Errorf("decode %s: %w", q, errEncoding)
	}
	return qs, nil
}

// decoder reads b. After the first fault bad is set and every read returns zero. Texts are
// cut from s, one copy of b, and so cost no allocation each.
type decoder struct {
	b   []byte
	s   string
	at  int
	bad bool
}

// take returns where the next n bytes begin and moves behind them.
func (d *decoder) take(n int) int {
	if d.bad || n > len(d.b)-d.at {
		d.bad = true
		return 0
	}
	at := d.at
	d.at += n
	return at
}

func (d *decoder) byte() byte {
	at := d.take(1)
	if d.bad {
		return 0
	}
	return d.b[at]
}

func (d *decoder) flag() bool {
	v := d.byte()
	d.bad = d.bad || v > 1
	return v == 1
}

func (d *decoder) uint() uint64 {
	if d.bad {
		return 0
	}
	if d.at < len(d.b) && d.b[d.at] < 0x80 {
		d.at++
		return uint64(d.b[d.at-1])
	}
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 || n > 1 && d.b[d.at+n-1] == 0 { // cut off, too large, or not the shortest
		d.bad = true
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) int() int64 {
	u := d.uint()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads how many things of at least size bytes each follow.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)-d.at)/uint64(size) {
		d.bad = true
		return 0
	}
	return int(n)
}

// value reads a value of a column.
func (d *decoder) value(c *Column) (v Value) {
	d.into(&v, c)
	return v
}

// into reads a value of a column into v, which is zero.
func (d *decoder) into(v *Value, c *Column) {
	switch {
	case c.Form == Float:
		at := d.take(8)
		if d.bad {
			return
		}
		v.Number = int64(binary.LittleEndian.Uint64(d.b[at:]))
	case c.Form.InNumber():
		v.Number = d.int()
	default:
		n := d.count(1)
		if at := d.take(n); !d.bad {
			v.Text = d.s[at : at+n]
		}
		return
	}
	d.bad = d.bad || !c.holds(v.Number)
}

func (d *decoder) optional(c *Column) Null[Value] {
	if !d.flag() {
		return Null[Value]{}
	}
	return Null[Value]{V: d.value(c), Valid: !d.bad}
}

func (d *decoder) items(q *Query) []Row {
	joins := q.Joins()
	if len(joins) == 0 {
		return d.rows(q.Table, q.Columns(), nil)
	}
	return d.rows(q.Table, q.Columns(), func(r *Row) {
		r.Inner = make([][]Row, len(q.Table.Joins))
		for _, j := range joins {
			inner := d.rows(j.Inner, j.Shown, nil)
			d.bad = d.bad || !j.Many && len(inner) > 1
			r.Inner[j.Number] = inner
		}
	})
}

// rows reads how many rows there are, some columns of each, and what follows each, if anything.
func (d *decoder) rows(t *Table, columns Columns, follow func(*Row)) []Row {
	n := d.count(1) // a row has at least its flags
	if n == 0 {
		return nil
	}
	width := len(t.Columns)
	var values []Value // of all rows, a few rows ahead at a time
	rows := make([]Row, 0, min(n, MaxLimit))
	for range n {
		if d.bad {
			return nil
		}
		if len(values) == 0 {
			values = make([]Value, width*min(n-len(rows), MaxLimit))
		}
		r := Row{Values: values[:width:width], Nulls: Columns(d.uint())}
		values = values[width:]
		d.bad = d.bad || r.Nulls&^columns != 0
		for left := columns &^ r.Nulls; left != 0; left &= left - 1 {
			c := bits.TrailingZeros64(uint64(left))
			d.into(&r.Values[c], &t.Columns[c])
		}
		if follow != nil {
			follow(&r)
		}
		rows = append(rows, r)
	}
	return rows
}

func (d *decoder) summary(t *Table, s *Summary) {
	s.Count = d.int()
	for _, column := range t.Stats {
		c := &t.Columns[column]
		mean := c.MeanColumn()
		s.Stats = append(s.Stats, Stat{Min: d.optional(c), Max: d.optional(c), Mean: d.optional(&mean)})
	}
	for _, f := range t.Table.Facets {
		s.Facets = append(s.Facets, d.facets(&t.Columns[f.Column]))
	}
}

func (d *decoder) facets(c *Column) []Facet {
	const smallest = 2 // flag, count
	n := d.count(smallest)
	if n == 0 {
		return nil
	}
	facets := make([]Facet, n)
	for i := range facets {
		facets[i] = Facet{Value: d.optional(c), Count: d.int()}
	}
	return facets
}
