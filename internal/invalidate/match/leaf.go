package match

import (
	"math"
	"slices"
)

// leaf is a list of live queries with a bitmap index of their boxes (after P. O'Neil and
// D. Quass, Improved Query Performance with Variant Indexes, 1997). Every axis is cut into
// cells, and each cell has a bitmap, a bit for each query: whether its box reaches into the
// cell. The boxes that may hold a place are those that the bitmaps of its cells on all axes
// have in common, found 64 at a time; only these are compared.
type leaf struct {
	queries      []*liveQuery
	entries      []entry // of each query
	furtherBoxes []span  // the boxes on the axes that entries have no room for, query by query
	blocks       []block // the cells' starts, axis by axis; a cell reaches to the next one's start
	bitmaps      []uint64
	room         int            // words of each cell's bitmap
	laidOut      int            // how many queries there were when the axes were cut
	width        int            // the number of axes
	axes         [mostAxes]axis // at least one, if there are queries; no slice, which would be one more read to wait for
}

// axis is one axis on which a box of the leaf has an end.
type axis struct {
	dimension
	first, cells uint16 // where its cells are among all
	blocks       uint16 // where its blocks are among all: that of the first starts, then theirs
}

// block is a line of a processor's cache full of starts. The first block of an axis has those
// of its other blocks, so that only two are read to find a cell.
type block [lineWords]int64

// find returns which is the last of the starts that x has reached.
func (b *block) find(x int64) (at uint16) {
	if b[4] <= x {
		at = 4
	}
	if b[at+2] <= x {
		at += 2
	}
	if b[at+1] <= x {
		at++
	}
	return at
}

// entry is what is read of a query while a change is judged, in one place and as large as two
// lines of a processor's cache: its box and its hot fields.
type entry struct {
	box [boxAxes]span // on the leaf's first axes
	hotFields
}

// boxAxes is on how many axes an entry has its box. Few filters bound more.
const boxAxes = 3

// An axis has a cell for each cellQueries queries, at most mostCells. Where they begin is
// told by the boxes of at most endsSample queries.
const (
	cellQueries = 4
	mostCells   = lineWords * lineWords
	endsSample  = 256
)

func newLeaf(lives []*liveQuery) leaf {
	f := leaf{queries: slices.Clone(lives)}
	f.layOut()
	return f
}

// layOut cuts the axes anew and writes all queries down, with room for as many more.
func (f *leaf) layOut() {
	f.laidOut, f.room, f.width = len(f.queries), words(2*len(f.queries)), 0
	f.blocks, f.furtherBoxes, f.entries = nil, nil, make([]entry, 0, len(f.queries))
	boxes := make([]box, len(f.queries))
	for i, l := range f.queries {
		boxes[i] = l.box()
	}
	for d := range f.queries[0].filter.space.axes {
		bounds := func(b box) bool { return b[d] != everything() }
		if slices.ContainsFunc(boxes, bounds) {
			f.cut(d, boxes)
		}
	}
	if f.width == 0 {
		f.cut(0, boxes)
	}
	f.bitmaps = make([]uint64, int(f.cells())*f.room)
	for i, l := range f.queries {
		f.write(l, &boxes[i])
	}
}

// words returns how many words a bitmap of n bits has.
func words(n int) int { return (n + 63) / 64 }

// cut adds an axis, with cells between which the ends of boxes are spread evenly.
func (f *leaf) cut(d dimension, boxes []box) {
	var ends []int64
	for i := 0; i < len(boxes); i += 1 + (len(boxes)-1)/endsSample {
		if s := boxes[i][d]; s.low > lowest {
			ends = append(ends, s.low)
		}
		if s := boxes[i][d]; s.high < highest {
			ends = append(ends, s.high+1)
		}
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	cells := min(len(ends)+1, 1+f.laidOut/cellQueries, mostCells)
	f.axes[f.width] = axis{dimension: d, first: f.cells(), cells: uint16(cells), blocks: uint16(len(f.blocks))}
	f.width++
	starts := []int64{math.MinInt64}
	for i := 1; i < cells; i++ {
		starts = append(starts, ends[i*len(ends)/cells])
	}
	f.blocks = append(f.blocks, blocksOf(starts)...)
}

// cells returns how many cells all axes have that have been cut.
func (f *leaf) cells() uint16 {
	if f.width == 0 {
		return 0
	}
	last := &f.axes[f.width-1]
	return last.first + last.cells
}

// blocksOf returns the blocks of an axis with these starts. No value but the greatest reaches
// what fills up the last block, and the first.
func blocksOf(starts []int64) []block {
	blocks := make([]block, 1+(len(starts)+lineWords-1)/lineWords)
	for i := range blocks {
		for at := range blocks[i] {
			blocks[i][at] = math.MaxInt64
		}
	}
	for i, start := range starts {
		if i%lineWords == 0 {
			blocks[0][i/lineWords] = start
		}
		blocks[1+i/lineWords][i%lineWords] = start
	}
	return blocks
}

// block returns one of an axis' blocks, but for its first.
func (f *leaf) block(a axis, b uint16) *block { return &f.blocks[a.blocks+1+b] }

// blockOf returns the block in which the start of the cell is that a value lies in.
func (f *leaf) blockOf(a axis, x int64) uint16 {
	return min(f.blocks[a.blocks].find(x), (a.cells-1)/lineWords)
}

// cellOf returns the cell that a value lies in, given the block of its start.
func (f *leaf) cellOf(a axis, b uint16, x int64) uint16 {
	return a.first + min(b*lineWords+f.block(a, b).find(x), a.cells-1)
}

// cell returns the cell of an axis that a value lies in.
func (f *leaf) cell(a axis, x int64) uint16 { return f.cellOf(a, f.blockOf(a, x), x) }

// bitmap returns the bitmap of a cell.
func (f *leaf) bitmap(cell uint16) []uint64 { return f.bitmaps[int(cell)*f.room:][:f.room] }

// write appends the next query.
func (f *leaf) write(l *liveQuery, b *box) {
	e := entry{hotFields: l.hotFields}
	for k, a := range f.axes[:f.width] {
		if k < boxAxes {
			e.box[k] = b[a.dimension]
		} else {
			f.furtherBoxes = append(f.furtherBoxes, b[a.dimension])
		}
	}
	f.entries = append(f.entries, e)
	f.flip(len(f.entries) - 1)
}

// side returns what the box of query i spans on axis k.
func (f *leaf) side(i, k int) span {
	if k < boxAxes {
		return f.entries[i].box[k]
	}
	return f.furtherBoxes[i*f.further()+k-boxAxes]
}

// further returns on how many axes the boxes stand in more.
func (f *leaf) further() int { return max(0, f.width-boxAxes) }

// flip sets the bits of query i, or takes them away.
func (f *leaf) flip(i int) {
	for k, a := range f.axes[:f.width] {
		s := f.side(i, k)
		if s.low > s.high {
			continue
		}
		for c, last := f.cell(a, s.low), f.cell(a, s.high); c <= last; c++ {
			f.bitmap(c)[i/64] ^= 1 << (i % 64)
		}
	}
}

func (f *leaf) insert(l *liveQuery) {
	f.queries = append(f.queries, l)
	b := l.box()
	if len(f.queries) > 2*f.laidOut || f.lacksAxis(&b) {
		f.layOut()
		return
	}
	f.write(l, &b)
}

// lacksAxis reports whether a box has an end on an axis that has not been cut.
func (f *leaf) lacksAxis(b *box) bool {
	k := 0
	for d := range f.queries[0].filter.space.axes {
		if k < f.width && f.axes[k].dimension == d {
			k++
		} else if b[d] != everything() {
			return true
		}
	}
	return false
}

// remove takes a query out; the last one takes its place. A leaf that has become much smaller
// gives up its room.
func (f *leaf) remove(l *liveQuery) {
	i, last, width := slices.Index(f.queries, l), len(f.queries)-1, f.further()
	f.flip(i)
	if i != last {
		f.flip(last)
		f.queries[i], f.entries[i] = f.queries[last], f.entries[last]
		copy(f.furtherBoxes[i*width:], f.furtherBoxes[last*width:])
		f.flip(i)
	}
	f.queries[last], f.entries[last] = nil, entry{}
	f.queries, f.entries, f.furtherBoxes = f.queries[:last], f.entries[:last], f.furtherBoxes[:last*width]
	if last > 0 && last < f.laidOut/4 {
		f.queries = slices.Clone(f.queries)
		f.layOut()
	}
}
