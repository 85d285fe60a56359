package main

import (
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/cli"
)

// Help and version need no configuration, and every command has help.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--help"}, {"-h"}, {"help"}, {"serve", "--help"}, {"migrate", "--help"}, {"migrate", "down", "-h"}, {"seed", "--help"},
		{"describe", "--help"}, {"import", "--help"}, {"help", "describe"}, {"health", "--help"}, {"completion", "--help"},
	} {
		out, err := api(t, "", args...)
		if err != nil || !strings.Contains(out, "Usage:") || !strings.Contains(out, "api") {
			t.Errorf("api %q prints %q, %v", args, out, err)
		}
	}
	out, err := api(t, "", "--version")
	if err != nil || !strings.HasPrefix(out, "api ") || !strings.Contains(out, "go1.") {
		t.Errorf("api --version prints %q, %v", out, err)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out, err := api(t, "", "completion", shell); err != nil || !strings.Contains(out, "api") {
			t.Errorf("api completion %s prints %.40q, %v", shell, out, err)
		}
	}
}

// A wrong command line says what is wrong and where to read more, and exits with 2.
func TestWrongCommandLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"serv":            `there is no command "serv"; did you mean serve?`,
		"frobnicate":      `there is no command "frobnicate"`,
		"--colour":        "unknown flag: --colour",
		"serve now":       `api serve takes no argument, and "now" is one`,
		"migrate":         "migrate needs one of up, down, status",
		"migrate sideway": "there is no command migrate sideway",
		"migrate down x":  "N must be a number, 1 or more",
		"migrate down 0":  "N must be a number, 1 or more",
		"migrate up 3":    "takes no argument",
		"seed --rows x":   "invalid argument",
		"seed --rows -1":  "--rows must be 0 or more",
		"health check":    "takes no argument",
	} {
		out, err := api(t, "", strings.Fields(line)...)
		if out != "" || cli.ExitCode(err) != cli.Wrong || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--help") {
			t.Errorf("api %s prints %q, exits with %d: %v; want %q", line, out, cli.ExitCode(err), err, want)
		}
	}
	if _, err := api(t, "", "serve"); cli.ExitCode(err) != cli.Failed {
		t.Errorf("without a configuration serve exits with %d: %v", cli.ExitCode(err), err)
	}
}
