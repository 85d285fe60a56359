package description

import (
	"strings"
	"unicode/utf8"
)

// Nearest returns the known name that an unknown one most likely stands for, or "" if none
// is near: one that differs only in case, the one at the smallest edit distance if at
// most a third of the characters differ, or the only one that begins with it.
func Nearest(name string, known []string) string {
	const longest = 64 // characters; PostgreSQL's names are not longer
	if name == "" || utf8.RuneCountInString(name) > longest {
		return ""
	}
	a := []rune(strings.ToLower(name))
	best, least := "", max(1, min(len(a)-1, max(2, len(a)/3)))+1
	for _, k := range known {
		b := []rune(strings.ToLower(k))
		if len(b) > longest || k == name {
			continue
		}
		if d := EditDistance(a, b); d < least {
			best, least = k, d
		}
	}
	if best != "" || len(a) < 3 {
		return best
	}
	for _, k := range known {
		if strings.HasPrefix(strings.ToLower(k), string(a)) {
			if best != "" {
				return ""
			}
			best = k
		}
	}
	return best
}

// EditDistance counts the characters to insert, delete, replace or exchange with their
// neighbour to turn a into b.
func EditDistance(a, b []rune) int {
	two, one := make([]int, len(b)+1), make([]int, len(b)+1) // the rows before
	for j := range one {
		one[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			replace := one[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(replace, one[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], two[j-1]+1)
			}
		}
		two, one = one, row
	}
	return one[len(b)]
}
