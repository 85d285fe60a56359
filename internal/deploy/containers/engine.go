package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The command line of Compose, for machines that have none: Debian 12 has version 1 only.
const (
	composeVersion = "v2.32.4"
	composeModule  = "github.com/docker/compose/v2/cmd@" + composeVersion
)

const noEngine = `no container engine answers, so nothing has been proved: %w
  start one, and try again; on a Debian machine where none runs, as root:
    apt-get install --no-install-recommends docker.io debootstrap
    dockerd --data-root /var/tmp/docker --iptables=false --ip-forward=false &`

// engine is a container engine that runs.
type engine struct {
	compose []string // its command line of Compose
}

func newEngine(ctx context.Context) (engine, error) {
	version, err := output(exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}"))
	if err != nil {
		return engine{}, fmt.Errorf(noEngine, err)
	}
	e := engine{compose: []string{"docker", "compose"}}
	if _, err := output(exec.CommandContext(ctx, "docker", "compose", "version")); err != nil {
		if e.compose, err = buildCompose(ctx); err != nil {
			return engine{}, err
		}
	}
	fmt.Printf("engine %s, %s\n", version, strings.Join(e.compose, " "))
	return e, nil
}

// buildCompose makes the command line of Compose, once.
func buildCompose(ctx context.Context) ([]string, error) {
	dir, err := filepath.Abs(filepath.Join(".local", "compose-"+composeVersion))
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "cmd")
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		fmt.Println("building Docker Compose", composeVersion)
		build := exec.CommandContext(ctx, "go", "install", composeModule)
		build.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
		if _, err := output(build); err != nil {
			return nil, fmt.Errorf("build Docker Compose: %w", err)
		}
	}
	return []string{program}, nil
}

// baseImages are those that the two files and the Dockerfile begin with.
var baseImages = []string{"postgres:15", "redis:7", "golang:1.26-bookworm", "gcr.io/distroless/static-debian12:nonroot"}

// standIns makes stand-ins for the base images that the engine lacks, and returns their names.
func (e engine) standIns(ctx context.Context) (made []string, err error) {
	cmd := exec.CommandContext(ctx, "scripts/stand-ins", baseImages...)
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("make stand-ins for base images: %w", err)
	}
	if made = strings.Fields(string(said)); len(made) > 0 {
		fmt.Println("stand-ins, not the real images:", strings.Join(made, ", "))
	}
	return made, err
}

func (e engine) removeImages(images []string) error {
	if len(images) == 0 {
		return nil
	}
	_, err := output(exec.Command("docker", append([]string{"image", "rm", "--force"}, images...)...))
	return err
}

// output runs a command. Its error shows what the command said.
func output(cmd *exec.Cmd) (string, error) {
	said, err := cmd.Output()
	if err == nil {
		return strings.TrimSpace(string(said)), nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return "", fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
}
