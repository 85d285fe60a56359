package main

import (
	"io"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/cli"
)

// Help and version need no configuration, and every command has help.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--help"}, {"-h"}, {"help"}, {"run", "--help"}, {"install", "-h"}, {"uninstall", "--help"}, {"doctor", "--help"},
		{"verify", "--help"}, {"status", "--help"}, {"explain", "-h"}, {"purge", "-h"}, {"tail", "-h"}, {"top", "--help"}, {"health", "--help"}, {"help", "install"},
	} {
		out, err := command(t, environment{}, args...)
		if err != nil || !strings.Contains(out, "Usage:") || !strings.Contains(out, "invalidator") {
			t.Errorf("invalidator %q prints %q, %v", args, out, err)
		}
	}
	for _, c := range commands(environment{}.get, io.Discard, io.Discard).Commands() {
		if c.IsAvailableCommand() && c.Example == "" && c.Name() != "help" && c.Name() != "completion" {
			t.Errorf("the help of %s has no example", c.Name())
		}
	}
	out, err := command(t, environment{}, "--version")
	if err != nil || !strings.HasPrefix(out, "invalidator ") || !strings.Contains(out, "go1.") {
		t.Errorf("invalidator --version prints %q, %v", out, err)
	}
}

// A wrong command line says what is wrong and where to read more, and exits with 2.
func TestWrongCommandLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"instal":             `there is no command "instal"; did you mean install`,
		"frobnicate":         `there is no command "frobnicate"`,
		"--colour":           "unknown flag: --colour",
		"run now":            `invalidator run takes no argument, and "now" is one`,
		"install a.yaml b":   "at most one file",
		"verify --sample x":  "invalid argument",
		"verify --sample -1": "--sample must be 0 or more",
		"doctor all":         "takes no argument",
		"doctor -o yaml":     "text or json",
		"explain":            "an address or --sql",
		"explain /a --sql b": "an address or --sql",
		"explain /a b":       "one address",
		"purge":              "--all",
		"purge --all /a":     "one of them",
		"top --every 1ms":    "--every must be 1s or more",
	} {
		out, err := command(t, environment{}, strings.Fields(line)...)
		if out != "" || cli.ExitCode(err) != cli.Wrong || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--help") {
			t.Errorf("invalidator %s prints %q, exits with %d: %v; want %q", line, out, cli.ExitCode(err), err, want)
		}
	}
	if _, err := command(t, environment{}, "install", "no-such-file.yaml"); cli.ExitCode(err) != cli.Failed || !strings.Contains(err.Error(), "no-such-file.yaml") {
		t.Errorf("a file that is not there: exit with %d: %v", cli.ExitCode(err), err)
	}
}
