package doctor

import (
	"context"
	"fmt"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/probe"
)

// examinePrograms asks the processes that answer at the configured addresses whether they
// use the cache. One that does not repeats its reason here.
func (c Config) examinePrograms(ctx context.Context) []Finding {
	var findings []Finding
	for _, program := range []struct{ name, addr string }{{"api", c.API}, {"invalidator", c.Invalidator}} {
		if program.addr != "" {
			findings = append(findings, named(program.name, askProgram(ctx, program.addr)))
		}
	}
	return findings
}

func askProgram(ctx context.Context, addr string) Finding {
	said, err := probe.State(ctx, addr)
	if err != nil {
		return ok("none answers at %s, so it was not asked", addr)
	}
	why, err := cachestate.Parse(said.Reason)
	switch {
	case said.Caching:
		return ok("that at %s uses the cache", addr)
	case err != nil:
		return unchecked(fmt.Errorf("ask %s: %w", addr, err))
	}
	text := fmt.Sprintf("that at %s does not use the cache since %s", addr, said.Since.Format("2006-01-02 15:04:05Z07:00"))
	if said.Detail != "" {
		text += ": " + said.Detail
	}
	return uncached(why, text)
}
