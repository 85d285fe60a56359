// Command containers proves docker-compose.yml and docker-compose.cluster.yml on a real container
// engine: all comes up, an edit by SQL changes what was cached within the bound, and the cluster
// goes on when a part of it ends. It asks no registry: base images that the engine lacks are made
// of Debian's packages (scripts/stand-ins).
//
//	go run ./internal/deploy/containers [-file docker-compose.yml]
//
// Everything bears the name of a project of its own, and is removed at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	oneFile     = "docker-compose.yml"
	clusterFile = "docker-compose.cluster.yml"
)

func main() {
	only := flag.String("file", "", "only this `FILE` of the two")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "compose-test:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) (err error) {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	made, err := e.standIns(ctx)
	defer func() { err = errors.Join(err, e.removeImages(made)) }()
	if err != nil {
		return err
	}
	for _, t := range []struct {
		file  string
		trial func(context.Context, *deployment) error
	}{{oneFile, tryOne}, {clusterFile, tryCluster}} {
		if only == "" || only == t.file {
			if err := e.try(ctx, t.file, t.trial); err != nil {
				return fmt.Errorf("%s: %w", t.file, err)
			}
		}
	}
	return nil
}

// say prints a step that has been seen to work, and how long it took.
func say(began time.Time, format string, args ...any) {
	fmt.Printf("%6.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}
