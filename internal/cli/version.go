package cli

import (
	"runtime/debug"
	"strings"
)

// release is the version of a released program, commit what it is built from where the build does not
// see the repository, as in a container. The build sets them, by
// -ldflags "-X .../internal/cli.release=0.1.0 -X .../internal/cli.commit=...".
var release, commit = "", ""

// Version returns the program's version, the commit that it was built from, if that is known,
// and the version of Go.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return firstOf(release, "unknown")
	}
	setting := map[string]string{}
	for _, s := range info.Settings {
		setting[s.Key] = s.Value
	}
	version := firstOf(release, strings.TrimPrefix(strings.Trim(info.Main.Version, "()"), "v"), "devel")
	var notes []string
	if from := firstOf(commit, setting["vcs.revision"]); from != "" {
		if commit == "" && setting["vcs.modified"] == "true" {
			from += ", changed since"
		}
		notes = append(notes, "commit "+from)
	}
	return version + " (" + strings.Join(append(notes, info.GoVersion), ", ") + ")"
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
