package match

import "github.com/freshlist/freshlist/internal/listing"

// shape tells which texts a filter asks for, a bit each, and whether it has a
// text search.
type shape uint8

const (
	withPostalCode shape = 1 << iota
	withCity
	withPropertyType
	withStatus
	withSearch
	shapeCount = 1 << iota
)

// bucket names the lists that ask for the same texts. A filter with a list of
// values stands in a bucket for each of them; a row is looked for in one bucket
// of each shape.
type bucket struct {
	shape                                  shape
	postalCode, city, propertyType, status string // "" if not in the shape
}

// maxBuckets bounds how many buckets one filter stands in. A column whose list
// would exceed it stays out of the filter's shape, and is left to the exact test.
const maxBuckets = 20

// bucketsOf calls visit with every bucket that a filter stands in. It reports
// whether the buckets hold rows to all of the filter's lists.
func bucketsOf(f *listing.Filter, visit func(bucket)) (exact bool) {
	var s shape
	n := 1
	exact = true
	choose := func(bit shape, list []string) []string {
		if len(list) == 0 || n*len(list) > maxBuckets {
			exact = exact && len(list) == 0
			return []string{""}
		}
		s |= bit
		n *= len(list)
		return list
	}
	// From the most to the least selective: the first may take the most buckets.
	postalCodes := choose(withPostalCode, f.PostalCode)
	cities := choose(withCity, f.City)
	types := choose(withPropertyType, f.PropertyType)
	statuses := choose(withStatus, f.Status)
	if f.HasText() {
		s |= withSearch
	}
	for _, postalCode := range postalCodes {
		for _, city := range cities {
			for _, propertyType := range types {
				for _, status := range statuses {
					visit(bucket{s, postalCode, city, propertyType, status})
				}
			}
		}
	}
	return exact
}

// bucketOf returns the bucket of a shape that a row falls in; false if there is no
// row, or if a NULL keeps it out of all.
func bucketOf(s shape, r *listing.Row, exists bool) (b bucket, ok bool) {
	if !exists || s&withPostalCode != 0 && !r.PostalCode.Valid {
		return bucket{}, false
	}
	b.shape = s
	if s&withPostalCode != 0 {
		b.postalCode = r.PostalCode.V
	}
	if s&withCity != 0 {
		b.city = r.City
	}
	if s&withPropertyType != 0 {
		b.propertyType = r.PropertyType
	}
	if s&withStatus != 0 {
		b.status = r.Status
	}
	return b, true
}

func (ix *Index) insert(l *liveQuery) {
	var buckets []bucket
	l.exact = bucketsOf(&l.filter.Filter, func(b bucket) { buckets = append(buckets, b) })
	l.single = l.exact && len(buckets) == 1
	for _, b := range buckets {
		n, ok := ix.buckets[b]
		if !ok {
			n = newTree(leafSize)
			put(&ix.buckets, b, n)
		}
		n.insert(l)
		ix.shapes[b.shape]++
	}
}

func (ix *Index) remove(l *liveQuery) {
	bucketsOf(&l.filter.Filter, func(b bucket) {
		n := ix.buckets[b]
		if n.remove(l); n.size == 0 {
			delete(ix.buckets, b)
		}
		ix.shapes[b.shape]--
	})
}
