package match

import "slices"

// node is a tree of live queries that finds those in whose box a point lies,
// without looking at most of the others. An inner node cuts one axis at one
// value: the boxes below it, above it and across it have a subtree each, and so
// have those that the axis does not bound. A point is looked for in one of the
// first two, in the last, and across the cut only if it is not beyond all that
// stands there. Each subtree chooses its own axis, so the pages of one filter come
// apart by their windows, filters of one city by their prices, and so on,
// whichever tells them apart best.
//
// A leaf holds up to leafSize queries, or more that no cut can tell apart. A subtree that
// has seen many insertions and removals is built anew if it has become small or lopsided, which
// keeps both cheap on average and the tree low whatever the order in which queries come and go.
type node struct {
	inner  bool
	axis   dimension // of an inner node: its cut, and its parts, nil if empty
	at     int64
	across span // what the boxes across the cut span together, or did once
	parts  [partCount]*node

	leaf leaf // of another node

	most  int // how many queries a leaf of the subtree holds before it is cut
	size  int // queries in the subtree
	built int // size when the subtree was built
	churn int // insertions and removals since
	tryAt int // size up to which a leaf that no cut improved grows before the next try
}

// The parts of an inner node: queries whose box lies below, across or above the
// cut, or spans the whole axis.
const (
	below = iota
	cross
	above
	whole
	partCount
)

// leafSize is how many queries a leaf holds before it is cut. Up to about this
// size looking at all of its bitmaps costs no more than going deeper.
const leafSize = 2048

// newTree returns a tree of no queries with leaves of at most so many.
func newTree(most int) *node { return &node{most: most} }

func (n *node) insert(l *liveQuery) {
	n.size++
	if !n.inner {
		if n.size > max(n.most, n.tryAt) {
			n.build(append(n.leaf.queries, l))
		} else {
			n.leaf.insert(l)
		}
		return
	}
	s := l.span(n.axis)
	i := s.partOf(n.at)
	if i == cross {
		n.across = n.across.join(s)
	}
	if n.parts[i] == nil {
		n.parts[i] = newTree(n.most)
	}
	n.parts[i].insert(l)
	n.changed()
}

// remove takes out a query that was inserted with the box that it still has.
func (n *node) remove(l *liveQuery) {
	n.size--
	if !n.inner {
		n.leaf.remove(l)
		return
	}
	i := l.span(n.axis).partOf(n.at)
	if n.parts[i].remove(l); n.parts[i].size == 0 {
		n.parts[i] = nil
	}
	n.changed()
}

// changed counts a change of the subtree. After many it is built anew, unless it is large and
// its parts are even: to build very many takes long, while nothing is purged.
func (n *node) changed() {
	if n.churn++; n.churn <= 2*n.built {
		return
	}
	if n.size > n.most && n.even() {
		n.built, n.churn = n.size, 0
		n.across = extent(n.parts[cross].collect(nil), n.axis)
		return
	}
	n.build(n.collect(make([]*liveQuery, 0, n.size)))
}

// even reports whether each part is smaller than the whole by an eighth.
func (n *node) even() bool {
	for _, part := range n.parts {
		if part != nil && part.size > mostOf(n.size) {
			return false
		}
	}
	return true
}

// mostOf returns how many of n queries a part may hold.
func mostOf(n int) int { return n - (n+7)/8 }

// extent returns what the boxes of queries span together on an axis.
func extent(lives []*liveQuery, d dimension) span {
	all := nothing()
	for _, l := range lives {
		all = all.join(l.span(d))
	}
	return all
}

func (n *node) collect(dst []*liveQuery) []*liveQuery {
	if n == nil {
		return dst
	}
	dst = append(dst, n.leaf.queries...)
	for _, part := range n.parts {
		dst = part.collect(dst)
	}
	return dst
}

// build makes the subtree of the given queries.
func (n *node) build(lives []*liveQuery) {
	*n = node{most: n.most, size: len(lives), built: len(lives)}
	if len(lives) > n.most {
		if n.axis, n.at, n.inner = bestCut(lives); n.inner {
			n.cut(lives)
			return
		}
		n.tryAt = 2 * len(lives)
	}
	n.leaf = newLeaf(lives)
}

func (n *node) cut(lives []*liveQuery) {
	var parts [partCount][]*liveQuery
	for _, l := range lives {
		i := l.span(n.axis).partOf(n.at)
		parts[i] = append(parts[i], l)
	}
	n.across = extent(parts[cross], n.axis)
	for i, part := range parts {
		if len(part) > 0 {
			n.parts[i] = newTree(n.most)
			n.parts[i].build(part)
		}
	}
}

// sampleSize is how many queries a cut is chosen by.
const sampleSize = 64

// bestCut chooses the axis and the value that leave the fewest queries to look
// at, by a sample; false if none helps.
func bestCut(lives []*liveQuery) (axis dimension, at int64, ok bool) {
	var sample [sampleSize]span
	step := (len(lives) + sampleSize - 1) / sampleSize
	least := 0
	for d := range lives[0].filter.space.axes {
		spans := sample[:0]
		for i := 0; i < len(lives); i += step {
			spans = append(spans, lives[i].span(d))
		}
		middle, some := middleEnd(spans)
		if !some {
			continue
		}
		if cost, helps := costOfCut(spans, middle); helps && (!ok || cost < least) {
			axis, at, least, ok = d, middle, cost, true
		}
	}
	return axis, at, ok
}

// middleEnd returns the middle one of the spans' ends; false if they have none.
func middleEnd(spans []span) (int64, bool) {
	var room [2 * sampleSize]int64
	ends := room[:0]
	for _, s := range spans {
		if s.low > lowest {
			ends = append(ends, s.low)
		}
		if s.high < highest {
			ends = append(ends, s.high)
		}
	}
	if len(ends) == 0 {
		return 0, false
	}
	slices.Sort(ends)
	return ends[len(ends)/2], true
}

// costOfCut returns twice the number of spans that a point meets on average: all
// across the cut and half of those beside it. A cut helps if each of its parts is
// smaller than the whole by an eighth, so that the tree's depth is bounded.
func costOfCut(spans []span, at int64) (cost int, helps bool) {
	var n [partCount]int
	for _, s := range spans {
		n[s.partOf(at)]++
	}
	return 2*(n[cross]+n[whole]) + n[below] + n[above], slices.Max(n[:]) <= mostOf(len(spans))
}
