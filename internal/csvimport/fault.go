package csvimport

import (
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	Line   int64 // from 1; 0: not of one line
	Column int   // of the line, in bytes from 1; 0: not of one place
	Detail string
}

// Faults are what is wrong with a file, in its order. They are an error.
type Faults struct {
	File  string
	First []Fault // at most maxFaults
	Count int64   // of all
}

// maxFaults bounds how many faults are kept. The others are counted.
const maxFaults = 100

func (f *Faults) add(line int64, column int, format string, args ...any) {
	f.Count++
	if len(f.First) < maxFaults {
		f.First = append(f.First, Fault{line, column, fmt.Sprintf(format, args...)})
	}
}

// Error shows the faults, one in each line, and says that nothing was changed.
func (f *Faults) Error() string {
	var b strings.Builder
	for _, fault := range f.First {
		b.WriteString(f.File)
		if fault.Line > 0 {
			fmt.Fprintf(&b, ":%d", fault.Line)
		}
		if fault.Column > 0 {
			fmt.Fprintf(&b, ":%d", fault.Column)
		}
		b.WriteString(": " + fault.Detail + "\n")
	}
	if more := f.Count - int64(len(f.First)); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	fmt.Fprintf(&b, "%s in %s; nothing was imported", count(f.Count, "fault"), f.File)
	return b.String()
}

// count says how many things there are.
func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// shown returns a text of the file as a message shows it.
func shown(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return fmt.Sprintf("%q...", string(runes[:most]))
	}
	return fmt.Sprintf("%q", text)
}
