package serve

import (
	"net/http"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// precondition is what the headers of a write ask of the row, which is looked at under its
// lock. A row's tag is that of its JSON as a read would show it.
type precondition struct {
	table     tableRoutes
	match     *tagList // If-Match; nil: absent
	noneMatch *tagList // If-None-Match
	failed    string   // the header that asked for another state
}

// precondition reads the headers.
func (t tableRoutes) precondition(r *http.Request) (*precondition, listing.Faults) {
	p := &precondition{table: t}
	var faults listing.Faults
	for _, header := range []struct {
		name string
		list **tagList
	}{{"If-Match", &p.match}, {"If-None-Match", &p.noneMatch}} {
		fields := r.Header[header.name]
		if len(fields) == 0 {
			continue
		}
		list, ok := parseTags(fields)
		if !ok {
			faults = append(faults, listing.Fault{
				Name: header.name, Detail: `must be entity tags in double quotes, as ETag has them, with commas between them, or *`,
			})
		}
		*header.list = &list
	}
	return p, faults
}

// asked reports whether there is anything to be held against the row.
func (p *precondition) asked() bool { return p.match != nil || p.noneMatch != nil }

// met reports whether a row is in a state that is asked for.
func (p *precondition) met(r listing.Row) bool {
	etag := p.table.etag(r)
	switch {
	case p.match != nil && !p.match.names(etag):
		p.failed = "If-Match"
	case p.noneMatch != nil && p.noneMatch.names(etag):
		p.failed = "If-None-Match"
	}
	return p.failed == ""
}

// problem says which header asked for another state.
func (p *precondition) problem(cause error) *problem {
	detail := "The " + rowOf(p.table.table) + " has changed since: If-Match names another state of it."
	if p.failed == "If-None-Match" {
		detail = "The " + rowOf(p.table.table) + " is there in a state that If-None-Match excludes."
	}
	return &problem{status: http.StatusPreconditionFailed, detail: detail, cause: cause}
}

// tagList is the value of If-Match or If-None-Match.
type tagList struct {
	any  bool     // *
	tags []string // without quotes and W/
}

// names reports whether the list holds the row's tag. The client may have seen either coding, or
// what a proxy that compresses has made of the tag: it is weakened, or bears the name of
// the coding. RFC 9110 has If-Match compare strongly, so that equal tags are equal bytes. Here a
// tag names a state of the row, of which each coding is only a form.
func (l *tagList) names(etag string) bool {
	return l.any || slices.ContainsFunc(l.tags, func(tag string) bool {
		rest, ok := strings.CutPrefix(tag, etag)
		return ok && (rest == "" || slices.Contains(codingSuffixes, rest))
	})
}

// codingSuffixes are what this server (gzip) and common proxies put behind the tag of a body that
// they compress.
var codingSuffixes = []string{gzipSuffix, "-br", "-zstd", "-deflate", "--gzip"}

// parseTags reads the header's fields, which are one list. It is strict: a client whose tag
// is not understood must not take its condition for one that was looked at.
func parseTags(fields []string) (list tagList, ok bool) {
	for _, field := range fields {
		for rest := strings.Trim(field, " \t"); rest != ""; {
			switch {
			case rest[0] == ',':
				rest = strings.TrimLeft(rest[1:], " \t")
			case rest == "*":
				list.any, rest = true, ""
			default:
				var tag string
				if tag, rest, ok = nextTag(rest); !ok || !isTag(tag) {
					return list, false
				}
				list.tags = append(list.tags, tag[1:len(tag)-1])
				if rest = strings.TrimLeft(rest, " \t"); rest != "" && rest[0] != ',' {
					return list, false
				}
			}
		}
	}
	return list, list.any != (len(list.tags) > 0)
}

// isTag reports whether only such bytes stand between the quotes as may.
func isTag(quoted string) bool {
	return !strings.ContainsFunc(quoted, func(r rune) bool { return r <= ' ' || r == 0x7f })
}
