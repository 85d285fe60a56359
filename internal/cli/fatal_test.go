package cli_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/cli"
)

// The error that ends a program is written as its log is.
func TestPrintFatal(t *testing.T) {
	t.Parallel()
	failed := errors.New("listen on HTTP_ADDR: in use\nsecond line")
	for _, test := range []struct {
		format string
		err    error
		isJSON bool
	}{
		{"json", failed, true}, {"text", failed, false}, {"", failed, false},
		{"", cli.Daemon(failed), true}, {"text", cli.Daemon(failed), false}, {"json", cli.Daemon(failed), true},
	} {
		var b strings.Builder
		cli.PrintFatal(&b, func(string) string { return test.format }, "api", test.err)
		var line struct{ Level, Program, Error string }
		isJSON := json.Unmarshal([]byte(b.String()), &line) == nil
		if isJSON != test.isJSON || !strings.Contains(b.String(), "listen on HTTP_ADDR") || !strings.Contains(b.String(), "api") {
			t.Errorf("LOG_FORMAT=%q: %s", test.format, b.String())
		}
		if isJSON && (strings.Count(b.String(), "\n") != 1 || line.Level != "ERROR" || line.Program != "api" || line.Error != failed.Error()) {
			t.Errorf("LOG_FORMAT=%q: %s", test.format, b.String())
		}
	}
	if cli.Daemon(nil) != nil {
		t.Error("no error has become one")
	}
}
