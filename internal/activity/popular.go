package activity

import (
	"sync"
	"sync/atomic"
)

// Popular finds out which queries are read most. It looks at few of the requests, so many a second
// at most however many there are: what it costs the others is one load of a number that changes
// once a second. The zero Popular is ready for use.
type Popular struct {
	mask    atomic.Uint64 // of the number of a request: it is looked at if these bits are 0
	mu      sync.Mutex
	noted   []string           // addresses since the last Read
	weights map[string]float64 // requests a second, by canonical text
}

// The limits of a Popular.
const (
	mostNoted   = 64   // requests that are looked at between two Reads
	mostKept    = 1000 // queries that are counted
	fadingReads = 60   // the weight of a request fades with so many Reads
	leastRate   = 0.01 // requests a second of a query that is still counted
)

// Wants reports whether the request of a number is one to be noted.
func (p *Popular) Wants(number uint64) bool { return number&p.mask.Load() == 0 }

// Note notes a request by its address.
func (p *Popular) Note(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noted = append(p.noted, address); len(p.noted) == mostNoted {
		p.mask.Store(^uint64(0)) // that is enough until the next Read
	}
}

// Read returns the queries that are read most, MostNamed of them. It is called once a second.
// requests is how many there have been since the call before; query returns the canonical text of
// an address, "" if it is none of a query.
func (p *Popular) Read(requests uint64, query func(address string) string) []Reads {
	next := uint64(0)
	for requests/(next+1) > mostNoted/2 {
		next = next<<1 | 1
	}
	p.mu.Lock()
	noted := p.noted
	p.noted = nil
	p.mask.Store(next)
	p.mu.Unlock()
	for text, rate := range p.weights {
		if rate *= 1 - 1.0/fadingReads; rate < leastRate {
			delete(p.weights, text)
		} else {
			p.weights[text] = rate
		}
	}
	if p.weights == nil {
		p.weights = map[string]float64{}
	}
	each := float64(max(requests, uint64(len(noted)))) / float64(max(1, len(noted))) / fadingReads
	for _, address := range noted {
		text := query(address)
		if _, known := p.weights[text]; text != "" && (known || len(p.weights) < mostKept) {
			p.weights[text] += each
		}
	}
	return mostRead(p.weights)
}
