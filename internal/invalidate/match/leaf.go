package match

import "slices"

// leaf is a list of live queries and, side by side in memory, their boxes: most of
// the queries that a change does not touch are passed over after a look at one
// stretch of each. That is the one on the axis which tells these queries apart best;
// the others of a query stand together, since they are looked at together.
type leaf struct {
	lives []*live
	axes  []dimension // on which a box has an end, the one of first in front; never empty
	first []span      // what each query's box spans on the first axis
	rest  []span      // likewise on the others, query by query
	laid  int         // how many queries there were when the axes were chosen
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
	f.lay()
	return f
}

// lay chooses the axes and writes the boxes down.
func (f *leaf) lay() {
	f.laid = len(f.lives)
	f.axes, f.first, f.rest = f.axes[:0], f.first[:0], f.rest[:0]
	least := 0
	for d := range dimensions {
		n, bounds := f.meetings(d)
		if !bounds {
			continue
		}
		f.axes = append(f.axes, d)
		if last := len(f.axes) - 1; last == 0 || n < least {
			f.axes[0], f.axes[last] = f.axes[last], f.axes[0]
			least = n
		}
	}
	if len(f.axes) == 0 {
		f.axes = append(f.axes, 0)
	}
	for _, l := range f.lives {
		f.write(l)
	}
}

// meetings returns how often two of a sample of the queries meet on an axis, and
// whether the axis bounds any query at all.
func (f *leaf) meetings(d dimension) (n int, bounds bool) {
	const sampleSize = 16
	var room [sampleSize]span
	sample := room[:0]
	step := (len(f.lives) + sampleSize - 1) / sampleSize
	for i, l := range f.lives {
		s := l.span(d)
		bounds = bounds || s != everything()
		if i%step == 0 {
			sample = append(sample, s)
		}
	}
	for i, s := range sample {
		for _, t := range sample[:i] {
			if s.low <= t.high && t.low <= s.high {
				n++
			}
		}
	}
	return n, bounds
}

// write appends the box of the next query.
func (f *leaf) write(l *live) {
	f.first = append(f.first, l.span(f.axes[0]))
	for _, d := range f.axes[1:] {
		f.rest = append(f.rest, l.span(d))
	}
}

func (f *leaf) insert(l *live) {
	f.lives = append(f.lives, l)
	if len(f.lives) > 2*f.laid || f.lacksAxis(l) {
		f.lay()
		return
	}
	f.write(l)
}

// lacksAxis reports whether a box has an end on an axis that has not been chosen.
func (f *leaf) lacksAxis(l *live) bool {
	for d := range dimensions {
		if !slices.Contains(f.axes, d) && l.span(d) != everything() {
			return true
		}
	}
	return false
}

func (f *leaf) remove(l *live) {
	i, last, width := slices.Index(f.lives, l), len(f.lives)-1, len(f.axes)-1
	f.lives[i], f.lives[last] = f.lives[last], nil
	f.first[i] = f.first[last]
	copy(f.rest[i*width:], f.rest[last*width:])
	f.lives, f.first, f.rest = f.lives[:last], f.first[:last], f.rest[:last*width]
}

func (f *leaf) stab(p *probe) {
	if len(f.lives) == 0 {
		return
	}
	x, y := p.before[f.axes[0]], p.after[f.axes[0]]
	for i, s := range f.first {
		if before, after := s.holds(x), s.holds(y); before || after {
			f.find(i, before, after, p)
		}
	}
}

// find gives the probe query i if its box holds one of its places; the first axis has
// told which may be.
func (f *leaf) find(i int, before, after bool, p *probe) {
	width := len(f.axes) - 1
	for j, s := range f.rest[i*width : (i+1)*width] {
		d := f.axes[1+j]
		before = before && s.holds(p.before[d])
		after = after && s.holds(p.after[d])
	}
	if before || after {
		p.found = append(p.found, candidate{f.lives[i], before, after})
	}
}
