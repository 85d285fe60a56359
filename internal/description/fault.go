package description

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Span is a part of one line of a file. The zero Span is no place.
type Span struct {
	Line   int // from 1
	Column int // from 1, in characters
	Length int // in characters
}

// given reports whether the span is a place.
func (s Span) given() bool { return s.Line > 0 }

// FaultKind says by what means a fault can be found.
type FaultKind uint8

// The kinds of faults.
const (
	Syntax  FaultKind = iota // the file is not the YAML that is read here
	Shape                    // a member or value that JSONSchema rules out
	Meaning                  // names that do not exist, do not fit or collide
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	File    string
	Span                // where
	Kind    FaultKind   //
	Message string      // what is wrong
	Label   string      // under the place: the nearest name, or what is meant there
	Help    []string    // what to do
	See     []Reference // other places that have to do with it
	Warning bool        // it can be used like that

	line string // the source line, for Error
}

// Reference is another place, and what it has to do with a fault.
type Reference struct {
	Span
	Text string

	line string
}

// String returns the fault in one line: place, what is wrong, nearest name, remedy.
func (f *Fault) String() string {
	var b strings.Builder
	b.WriteString(f.place() + ": " + f.Message)
	for _, more := range append([]string{f.Label}, f.Help...) {
		if more != "" {
			b.WriteString("; " + more)
		}
	}
	return b.String()
}

func (f *Fault) place() string {
	if !f.given() {
		return f.File
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// Error returns the fault as compilers show it: with the line, the place marked under it,
// and the remedy.
func (f *Fault) Error() string {
	word := "error"
	if f.Warning {
		word = "warning"
	}
	last := f.Line
	for _, s := range f.See {
		last = max(last, s.Line)
	}
	margin := strings.Repeat(" ", len(strconv.Itoa(last)))
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s--> %s\n", word, f.Message, margin, f.place())
	if f.given() {
		fmt.Fprintf(&b, "%s |\n", margin)
		excerpt(&b, margin, f.line, f.Span, '^', f.Label)
		for _, s := range f.See {
			fmt.Fprintf(&b, "%s |\n", margin)
			excerpt(&b, margin, s.line, s.Span, '-', s.Text)
		}
	}
	if len(f.Help) > 0 {
		fmt.Fprintf(&b, "%s |\n", margin)
	}
	for _, help := range f.Help {
		first := "help: "
		for line := range strings.SplitSeq(help, "\n") {
			fmt.Fprintf(&b, "%s = %s%s\n", margin, first, line)
			first = "      "
		}
	}
	return b.String()
}

// Excerpts of long lines are cut to what stands around the place.
const (
	widest = 120 // characters of a line that are shown
	before = 40  // of them, at most so many in front of the place
)

// excerpt writes a line with marks under a part of it.
func excerpt(b *strings.Builder, margin, line string, at Span, mark rune, label string) {
	runes := []rune(line)
	start := min(max(at.Column-1, 0), len(runes))
	end := min(start+max(at.Length, 1), len(runes))
	left, right := "", ""
	from, to := 0, len(runes)
	if to > widest {
		from = max(0, start-before)
		to = min(to, from+widest)
		if from > 0 {
			left = "..."
		}
		if to < len(runes) {
			right = "..."
		}
		end = min(end, to)
	}
	shown := fmt.Sprintf("%*d | %s%s%s", len(margin), at.Line, left, printable(runes[from:to]), right)
	b.WriteString(strings.TrimRight(shown, " ") + "\n")
	under := strings.Repeat(" ", len(left)) + blank(runes[from:start])
	marks := strings.Repeat(string(mark), max(1, width(runes[start:end])))
	text := strings.TrimRight(under+marks+" "+label, " ")
	fmt.Fprintf(b, "%s | %s\n", margin, text)
}

// printable returns a line without characters that steer a terminal. A tab takes one place.
func printable(line []rune) string {
	var b strings.Builder
	for _, r := range line {
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case columns(r) == 0 || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteRune(utf8.RuneError)
		}
	}
	return b.String()
}

// blank returns as many blanks as the text takes on a terminal.
func blank(text []rune) string { return strings.Repeat(" ", width(text)) }

func width(text []rune) (n int) {
	for _, r := range text {
		n += columns(r)
	}
	return n
}

// columns returns how many places a character takes on a terminal.
func columns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// Faults are all that is wrong with a file, in the order of their places. None means that
// the file is good.
type Faults []Fault

// maxShown bounds how many faults Error shows.
const maxShown = 100

// Error shows the faults one after the other, and their number.
func (fs Faults) Error() string {
	var b strings.Builder
	for i := range fs {
		if i == maxShown {
			fmt.Fprintf(&b, "and %d more\n\n", len(fs)-maxShown)
			break
		}
		b.WriteString(fs[i].Error())
		b.WriteByte('\n')
	}
	if len(fs) > 0 {
		fmt.Fprintf(&b, "%s in %s\n", fs.count(), fs[0].File)
	}
	return b.String()
}

func (fs Faults) count() string {
	word := "fault"
	if len(fs) > 0 && fs[0].Warning {
		word = "warning"
	}
	if len(fs) != 1 {
		word += "s"
	}
	return strconv.Itoa(len(fs)) + " " + word
}

// sorted returns the faults in the order of their places, each once.
func (fs Faults) sorted() Faults {
	fs = slices.Clone(fs)
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(fs, func(a, b Fault) bool { return a.Span == b.Span && a.Message == b.Message })
}

// source is a file's text, for faults to show lines of.
type source struct {
	name  string
	lines []string
}

func newSource(name, text string) source {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return source{name, strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")}
}

func (s source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// clip keeps a span within its line.
func (s source) clip(at Span) Span {
	if !at.given() {
		return at
	}
	length := utf8.RuneCountInString(s.line(at.Line))
	at.Column = min(max(at.Column, 1), length+1)
	at.Length = max(1, min(at.Length, length+1-at.Column))
	return at
}

// reporter collects the faults of one file.
type reporter struct {
	source source
	faults Faults
}

// fault notes a fault, which the caller may add to.
func (r *reporter) fault(kind FaultKind, at Span, format string, args ...any) *Fault {
	at = r.source.clip(at)
	r.faults = append(r.faults, Fault{
		File: r.source.name, Span: at, Kind: kind, Message: fmt.Sprintf(format, args...), line: r.source.line(at.Line),
	})
	return &r.faults[len(r.faults)-1]
}

// help adds a remedy.
func (f *Fault) help(format string, args ...any) *Fault {
	f.Help = append(f.Help, fmt.Sprintf(format, args...))
	return f
}

// label says something under the place.
func (f *Fault) label(format string, args ...any) *Fault {
	f.Label = fmt.Sprintf(format, args...)
	return f
}

// see adds another place.
func (f *Fault) see(s source, at Span, format string, args ...any) *Fault {
	if at = s.clip(at); at.given() {
		f.See = append(f.See, Reference{Span: at, Text: fmt.Sprintf(format, args...), line: s.line(at.Line)})
	}
	return f
}

// near adds the name that an unknown one most likely stands for or, where none is near,
// those that there are.
func (f *Fault) near(name string, known []string) *Fault {
	if n := Nearest(name, known); n != "" {
		return f.label("did you mean %s?", quoteName(n))
	}
	if len(known) == 0 {
		return f
	}
	return f.help("there %s", enumeration(known))
}

// enumeration says which names there are.
func enumeration(names []string) string {
	const most = 20
	if len(names) == 1 {
		return "is " + quoteName(names[0])
	}
	shown := make([]string, 0, most)
	for _, n := range names[:min(len(names), most)] {
		shown = append(shown, quoteName(n))
	}
	if len(names) > most {
		return fmt.Sprintf("are %s and %d more", strings.Join(shown, ", "), len(names)-most)
	}
	last := len(shown) - 1
	return "are " + strings.Join(shown[:last], ", ") + " and " + shown[last]
}

// quoteName returns a name as a sentence shows it: in quotes if it is not a plain word.
func quoteName(name string) string {
	for _, r := range name {
		if r != '_' && r != '-' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return quoted(name)
		}
	}
	if name == "" {
		return quoted(name)
	}
	return name
}

// quoted returns a text of the file, or of the database, as messages show it: in quotes,
// without characters that steer a terminal, and not longer than a line.
func quoted(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}
