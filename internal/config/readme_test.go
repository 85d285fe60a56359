package config_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/config"
)

var (
	row  = regexp.MustCompile("^\\| ((?:`[A-Z0-9_]+`(?:, )?)+) \\|([^|]*)\\|")
	code = regexp.MustCompile("`([^`]*)`")
)

// documented returns the variables of README's table and, where it names one as
// code, their defaults.
func documented(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for line := range strings.Lines(string(readme)) {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		names, values := code.FindAllStringSubmatch(m[1], -1), code.FindAllStringSubmatch(m[2], -1)
		for i, name := range names {
			defaults[name[1]] = ""
			if len(values) == len(names) {
				defaults[name[1]] = values[i][1]
			}
		}
	}
	return defaults
}

// README names the variables that are read, and their defaults are the defaults.
func TestReadmeTable(t *testing.T) {
	t.Parallel()
	table := documented(t)
	read := map[string]bool{}
	getenv := func(name string) string {
		read[name] = true
		return required()(name)
	}
	api, err1 := config.LoadAPI(getenv)
	invalidator, err2 := config.LoadInvalidator(getenv)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	got, want := slices.Sorted(maps.Keys(table)), slices.Sorted(maps.Keys(read))
	if !slices.Equal(got, want) {
		t.Errorf("README has %v\nread are   %v", got, want)
	}
	for name, value := range table {
		if value == "" {
			continue
		}
		if set, err := config.LoadAPI(required(name, value)); err != nil || set != api {
			t.Errorf("%s=%s is not the API's default (%v)", name, value, err)
		}
		if set, err := config.LoadInvalidator(required(name, value)); err != nil || set != invalidator {
			t.Errorf("%s=%s is not the invalidator's default (%v)", name, value, err)
		}
	}
}
