package telemetry

import (
	"io"

	"github.com/freshlist/freshlist/internal/config"
)

// WarnOfUnknown logs which variables of an environment look like one of ours misspelt. Values
// are not shown.
func WarnOfUnknown(w io.Writer, getenv config.Getenv, environ []string) {
	unknown := config.Unknowns(environ)
	if len(unknown) == 0 {
		return
	}
	c, _ := config.LoadDatabase(getenv) // its faults are told elsewhere
	log := NewLogger(w, c.Log)
	for _, u := range unknown {
		log.Warn("an unknown variable is set, and has no effect", "variable", u.Name, "did_you_mean", u.Nearest)
	}
}
