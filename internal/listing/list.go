package listing

import (
	"iter"
	"strings"
)

// SplitList returns the items of a list as a parameter has it: between commas. A backslash before
// a comma, or before another backslash, makes that a part of the item; before anything else it
// is one itself.
func SplitList(text string) iter.Seq[string] {
	if strings.IndexByte(text, '\\') < 0 {
		return strings.SplitSeq(text, ",")
	}
	return func(yield func(string) bool) {
		var item []byte
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case c == '\\' && i+1 < len(text) && (text[i+1] == ',' || text[i+1] == '\\'):
				i++
				item = append(item, text[i])
			case c == ',':
				if !yield(string(item)) {
					return
				}
				item = item[:0]
			default:
				item = append(item, c)
			}
		}
		yield(string(item))
	}
}

// EscapeItem returns an item as it stands in a list, so that SplitList reads it back. It is the
// one such spelling that canonical text uses.
func EscapeItem(item string) string {
	if !strings.ContainsAny(item, `,\`) {
		return item
	}
	return itemEscaper.Replace(item)
}

var itemEscaper = strings.NewReplacer(`\`, `\\`, `,`, `\,`)
