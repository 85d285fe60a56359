package telemetry

import (
	"io"
	"log/slog"
	"os"

	"github.com/freshlist/freshlist/internal/config"
)

// NewLogger returns a logger that writes as configured: without a format, text to
// a terminal and JSON elsewhere. Durations are seconds in JSON.
func NewLogger(w io.Writer, c config.Log) *slog.Logger {
	format := c.Format
	if format == "" {
		format = config.FormatJSON
		if IsTerminal(w) {
			format = config.FormatText
		}
	}
	if format == config.FormatText {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: c.Level}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.Level, ReplaceAttr: seconds}))
}

func seconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return a
}

// IsTerminal reports whether somebody reads on a terminal what is written to w.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
