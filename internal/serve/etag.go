package serve

import "strings"

// noneMatch evaluates If-None-Match: it reports whether the client has what etag
// names. Tags are compared weakly, as RFC 9110 asks for this header.
func noneMatch(fields []string, etag string) bool {
	return anyTag(fields, func(tag string, _ bool) bool { return tag == etag })
}

// anyTag reports whether a list of entity tags holds one that matches, or is "*".
// What stands behind a malformed tag is not looked at.
func anyTag(fields []string, matches func(quoted string, weak bool) bool) bool {
	for _, field := range fields {
		rest := strings.TrimLeft(field, " \t,")
		if strings.TrimRight(rest, " \t") == "*" {
			return true
		}
		for rest != "" {
			var tag string
			var weak, ok bool
			if tag, weak, rest, ok = nextTag(rest); !ok {
				break
			}
			if matches(tag, weak) {
				return true
			}
			rest = strings.TrimLeft(rest, " \t,")
		}
	}
	return false
}

// nextTag cuts the first entity tag, in its quotes, off a list.
func nextTag(list string) (quoted string, weak bool, rest string, ok bool) {
	list, weak = strings.CutPrefix(list, "W/")
	if list == "" || list[0] != '"' {
		return "", false, "", false
	}
	end := strings.IndexByte(list[1:], '"')
	if end < 0 {
		return "", false, "", false
	}
	return list[:end+2], weak, list[end+2:], true
}
