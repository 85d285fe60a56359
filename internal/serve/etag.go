package serve

import "strings"

// noneMatch evaluates If-None-Match: it reports whether the client has what etag
// names. Tags are compared weakly, as RFC 9110 asks for this header. What stands behind a
// malformed tag is not looked at.
func noneMatch(fields []string, etag string) bool {
	for _, field := range fields {
		rest := strings.TrimLeft(field, " \t,")
		if strings.TrimRight(rest, " \t") == "*" {
			return true
		}
		for rest != "" {
			var tag string
			var ok bool
			if tag, rest, ok = nextTag(rest); !ok {
				break
			}
			if tag == etag {
				return true
			}
			rest = strings.TrimLeft(rest, " \t,")
		}
	}
	return false
}

// nextTag cuts the first entity tag, in its quotes and without W/, off a list.
func nextTag(list string) (quoted, rest string, ok bool) {
	list = strings.TrimPrefix(list, "W/")
	if list == "" || list[0] != '"' {
		return "", "", false
	}
	end := strings.IndexByte(list[1:], '"')
	if end < 0 {
		return "", "", false
	}
	return list[:end+2], list[end+2:], true
}
