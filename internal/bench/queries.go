package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// cities are the larger ones of the sample, which all larger tables repeat.
var cities = []string{
	"SACRAMENTO", "ELK_GROVE", "ROSEVILLE", "CITRUS_HEIGHTS", "ANTELOPE", "RANCHO_CORDOVA", "EL_DORADO_HILLS", "LINCOLN",
	"NORTH_HIGHLANDS", "GALT", "CARMICHAEL", "ROCKLIN", "FOLSOM",
}

// ranges returns the targets of n distinct lists, each of which an index answers by
// itself: what a miss costs beside the database's own work shows best there.
func ranges(n int) []string {
	targets := make([]string, n)
	for i := range targets {
		low := 100_000 + i/len(cities)*500
		targets[i] = fmt.Sprintf("/v1/properties?city=%s&min_price=%d&max_price=%d&sort=price", cities[i%len(cities)], low, low+200_000)
	}
	return targets
}

// filters returns the targets of n distinct lists, city x price range x bedrooms, in
// the usual orders; more is appended to each.
func filters(n int, more string) []string {
	sorts := []string{"", "&sort=price", "&sort=-price"}
	targets := make([]string, n)
	for i := range targets {
		step := i / len(cities)
		low := 40_000 + step/6*250%400_000 + step // in no two the same, for one city and number of bedrooms
		target := fmt.Sprintf("/v1/properties?city=%s&min_price=%d&max_price=%d", cities[i%len(cities)], low, low+20_000+i%20*10_000)
		if bedrooms := step % 6; bedrooms > 0 {
			target += fmt.Sprintf("&min_bedrooms=%d", bedrooms)
		}
		targets[i] = target + sorts[i%len(sorts)] + more
	}
	return targets
}

// follow asks for a list, and for the pages after its first one up to so many in
// all. It returns the targets of all of them.
func follow(l *load, target string, pages int) ([]string, error) {
	targets := []string{target}
	for len(targets) < pages {
		a, err := l.do(get(target))
		if err != nil {
			return nil, err
		}
		if target = next(a.body); target == "" {
			break
		}
		targets = append(targets, target)
	}
	return targets, nil
}

// next returns the member next of a page, "" if it is null. It holds no character
// that JSON escapes but the ampersand.
func next(body []byte) string {
	_, rest, found := bytes.Cut(body, []byte(`"next":"`))
	if !found {
		return ""
	}
	return strings.ReplaceAll(string(rest[:bytes.IndexByte(rest, '"')]), `\u0026`, "&")
}

// zipfian draws from n things, the i-th with a chance in proportion to 1/i.
type zipfian struct {
	random *rand.Rand
	sums   []float64 // of the chances up to each
}

func newZipfian(n int, random *rand.Rand) *zipfian {
	z := &zipfian{random, make([]float64, n)}
	sum := 0.0
	for i := range z.sums {
		sum += 1 / float64(i+1)
		z.sums[i] = sum
	}
	return z
}

func (z *zipfian) next() int {
	at, _ := slices.BinarySearch(z.sums, z.random.Float64()*z.sums[len(z.sums)-1])
	return int(math.Min(float64(at), float64(len(z.sums)-1)))
}
