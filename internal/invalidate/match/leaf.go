package match

import "slices"

// leaf is a list of live queries and, side by side in memory, their boxes: a
// change passes over those that it does not touch without a look at them.
type leaf struct {
	lives []*live
	spans []span                // count of each query
	axes  [dimensions]dimension // the axes on which some of the boxes has an end
	count int                   // how many they are
}

// probe looks for the queries in whose box a row's place lies before a change or
// after it.
type probe struct {
	before, after point
	moved         bool // whether the two differ
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
			f.axes[f.count] = d
			f.count++
		}
	}
	f.spans = make([]span, 0, len(lives)*f.count)
	for _, l := range lives {
		f.appendBox(l)
	}
	return f
}

func (f *leaf) appendBox(l *live) {
	for _, axis := range f.axes[:f.count] {
		f.spans = append(f.spans, l.span(axis))
	}
}

func (f *leaf) insert(l *live) {
	f.lives = append(f.lives, l)
	if f.hasAxesOf(l) {
		f.appendBox(l)
	} else {
		*f = newLeaf(f.lives)
	}
}

// hasAxesOf reports whether the leaf has every axis on which the query's box has
// an end.
func (f *leaf) hasAxesOf(l *live) bool {
	for d := range dimensions {
		if l.span(d) != everything() && !slices.Contains(f.axes[:f.count], d) {
			return false
		}
	}
	return true
}

func (f *leaf) remove(l *live) {
	i, last := slices.Index(f.lives, l), len(f.lives)-1
	f.lives[i], f.lives[last] = f.lives[last], nil
	f.lives = f.lives[:last]
	copy(f.box(i), f.box(last))
	f.spans = f.spans[:last*f.count]
}

// box returns the box of query i.
func (f *leaf) box(i int) []span { return f.spans[i*f.count : (i+1)*f.count] }

func (f *leaf) stab(p *probe) {
	for i := range f.lives {
		box := f.box(i)
		before := f.holds(box, &p.before)
		after := before
		if p.moved {
			after = f.holds(box, &p.after)
		}
		if before || after {
			p.found = append(p.found, candidate{f.lives[i], before, after})
		}
	}
}

// holds reports whether the point lies in the box.
func (f *leaf) holds(box []span, p *point) bool {
	for i := range box {
		if x := p[f.axes[i]]; x < box[i].low || x > box[i].high {
			return false
		}
	}
	return true
}
