package listing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// errEncoding says that bytes are not what Encode writes.
var errEncoding = errors.New("damaged queryset")

// DecodeQueryset is the inverse of Encode for a query's answer. It accepts only
// what Encode returns: anything else is an error, never a panic, and costs no
// more memory than its own length warrants.
func DecodeQueryset(q Query, b []byte) (Queryset, error) {
	d := decoder{b: b, s: string(b)}
	qs := Queryset{Query: q}
	if d.byte() != byte(q.Kind) {
		d.bad = true
	}
	switch q.Kind {
	case SummaryKind:
		d.summary(&qs.Summary)
	case PropertyKind:
		qs.Items = d.items(true)
		d.bad = d.bad || len(qs.Items) > 1
	default:
		qs.Items = d.items(false)
		if d.flag() {
			qs.Ahead = Some(d.key())
		}
	}
	if d.bad || d.at != len(b) {
		return Queryset{}, fmt.Errorf("decode %s: %w", q, errEncoding)
	}
	return qs, nil
}

// decoder reads b. After the first fault bad is set and every read returns zero.
// Texts are cut from s, one copy of b, and so cost no allocation each.
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

// small reads a signed integer that must fit in the given number of bits.
func (d *decoder) small(bits int) int64 {
	v := d.int()
	if v>>(bits-1) != v>>63 {
		d.bad = true
		return 0
	}
	return v
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

func (d *decoder) text() string {
	n := d.count(1)
	at := d.take(n)
	if d.bad {
		return ""
	}
	return d.s[at : at+n]
}

func (d *decoder) float() float64 {
	at := d.take(8)
	if d.bad {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(d.b[at:]))
}

func (d *decoder) key() (k Key) {
	if d.flag() {
		k.Value = Some(d.int())
	}
	k.ID = d.int()
	return k
}

func (d *decoder) items(whole bool) []Property {
	const smallest = 8 // flags, id, type, status, price, city, created_at, title
	n := d.count(smallest)
	if n == 0 {
		return nil
	}
	items := make([]Property, n)
	for i := range items {
		if d.bad {
			return nil
		}
		d.row(&items[i].Row)
		items[i].Title = d.text()
		if whole {
			items[i].Description = d.text()
			items[i].UpdatedAt = Micros(d.int())
		}
	}
	return items
}

func (d *decoder) row(r *Row) {
	null := d.byte()
	d.bad = d.bad || null&^nullAny != 0
	r.ID = d.int()
	r.PropertyType = d.text()
	r.Status = d.text()
	r.Price = d.int()
	r.City = d.text()
	if null&nullPostalCode == 0 {
		r.PostalCode = Some(d.text())
	}
	if null&nullBedrooms == 0 {
		r.Bedrooms = Some(int16(d.small(16)))
	}
	if null&nullBathrooms == 0 {
		r.Bathrooms = Some(int16(d.small(16)))
	}
	if null&nullLivingArea == 0 {
		r.LivingArea = Some(int32(d.small(32)))
	}
	if null&nullLatitude == 0 {
		r.Latitude = Some(d.float())
	}
	if null&nullLongitude == 0 {
		r.Longitude = Some(d.float())
	}
	r.CreatedAt = Micros(d.int())
}

func (d *decoder) summary(s *Summary) {
	s.Count = d.int()
	s.MinPrice = d.int()
	s.MaxPrice = d.int()
	s.MeanPrice = d.int()
	for _, facets := range [...]*[]Facet{&s.ByCity, &s.ByPropertyType, &s.ByBedrooms} {
		*facets = d.facets()
	}
}

func (d *decoder) facets() []Facet {
	const smallest = 2 // flag, count
	n := d.count(smallest)
	if n == 0 {
		return nil
	}
	facets := make([]Facet, n)
	for i := range facets {
		if d.flag() {
			facets[i].Value = Some(d.text())
		}
		facets[i].Count = d.int()
	}
	return facets
}
