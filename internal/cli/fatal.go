package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/freshlist/freshlist/internal/telemetry"
)

// daemonError is an error that ends a program whose output is a log.
type daemonError struct{ err error }

func (e *daemonError) Error() string { return e.err.Error() }
func (e *daemonError) Unwrap() error { return e.err }

// Daemon marks an error as one that ends a program whose output is a log, so that it is written
// as one more line of it.
func Daemon(err error) error {
	if err == nil {
		return nil
	}
	return &daemonError{err}
}

// PrintFatal writes the error that ends a program. With LOG_FORMAT=json it is a line of JSON, as
// the log's other lines; so it is of a daemon whose log is JSON since nobody reads it on a
// terminal. Else it is a line for people.
func PrintFatal(w io.Writer, getenv func(string) string, name string, err error) {
	var daemon *daemonError
	format := getenv("LOG_FORMAT")
	if format == "json" || format == "" && errors.As(err, &daemon) && !telemetry.IsTerminal(w) {
		slog.New(slog.NewJSONHandler(w, nil)).Error("ended by an error", "program", name, "error", strings.TrimSpace(err.Error()))
		return
	}
	fmt.Fprintf(w, "%s: %v\n", name, err)
}
