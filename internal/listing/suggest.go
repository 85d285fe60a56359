package listing

import "strings"

// nearest returns the known name that an unknown one most likely stands for, or
// "" if none is near: the one at the smallest edit distance, if at most a third
// of the letters differ, or else the first that the unknown name is a part of.
func nearest(name string, known []string) string {
	const longest = 32 // no known name is near a longer one
	if name == "" || len(name) > longest {
		return ""
	}
	name = strings.ToLower(name)
	best, least := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := editDistance(name, k); d < least && d < len(name) {
			best, least = k, d
		}
	}
	if best != "" {
		return best
	}
	for _, k := range known {
		if len(name) > 2 && strings.Contains(k, name) {
			return k
		}
	}
	return ""
}

// editDistance counts the letters to insert, delete or replace to turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
