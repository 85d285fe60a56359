package render

import "github.com/freshlist/freshlist/internal/listing"

// Sizes that a body rarely exceeds, so that it is written into one allocation.
const (
	memberSize = 36  // bytes, one member of an item of a list
	rowSize    = 900 // bytes, one row with its texts
	facetSize  = 48  // bytes, one value of a summary
)

// pageJSON writes {"items": [...], "next": ..., "prev": ...}.
func pageJSON(qs *listing.Queryset) []byte {
	t, joins := qs.Query.Table, qs.Query.Joins()
	b := make([]byte, 0, 256+memberSize*len(t.List)*len(qs.Items))
	b = append(b, `{"items":[`...)
	for i := range qs.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRow(b, t, t.List, joins, &qs.Items[i])
	}
	b = append(b, nextMember...)
	b = appendAddress(b, qs.Next())
	b = appendAddress(append(b, prevMember...), qs.Prev())
	return append(b, "}\n"...)
}

// What stands behind the rows of a page.
const (
	nextMember = `],"next":`
	prevMember = `,"prev":`
)

// appendAddress appends an address, or null for none.
func appendAddress(b []byte, address string) []byte {
	if address == "" {
		return append(b, "null"...)
	}
	return appendString(b, address)
}

// rowJSON writes one row as its own page shows it.
func rowJSON(q *listing.Query, r *listing.Row) []byte {
	b := appendRow(make([]byte, 0, rowSize), q.Table, q.Table.Item, q.Joins(), r)
	return append(b, '\n')
}

// appendRow appends some columns of a row, and its inner rows, as an object. There is one column at
// least: the key is always shown.
func appendRow(b []byte, t *listing.Table, columns []int, joins []*listing.Join, r *listing.Row) []byte {
	start := len(b)
	for _, n := range columns {
		c := &t.Columns[n]
		b = append(b, c.JSONName...)
		switch {
		case r.Null(n):
			b = append(b, "null"...)
		case c.Picture():
			b = appendString(b, pictureAddress(t, c, r))
		default:
			b = appendValue(b, c, &r.Values[n])
		}
	}
	for _, j := range joins {
		b = appendInner(append(b, j.JSONName...), j, r.InnerOf(j))
	}
	b[start] = '{' // instead of the comma before the first member
	return append(b, '}')
}

// appendInner appends the inner rows of a join: one or null, or with Many a list.
func appendInner(b []byte, j *listing.Join, inner []listing.Row) []byte {
	switch {
	case !j.Many && len(inner) == 0:
		return append(b, "null"...)
	case !j.Many:
		return appendRow(b, j.Inner, j.Inner.List, nil, &inner[0])
	}
	b = append(b, '[')
	for i := range inner {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRow(b, j.Inner, j.Inner.List, nil, &inner[i])
	}
	return append(b, ']')
}

// countMember is the beginning of a summary.
const countMember = `{"count":`

// summaryJSON writes the count, the statistics and the facets.
func summaryJSON(t *listing.Table, s *listing.Summary) []byte {
	values := 0
	for _, facets := range s.Facets {
		values += len(facets)
	}
	b := make([]byte, 0, 256+facetSize*values)
	b = appendInt(append(b, countMember...), s.Count)
	for i, n := range t.Stats {
		c := &t.Columns[n]
		var stat listing.Stat
		if i < len(s.Stats) {
			stat = s.Stats[i]
		}
		b = appendStat(append(b, c.JSONName...), c, &stat)
	}
	for i, f := range t.Facets {
		var facets []listing.Facet
		if i < len(s.Facets) {
			facets = s.Facets[i]
		}
		b = appendString(append(b, ','), f.Name)
		b = appendFacets(append(b, ':'), &t.Columns[f.Column], facets)
	}
	return append(b, "}\n"...)
}

func appendStat(b []byte, c *listing.Column, s *listing.Stat) []byte {
	mean := c.MeanColumn()
	b = appendNull(append(b, `{"min":`...), c, &s.Min)
	b = appendNull(append(b, `,"max":`...), c, &s.Max)
	b = appendNull(append(b, `,"mean":`...), &mean, &s.Mean)
	return append(b, '}')
}

func appendFacets(b []byte, c *listing.Column, facets []listing.Facet) []byte {
	b = append(b, '[')
	for i := range facets {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNull(append(b, `{"value":`...), c, &facets[i].Value)
		b = appendInt(append(b, `,"count":`...), facets[i].Count)
		b = append(b, '}')
	}
	return append(b, ']')
}
