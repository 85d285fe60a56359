package match

import "slices"

// node is a tree of live queries that finds those whose box a point lies in,
// without looking at most of the others. An inner node cuts one axis at one
// value: queries wholly below it, wholly above it, and across it have a subtree
// each, and a point is looked for in only two of the three. Each subtree chooses
// its own axis, so pages of one filter come apart by their windows, filters of
// one city by their prices, and so on, whichever tells them apart best.
//
// A leaf holds a few queries, or many that no cut can tell apart. A subtree that
// has seen many insertions and removals is built anew, which keeps both cheap on
// average and the tree balanced whatever the order in which queries come and go.
type node struct {
	lives []*live // of a leaf
	// A leaf that no cut improved tries again when it has grown to this size.
	tryAt int

	inner bool
	axis  dimension
	at    int64
	below *node // nil if empty, as the others
	above *node
	cross *node

	size  int // queries in the subtree
	built int // size when the subtree was built
	churn int // insertions and removals since
}

// leafSize is how many queries a leaf holds before it is cut. At this size
// looking at all of them costs about as much as going a few levels deeper.
const leafSize = 16

// stab appends to dst the queries that the point may lie in: all in whose box it
// lies, and some others.
func (n *node) stab(p *point, dst []*live) []*live {
	for n != nil {
		if !n.inner {
			return append(dst, n.lives...)
		}
		switch x := p[n.axis]; {
		case x < n.at:
			dst = n.below.stab(p, dst)
		case x > n.at:
			dst = n.above.stab(p, dst)
		}
		n = n.cross
	}
	return dst
}

// side returns the subtree that a query belongs to.
func (n *node) side(l *live) **node {
	switch s := l.span(n.axis); {
	case s.high < n.at:
		return &n.below
	case s.low > n.at:
		return &n.above
	default:
		return &n.cross
	}
}

func (n *node) insert(l *live) {
	n.size++
	if !n.inner {
		if n.lives = append(n.lives, l); len(n.lives) > max(leafSize, n.tryAt) {
			n.cut()
		}
		return
	}
	child := n.side(l)
	if *child == nil {
		*child = &node{}
	}
	(*child).insert(l)
	n.changed()
}

// remove takes out a query that was inserted with the box that it still has.
func (n *node) remove(l *live) {
	n.size--
	if !n.inner {
		i, last := slices.Index(n.lives, l), len(n.lives)-1
		n.lives[i], n.lives[last] = n.lives[last], nil
		n.lives = n.lives[:last]
		return
	}
	child := n.side(l)
	(*child).remove(l)
	if (*child).size == 0 {
		*child = nil
	}
	n.changed()
}

// changed counts a change of the subtree and builds it anew if there were many.
func (n *node) changed() {
	if n.churn++; n.churn > 2*n.built {
		lives := n.gather(make([]*live, 0, n.size))
		*n = node{lives: lives, size: len(lives)}
		if len(lives) > leafSize {
			n.cut()
		}
	}
}

func (n *node) gather(dst []*live) []*live {
	if n == nil {
		return dst
	}
	dst = append(dst, n.lives...)
	return n.cross.gather(n.above.gather(n.below.gather(dst)))
}

// cut makes an inner node of a leaf, and so on down, where that helps.
func (n *node) cut() {
	axis, at, ok := bestCut(n.lives)
	if !ok {
		n.tryAt = 2 * len(n.lives)
		return
	}
	lives := n.lives
	*n = node{inner: true, axis: axis, at: at, size: len(lives), built: len(lives)}
	for _, l := range lives {
		child := n.side(l)
		if *child == nil {
			*child = &node{}
		}
		(*child).lives = append((*child).lives, l)
		(*child).size++
	}
	for _, child := range [...]*node{n.below, n.above, n.cross} {
		if child != nil && child.size > leafSize {
			child.cut()
		}
	}
}

// bestCut chooses the axis and the value that leave the fewest queries to look
// at: those across, and the half of the others. It judges by a sample, in which
// each of the three parts must be short of the whole by an eighth: so every cut
// makes progress, and cuts that hardly help are not made.
func bestCut(lives []*live) (axis dimension, at int64, ok bool) {
	const sampleSize = 64
	step := (len(lives) + sampleSize - 1) / sampleSize
	var sample [sampleSize]span
	var ends [2 * sampleSize]int64
	least := 0
	for d := range dimensions {
		n, e := 0, ends[:0]
		for i := 0; i < len(lives); i += step {
			s := lives[i].span(d)
			sample[n] = s
			n++
			if s.low > nullAt+1 {
				e = append(e, s.low)
			}
			if s.high < everything().high {
				e = append(e, s.high)
			}
		}
		if len(e) == 0 {
			continue
		}
		slices.Sort(e)
		middle := e[len(e)/2]
		below, above := 0, 0
		for _, s := range sample[:n] {
			switch {
			case s.high < middle:
				below++
			case s.low > middle:
				above++
			}
		}
		cross := n - below - above
		cost := 2*cross + below + above
		if max(below, above, cross) <= n-(n+7)/8 && (!ok || cost < least) {
			axis, at, least, ok = d, middle, cost, true
		}
	}
	return axis, at, ok
}
