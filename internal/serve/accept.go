package serve

import (
	"net/http"
	"strings"

	"github.com/freshlist/freshlist/internal/serve/render"
)

// streamType is the media type of a stream of changes.
const streamType = "text/event-stream"

// wantsStream reports whether a client would rather have the stream of an answer's changes
// than the answer. It must name the type: a wildcard means the answer.
func wantsStream(fields []string, f render.Format) bool {
	own := f.ContentType(http.StatusOK)
	own, _, _ = strings.Cut(own, ";")
	family, _, _ := strings.Cut(own, "/")
	stream, best, specific := 0.0, 0.0, 0
	for _, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			name, weight := mediaWeight(item)
			switch {
			case strings.EqualFold(name, streamType):
				stream = weight
			case strings.EqualFold(name, own):
				best, specific = weight, 3
			case strings.EqualFold(name, family+"/*") && specific < 3:
				best, specific = weight, 2
			case name == "*/*" && specific < 2:
				best, specific = weight, 1
			}
		}
	}
	return stream > 0 && (stream > best || stream == best && specific < 3)
}

// mediaWeight splits "text/html;level=1;q=0.5".
func mediaWeight(item string) (name string, weight float64) {
	name, parameters, _ := strings.Cut(item, ";")
	weight = 1
	for parameter := range strings.SplitSeq(parameters, ";") {
		if key, _, _ := strings.Cut(parameter, "="); strings.EqualFold(strings.Trim(key, " \t"), "q") {
			_, weight = codingWeight("x;" + parameter)
		}
	}
	return strings.Trim(name, " \t"), weight
}

// mayWatch reports whether a request may be one for a stream, which the cache in this process
// does not hold. It is asked for each hit, so it only looks whether the type is named.
func mayWatch(r *http.Request) bool {
	for _, field := range r.Header["Accept"] {
		for rest := field; len(rest) >= len(streamType); {
			at := strings.IndexByte(rest, '-')
			if at < 0 {
				break
			}
			if at >= len("text/event") && len(rest)-at >= len("-stream") &&
				strings.EqualFold(rest[at-len("text/event"):at+len("-stream")], streamType) {
				return r.Method == http.MethodGet
			}
			rest = rest[at+1:]
		}
	}
	return false
}
