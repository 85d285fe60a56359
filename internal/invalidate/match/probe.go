package match

import "math/bits"

// probe looks for the queries in whose box a row's place lies before a change or after it.
//
// With very many live queries nearly all that it reads lies far away in memory, and most of
// the time goes into waiting for that. So it goes through all leaves at once, in a few steps,
// and before each reads a word here and there of what the step needs: such reads do not wait
// for one another, and the memory serves many at a time. With 100,000 live queries a change
// costs from 3 to 10 % less for it (BenchmarkAffected, four loads, medians of six runs each
// with these reads and without); with 1,000, from 4 to 7 % more.
type probe struct {
	before, after *point
	visits        []visit
	found         []candidate
	fetched       int64 // keeps the compiler from leaving out reads that only fetch
}

// visit is a leaf that may hold such queries, and of each axis the cells that the places lie
// in; until they are located, the blocks of their starts.
type visit struct {
	*leaf
	before, after [mostAxes]uint16
}

// candidate is a query that a probe found, and by which of its places. It is good until
// the index changes.
type candidate struct {
	leaf          *leaf
	at            int32 // which of the leaf's queries it is
	before, after bool
}

func (c *candidate) live() *liveQuery      { return c.leaf.queries[c.at] }
func (c *candidate) hotFields() *hotFields { return &c.leaf.entries[c.at].hotFields }

// lineWords is how many words a line of a processor's cache has.
const lineWords = 8

// stab finds all queries of a tree in whose box one of the places lies.
func (p *probe) stab(root *node) {
	p.visits, p.found = p.visits[:0], p.found[:0]
	p.walk(root)
	for i := range p.visits {
		v := &p.visits[i]
		for _, a := range v.axes[:v.width] {
			p.fetched += v.blocks[a.blocks][0]
		}
	}
	for i := range p.visits {
		p.fetchBlocks(&p.visits[i])
	}
	for i := range p.visits {
		p.fetchBitmaps(&p.visits[i])
	}
	for i := range p.visits {
		p.intersect(&p.visits[i])
	}
	p.fetchEntries()
	p.compare()
}

// walk notes the leaves in which the places may be.
func (p *probe) walk(n *node) {
	for n != nil {
		if !n.inner {
			if len(n.leaf.queries) > 0 {
				p.visits = append(p.visits, visit{leaf: &n.leaf})
			}
			return
		}
		x, y := p.before.at[n.axis], p.after.at[n.axis]
		if x < n.at || y < n.at {
			p.walk(n.parts[below])
		}
		if x > n.at || y > n.at {
			p.walk(n.parts[above])
		}
		if n.across.holds(x) || n.across.holds(y) {
			p.walk(n.parts[cross])
		}
		n = n.parts[whole]
	}
}

// fetchBlocks finds the blocks of the cells that the places lie in, and fetches them.
func (p *probe) fetchBlocks(v *visit) {
	for k, a := range v.axes[:v.width] {
		x, y := p.before.at[a.dimension], p.after.at[a.dimension]
		v.before[k] = v.blockOf(a, x)
		v.after[k] = v.before[k]
		if y != x {
			v.after[k] = v.blockOf(a, y)
		}
		p.fetched += v.block(a, v.before[k])[0] + v.block(a, v.after[k])[0]
	}
}

// fetchBitmaps finds the cells that the places lie in, and fetches their bitmaps.
func (p *probe) fetchBitmaps(v *visit) {
	n := words(len(v.queries))
	var fetched uint64
	for k, a := range v.axes[:v.width] {
		x, y := p.before.at[a.dimension], p.after.at[a.dimension]
		from := v.cellOf(a, v.before[k], x)
		to := from
		if y != x {
			to = v.cellOf(a, v.after[k], y)
		}
		v.before[k], v.after[k] = from, to
		before, after := v.bitmap(from), v.bitmap(to)
		for w := 0; w < n; w += lineWords {
			fetched += before[w] + after[w]
		}
	}
	p.fetched += int64(fetched)
}

// intersect finds the queries that the bitmaps show.
func (p *probe) intersect(v *visit) {
	var before, after [mostAxes][]uint64
	for k := range v.width {
		before[k], after[k] = v.bitmap(v.before[k]), v.bitmap(v.after[k])
	}
	for w := range words(len(v.queries)) {
		x, y := before[0][w], after[0][w]
		for k := 1; k < v.width; k++ {
			x &= before[k][w]
			y &= after[k][w]
		}
		for rest := x | y; rest != 0; rest &= rest - 1 {
			bit := bits.TrailingZeros64(rest)
			p.found = append(p.found, candidate{v.leaf, int32(64*w + bit), x>>bit&1 != 0, y>>bit&1 != 0})
		}
	}
}

// fetchEntries fetches the entries of the queries found.
func (p *probe) fetchEntries() {
	var fetched int64
	for _, c := range p.found {
		e := &c.leaf.entries[c.at]
		fetched += e.box[0].low + int64(len(e.text))
		if more := c.leaf.further(); more > 0 {
			fetched += c.leaf.furtherBoxes[int(c.at)*more].low
		}
	}
	p.fetched += fetched
}

// compare keeps the queries whose box does hold one of the places.
func (p *probe) compare() {
	kept := p.found[:0]
	for _, c := range p.found {
		f := c.leaf
		for k, a := range f.axes[:f.width] {
			s := f.side(int(c.at), k)
			c.before = c.before && s.holds(p.before.at[a.dimension])
			c.after = c.after && s.holds(p.after.at[a.dimension])
		}
		if c.before || c.after {
			kept = append(kept, c)
		}
	}
	p.found = kept
}
