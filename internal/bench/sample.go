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

// inTurns measures several things n times each. Which comes first changes from round to
// round.
func inTurns(n int, sides ...func() (float64, error)) ([]sample, error) {
	samples := make([]sample, len(sides))
	for round := range n {
		for i := range sides {
			side := (i + round) % len(sides)
			value, err := sides[side]()
			if err != nil {
				return nil, err
			}
			samples[side] = append(samples[side], value)
		}
	}
	return samples, nil
}

// alternate measures n pairs, in turns.
func alternate(n int, ours, theirs func() (float64, error)) (pairs, error) {
	samples, err := inTurns(n, ours, theirs)
	if err != nil {
		return pairs{}, err
	}
	return pairs{samples[0], samples[1]}, nil
}
