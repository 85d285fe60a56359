package match

import "slices"

// leaf is a list of live queries and, side by side in memory, their boxes, axis by
// axis: most of the queries that a change does not touch are passed over after a
// look at one stretch of each.
type leaf struct {
	lives []*live
	// What each query's box spans on an axis; nothing stands here for an axis on
	// which none of the boxes has an end.
	columns [dimensions][]span
}

// probe looks for the queries in whose box a row's place lies before a change or
// after it.
type probe struct {
	before, after point
	found         []candidate
}

// candidate is a query that a probe found, and by which of its places.
type candidate struct {
	*live
	before, after bool
}

func newLeaf(lives []*live) leaf {
	f := leaf{lives: slices.Clone(lives)}
	for d := range dimensions {
		if slices.ContainsFunc(lives, func(l *live) bool { return l.span(d) != everything() }) {
			f.addColumn(d)
		}
	}
	return f
}

func (f *leaf) addColumn(d dimension) {
	column := make([]span, 0, cap(f.lives))
	for _, l := range f.lives {
		column = append(column, l.span(d))
	}
	f.columns[d] = column
}

func (f *leaf) insert(l *live) {
	f.lives = append(f.lives, l)
	for d := range dimensions {
		if s := l.span(d); f.columns[d] != nil {
			f.columns[d] = append(f.columns[d], s)
		} else if s != everything() {
			f.addColumn(d)
		}
	}
}

func (f *leaf) remove(l *live) {
	i, last := slices.Index(f.lives, l), len(f.lives)-1
	f.lives[i], f.lives[last] = f.lives[last], nil
	f.lives = f.lives[:last]
	for d, column := range f.columns {
		if column != nil {
			column[i] = column[last]
			f.columns[d] = column[:last]
		}
	}
}

func (f *leaf) stab(p *probe) {
	for d, column := range f.columns {
		if column == nil {
			continue
		}
		x, y := p.before[d], p.after[d]
		for i, s := range column {
			if s.holds(x) || s.holds(y) {
				f.find(i, p)
			}
		}
		return
	}
	for i := range f.lives {
		f.find(i, p)
	}
}

// find gives the probe query i if one of its places lies in the query's box.
func (f *leaf) find(i int, p *probe) {
	c := candidate{f.lives[i], true, true}
	for d, column := range f.columns {
		if column != nil {
			c.before = c.before && column[i].holds(p.before[d])
			c.after = c.after && column[i].holds(p.after[d])
		}
	}
	if c.before || c.after {
		p.found = append(p.found, c)
	}
}
