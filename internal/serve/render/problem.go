package render

import (
	"net/http"
	"net/url"

	"github.com/freshlist/freshlist/internal/listing"
)

// Problem is a request that gets no ordinary answer.
type Problem struct {
	Site    *listing.Site   // whose page it is; nil if there is none: then JSON is all that is to be had
	Table   *listing.Table  // with Entered: whose list it is
	Status  int             // of HTTP, 400 or more
	Detail  string          // a sentence for people; may be empty
	Faults  []listing.Fault // what is wrong with which parameter or member
	Entered url.Values      // of a bad request for a page of a list: its parameters, shown again
}

// Error renders a problem: RFC 9457's JSON, or a page. A bad request for a page of a list is
// shown as its form, each fault beside its field.
func Error(f Format, p Problem) []byte {
	switch {
	case f != HTML:
		return problemJSON(p)
	case p.Status == http.StatusBadRequest && p.Entered != nil:
		return faultyFormHTML(p)
	default:
		return problemHTML(p)
	}
}

func problemJSON(p Problem) []byte {
	b := appendString(append([]byte(nil), `{"title":`...), http.StatusText(p.Status))
	b = appendInt(append(b, `,"status":`...), int64(p.Status))
	if p.Detail != "" {
		b = appendString(append(b, `,"detail":`...), p.Detail)
	}
	if len(p.Faults) > 0 {
		b = appendFaults(append(b, `,"errors":`...), p.Faults)
	}
	return append(b, "}\n"...)
}

func appendFaults(b []byte, faults []listing.Fault) []byte {
	b = append(b, '[')
	for i, f := range faults {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"name":`...), f.Name)
		b = appendString(append(b, `,"detail":`...), f.Detail)
		b = append(b, '}')
	}
	return append(b, ']')
}
