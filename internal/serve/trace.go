package serve

import (
	"net/http"
	"strings"
)

// traceID returns the trace that a request is part of, by its traceparent (W3C Trace Context); "" if
// it is of none.
func traceID(h http.Header) string {
	fields := h["Traceparent"]
	if len(fields) != 1 {
		return ""
	}
	version, rest, _ := strings.Cut(fields[0], "-")
	id, _, _ := strings.Cut(rest, "-")
	if len(version) != 2 || version == "ff" || len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || strings.Trim(id, "0") == "" {
		return ""
	}
	return id
}
