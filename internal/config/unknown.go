package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
)

// Unknown is a variable that nobody reads, and that looks like one of ours misspelt.
type Unknown struct {
	Name    string
	Nearest string // the one that is probably meant
}

// Unknowns returns the variables of an environment (as os.Environ has them) that look like one
// of ours and are none. It does not show values. A variable is named only if the one that it
// looks like is not set: what other programs call theirs is not our business.
func Unknowns(environ []string) (found []Unknown) {
	ours := names()
	set := map[string]bool{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		set[name] = set[name] || value != ""
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if slices.Contains(ours, name) {
			continue
		}
		if near := meant(name, ours); near != "" && !set[near] {
			found = append(found, Unknown{name, near})
		}
	}
	return found
}

// names returns all variables that the programs read: they are asked for them.
func names() []string {
	asked := map[string]bool{"FRESHLIST_ADOPT": true}
	note := func(name string) string { asked[name] = true; return "" }
	_, _ = LoadAPI(note) // what is missing does not matter
	_, _ = LoadInvalidator(note)
	_, _ = LoadDoctor(note)
	_, _ = LoadDatabase(note)
	return slices.Sorted(maps.Keys(asked))
}

// others are names, or what names of others begin with, that only look like ours.
var others = []string{"LOGLEVEL", "OTEL_", "KUBERNETES_", "REDIS_PORT", "DATABASE_PORT"}

// meant returns which of our variables a name is a misspelling of, "" if of none.
func meant(name string, ours []string) string {
	for _, o := range others {
		if strings.HasPrefix(name, o) {
			return ""
		}
	}
	plain := strings.TrimPrefix(simplified(name), "FRESHLIST")
	if len(plain) < len("L1MAX") {
		return ""
	}
	best, least := "", 1<<30
	for _, our := range ours {
		other := simplified(our)
		d := description.EditDistance([]rune(plain), []rune(other))
		switch {
		case len(other) < shortest && d > 0: // such as CACHE: many a word is near it
			continue
		case distinctive(our) && strings.HasPrefix(plain, other) && len(plain)-len(other) <= mostMore:
			d = min(d, 1) // such as STALENESS_BOUND_MS
		case sameWords(name, our):
			d = 1
		case d > len(our)/6:
			continue
		}
		if d < least || d == least && len(our) > len(best) {
			best, least = our, d
		}
	}
	return best
}

// shortest is the length from which on a name that is only nearly ours counts.
const shortest = 7

// mostMore is how many letters behind one of our names still show that it is meant.
const mostMore = 4

// distinctive reports whether nobody else is likely to begin a name like this one.
func distinctive(name string) bool {
	for _, common := range []string{"DATABASE_URL", "REDIS_URL", "HTTP_", "LOG_", "CACHE", "FRESHLIST_"} {
		if strings.HasPrefix(name, common) {
			return false
		}
	}
	return true
}

// simplified leaves out what is easily got wrong: case, and what stands between words.
func simplified(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == '.' {
			return -1
		}
		return r
	}, strings.ToUpper(name))
}

// sameWords reports whether two names have the same words, in another order.
func sameWords(a, b string) bool {
	words := func(s string) []string {
		w := strings.Split(strings.ToUpper(s), "_")
		slices.Sort(w)
		return w
	}
	return strings.Contains(b, "_") && slices.Equal(words(a), words(b))
}
