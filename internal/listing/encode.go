package listing

import (
	"encoding/binary"
	"math"
)

// Shape names the layout that Encode writes and the spelling of cursors, which
// stand in the next links of rendered answers. It goes into every cached value's
// build tag: change it with either, and no build ever decodes another's bytes.
const Shape = "queryset 2, cursor 2"

// The layout: one byte for the query's kind, then what the kind has. Integers
// are varints (signed ones zigzag), texts are their length and bytes, floats
// their eight bytes. Where a value may be NULL a flag says so and nothing
// stands for it.

// The flags of a row's NULLs.
const (
	nullPostalCode = 1 << iota
	nullBedrooms
	nullBathrooms
	nullLivingArea
	nullLatitude
	nullLongitude
	nullAny = 1<<iota - 1
)

// Encode returns the queryset's rows as DecodeQueryset reads them. The query is
// not among them: it is the name that the bytes are stored under.
func (qs *Queryset) Encode() []byte {
	const perItem = 128 // a guess, to allocate once
	e := encoder{b: make([]byte, 0, 32+perItem*len(qs.Items))}
	e.byte(byte(qs.Query.Kind))
	switch qs.Query.Kind {
	case SummaryKind:
		e.summary(&qs.Summary)
	case PropertyKind:
		e.items(qs.Items, true)
	default:
		e.items(qs.Items, false)
		if e.flag(qs.Ahead.Valid) {
			e.key(qs.Ahead.V)
		}
	}
	return e.b
}

type encoder struct{ b []byte }

func (e *encoder) byte(v byte)   { e.b = append(e.b, v) }
func (e *encoder) int(v int64)   { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) count(n int)   { e.b = binary.AppendUvarint(e.b, uint64(n)) }
func (e *encoder) text(s string) { e.count(len(s)); e.b = append(e.b, s...) }

func (e *encoder) float(v float64) {
	e.b = binary.LittleEndian.AppendUint64(e.b, math.Float64bits(v))
}

// flag writes and returns whether something follows.
func (e *encoder) flag(follows bool) bool {
	if follows {
		e.byte(1)
	} else {
		e.byte(0)
	}
	return follows
}

func (e *encoder) key(k Key) {
	if e.flag(k.Value.Valid) {
		e.int(k.Value.V)
	}
	e.int(k.ID)
}

func (e *encoder) items(items []Property, whole bool) {
	e.count(len(items))
	for i := range items {
		e.row(&items[i].Row)
		e.text(items[i].Title)
		if whole {
			e.text(items[i].Description)
			e.int(int64(items[i].UpdatedAt))
		}
	}
}

func (e *encoder) row(r *Row) {
	e.byte(nulls(r))
	e.int(r.ID)
	e.text(r.PropertyType)
	e.text(r.Status)
	e.int(r.Price)
	e.text(r.City)
	if r.PostalCode.Valid {
		e.text(r.PostalCode.V)
	}
	if r.Bedrooms.Valid {
		e.int(int64(r.Bedrooms.V))
	}
	if r.Bathrooms.Valid {
		e.int(int64(r.Bathrooms.V))
	}
	if r.LivingArea.Valid {
		e.int(int64(r.LivingArea.V))
	}
	if r.Latitude.Valid {
		e.float(r.Latitude.V)
	}
	if r.Longitude.Valid {
		e.float(r.Longitude.V)
	}
	e.int(int64(r.CreatedAt))
}

func nulls(r *Row) (flags byte) {
	set := func(valid bool, flag byte) {
		if !valid {
			flags |= flag
		}
	}
	set(r.PostalCode.Valid, nullPostalCode)
	set(r.Bedrooms.Valid, nullBedrooms)
	set(r.Bathrooms.Valid, nullBathrooms)
	set(r.LivingArea.Valid, nullLivingArea)
	set(r.Latitude.Valid, nullLatitude)
	set(r.Longitude.Valid, nullLongitude)
	return flags
}

func (e *encoder) summary(s *Summary) {
	e.int(s.Count)
	e.int(s.MinPrice)
	e.int(s.MaxPrice)
	e.int(s.MeanPrice)
	for _, facets := range [...][]Facet{s.ByCity, s.ByPropertyType, s.ByBedrooms} {
		e.count(len(facets))
		for _, f := range facets {
			if e.flag(f.Value.Valid) {
				e.text(f.Value.V)
			}
			e.int(f.Count)
		}
	}
}
