package serve

import (
	"strconv"
	"strings"
)

// acceptsGzip reports whether a client wants gzip no less than the plain body.
func acceptsGzip(fields []string) bool {
	gzip, other, identity := -1.0, -1.0, -1.0 // weights; -1: not mentioned
	for _, field := range fields {
		for coding := range strings.SplitSeq(field, ",") {
			name, weight := codingWeight(coding)
			switch {
			case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
				gzip = weight
			case strings.EqualFold(name, "identity"):
				identity = weight
			case name == "*":
				other = weight
			}
		}
	}
	if gzip < 0 {
		gzip = other
	}
	return gzip > 0 && gzip >= identity
}

// codingWeight splits "gzip;q=0.5". A malformed weight counts as none at all.
func codingWeight(coding string) (name string, weight float64) {
	name, parameter, given := strings.Cut(coding, ";")
	name = strings.Trim(name, " \t")
	if !given {
		return name, 1
	}
	key, value, _ := strings.Cut(parameter, "=")
	if !strings.EqualFold(strings.Trim(key, " \t"), "q") {
		return name, 1
	}
	weight, err := strconv.ParseFloat(strings.Trim(value, " \t"), 64)
	if err != nil || !(weight >= 0 && weight <= 1) {
		return name, 0
	}
	return name, weight
}
