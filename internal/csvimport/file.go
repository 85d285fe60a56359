package csvimport

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// file reads lines of comma-separated values, as RFC 4180 has them, and knows where each field
// stands. Lines may end in CRLF or LF, and a byte order mark may come first.
type file struct {
	csv  *csv.Reader
	read *counter
	line int64 // of the last record's first field
}

// counter counts the bytes that are read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// newFile begins to read a file. It refuses what is plainly no CSV in UTF-8.
func newFile(r io.Reader) (*file, error) {
	f := &file{read: &counter{Reader: r}}
	b := bufio.NewReaderSize(f.read, 1<<16)
	head, err := b.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case string(head) == "\xef\xbb\xbf":
		_, _ = b.Discard(3)
	case strings.HasPrefix(string(head), "\xff\xfe"), strings.HasPrefix(string(head), "\xfe\xff"):
		return nil, errors.New("the file is in UTF-16; save it as CSV in UTF-8")
	case strings.HasPrefix(string(head), "PK\x03"):
		return nil, errors.New("the file is a workbook or an archive; save the sheet as CSV in UTF-8")
	}
	f.csv = csv.NewReader(b)
	f.csv.FieldsPerRecord = -1
	f.csv.ReuseRecord = true
	return f, nil
}

// next reads one record. After a fault of the file's form it can be called again.
func (f *file) next() ([]string, error) {
	record, err := f.csv.Read()
	if err == nil {
		line, _ := f.csv.FieldPos(0)
		f.line = int64(line)
	}
	return record, err
}

// position returns where a field of the last record begins.
func (f *file) position(field int) (line int64, column int) {
	l, column := f.csv.FieldPos(field)
	return int64(l), column
}

// formFault says what is wrong with the form of a file; false if err is of another kind.
func formFault(err error) (f Fault, ok bool) {
	var form *csv.ParseError
	if !errors.As(err, &form) {
		return f, false
	}
	f = Fault{Line: int64(form.Line), Column: form.Column}
	switch {
	case errors.Is(form.Err, csv.ErrBareQuote):
		f.Detail = `a quotation mark stands within a field without quotes; write the field in quotes, and its own marks twice: "6"" pipe"`
	case errors.Is(form.Err, csv.ErrQuote):
		f.Line, f.Column = int64(form.StartLine), 0
		f.Detail = `a field in quotes has no end, or something behind it; within quotes, a quotation mark is written twice`
	default:
		f.Detail = form.Err.Error()
	}
	return f, true
}

// readHeader reads the names of the columns.
func (f *file) readHeader(faults *Faults) ([]string, error) {
	record, err := f.next()
	switch fault, form := formFault(err); {
	case form:
		faults.add(fault.Line, fault.Column, "%s", fault.Detail)
		return nil, faults
	case errors.Is(err, io.EOF):
		faults.add(1, 0, "the file is empty; its first line has to name the columns")
		return nil, faults
	case err != nil:
		return nil, fmt.Errorf("read the file: %w", err)
	}
	names := append([]string{}, record...) // the record is used again
	for i, name := range names {
		if !utf8.ValidString(name) {
			line, column := f.position(i)
			faults.add(line, column, "the name of a column is not in UTF-8; save the file in UTF-8")
		}
	}
	if len(names) == 1 {
		for mark, what := range map[string]string{";": "semicolons", "\t": "tabs"} {
			if strings.Contains(names[0], mark) {
				faults.add(f.line, 0, "the fields are separated by %s; save the file with commas", what)
			}
		}
	}
	if faults.Count > 0 {
		return nil, faults
	}
	return names, nil
}
