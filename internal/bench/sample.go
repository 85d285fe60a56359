package main

import (
	"math"
	"slices"
)

// sample is what repeated measurements of one quantity gave.
type sample []float64

// quantile returns the value below which the share q of the sample lies, between
// neighbours by straight line; NaN of an empty sample.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

func (s sample) median() float64 { return s.quantile(.5) }

// pairs are measurements of two things in turn, so that whatever else the machine
// does meets both.
type pairs struct{ ours, theirs sample }

// ratio returns, pair by pair, ours as a share of theirs.
func (p pairs) ratio() sample {
	ratios := make(sample, len(p.ours))
	for i := range ratios {
		ratios[i] = p.ours[i] / p.theirs[i]
	}
	return ratios
}

// inverse is pairs with the two sides exchanged: where less is better.
func (p pairs) inverse() pairs { return pairs{p.theirs, p.ours} }

// less returns, pair by pair, how much more ours is than theirs.
func (p pairs) less() sample {
	differences := make(sample, len(p.ours))
	for i := range differences {
		differences[i] = p.ours[i] - p.theirs[i]
	}
	return differences
}

// alternate measures n pairs. Which side comes first changes from pair to pair.
func alternate(n int, ours, theirs func() (float64, error)) (pairs, error) {
	p := pairs{make(sample, n), make(sample, n)}
	for i := range n {
		sides := []struct {
			measure func() (float64, error)
			into    *float64
		}{{ours, &p.ours[i]}, {theirs, &p.theirs[i]}}
		if i%2 == 1 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			var err error
			if *side.into, err = side.measure(); err != nil {
				return pairs{}, err
			}
		}
	}
	return p, nil
}
