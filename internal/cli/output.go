package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/telemetry"
)

// Format is how a command prints what it has found.
type Format string

// The formats.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Set takes over what a command line says.
func (f *Format) Set(text string) error {
	switch Format(text) {
	case Text, JSON:
		*f = Format(text)
		return nil
	}
	return errors.New("it is text or json")
}

// String returns the format as a command line has it.
func (f *Format) String() string { return string(*f) }

// Type says in help what the option takes.
func (f *Format) Type() string { return "text|json" }

// Output adds the option -o to a command, and returns what it is set to.
func Output(cmd *cobra.Command, usual Format) *Format {
	f := usual
	cmd.Flags().VarP(&f, "output", "o", "print `text|json`")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(Text), string(JSON)}, cobra.ShellCompDirectiveNoFileComp))
	return &f
}

// PrintJSON prints a value as JSON for people and programs.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Progress shows on a terminal how far something is that takes long. Elsewhere it shows nothing.
type Progress struct {
	out   io.Writer // nil: nobody looks
	what  string
	began time.Time
	shown time.Time
}

// NewProgress returns what shows how far what is, such as "checking queries".
func NewProgress(out io.Writer, what string) *Progress {
	p := &Progress{what: what, began: time.Now()}
	if telemetry.IsTerminal(out) {
		p.out = out
	}
	return p
}

// The times of progress: nothing is shown of what is done soon, and not more often than is seen.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// Show shows that done of so many are done; of 0 is unknown.
func (p *Progress) Show(done, of int) {
	now := time.Now()
	if p.out == nil || now.Sub(p.began) < progressAfter || now.Sub(p.shown) < progressEvery {
		return
	}
	p.shown = now
	if of > 0 {
		fmt.Fprintf(p.out, "\r\033[K%s: %d of %d", p.what, done, of)
	} else {
		fmt.Fprintf(p.out, "\r\033[K%s: %d", p.what, done)
	}
}

// Done takes away what was shown.
func (p *Progress) Done() {
	if p.out != nil && !p.shown.IsZero() {
		fmt.Fprint(p.out, "\r\033[K")
	}
}
