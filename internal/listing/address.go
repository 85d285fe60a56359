package listing

import (
	"fmt"
	"net/url"
	"strings"
)

// The formats of an address' answer.
const (
	JSONFormat = "json"
	HTMLFormat = "html"
	SVGFormat  = "svg"
)

// ParseAddress returns the query that an address of the API asks for, and the format of its
// answer: a whole URL, a path with its parameters ("/v1/properties?city=FOLSOM", "/properties/17",
// "/photos/17/image.svg"), or the canonical text of a query.
func (s *Site) ParseAddress(address string) (q Query, format string, err error) {
	q, format, err = s.parseAddress(address)
	if err != nil {
		err = fmt.Errorf("parse address %.200q: %w", address, err)
	}
	return q, format, err
}

func (s *Site) parseAddress(address string) (Query, string, error) {
	if !strings.HasPrefix(address, "/") && !strings.Contains(address, "://") {
		q, err := s.Parse(address)
		return q, JSONFormat, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return Query{}, "", fmt.Errorf("it is no URL: %w", err)
	}
	path := strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	format, mode := HTMLFormat, Lenient
	path, api := strings.CutPrefix(path, "v1/")
	if api {
		format, mode = JSONFormat, Strict
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Query{}, "", fmt.Errorf("read its parameters: %w", err)
	}
	name, below, isBelow := strings.Cut(path, "/")
	t := s.Table(name)
	if path == "" && !api {
		t = s.Home()
	}
	if t == nil {
		return Query{}, "", fmt.Errorf("no described table is at /%s; there are %s", path, s.addresses())
	}
	var q Query
	var faults Faults
	switch {
	case !isBelow:
		if q, faults = t.ParsePage(values, mode); format == HTMLFormat && len(faults) == 0 {
			q = q.Entered()
		}
	case api && below == summaryPath:
		q, faults = t.ParseSummary(values, mode)
	default:
		if picture, ok := t.CutPicture(below); ok && !api {
			below, format = picture, SVGFormat
		}
		text, err := url.PathUnescape(below)
		key, ok := t.ParseKey(text)
		if err != nil || !ok || strings.Contains(below, "/") {
			return Query{}, "", fmt.Errorf("%q is no key of %s", below, t.Name)
		}
		q = t.RowQuery(key)
	}
	if len(faults) > 0 {
		return Query{}, "", faults
	}
	return q, format, nil
}

// addresses names where the tables are.
func (s *Site) addresses() string {
	var all []string
	for _, t := range s.Tables {
		all = append(all, "/v1/"+t.Name)
	}
	return strings.Join(all, ", ")
}
