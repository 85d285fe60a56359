// Package lsn reads PostgreSQL's pg_lsn, a place in its write-ahead log ("pg_lsn Type" in its
// manual), and spells it for Redis.
package lsn

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// LSN is a place in the write-ahead log of one server and timeline. Zero is before all others.
type LSN uint64

// ErrText tells that a text is no place in the log.
var ErrText = errors.New("not a pg_lsn")

// Parse reads the text form of PostgreSQL: two hexadecimal numbers with a slash between.
func Parse(text string) (LSN, error) {
	high, low, found := strings.Cut(text, "/")
	h, err1 := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	if !found || err1 != nil || err2 != nil {
		return 0, fmt.Errorf("%q: %w", text, ErrText)
	}
	return LSN(h<<32 | l), nil
}

// String returns the text form of PostgreSQL.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// Padded returns the place as 20 decimal digits: as texts, in any locale, two of them compare as the
// places do.
func (l LSN) Padded() string { return fmt.Sprintf("%020d", uint64(l)) }

// ParsePadded reads what Padded returns.
func ParsePadded(text string) (LSN, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(text) != 20 {
		return 0, fmt.Errorf("%q: %w", text, ErrText)
	}
	return LSN(n), nil
}
