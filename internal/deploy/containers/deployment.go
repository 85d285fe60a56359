package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/local"
)

const (
	bound = time.Second // STALENESS_BOUND of both files
	grace = 2 * time.Minute

	release  = "0.0.0-trial"
	revision = "0123456789abcdef0123456789abcdef01234567"
)

// deployment is one of the files, up under the name of a project of its own.
type deployment struct {
	engine
	file    string
	project string
	env     []string
	secrets []string // beginnings of passwords, which no log may show
	apis    []string // addresses
}

// try brings a file up, tries it, and takes it down again.
func (e engine) try(ctx context.Context, file string, trial func(context.Context, *deployment) error) (err error) {
	fmt.Println(file)
	scratch, err := local.ScratchDir("freshlist-compose-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	d := &deployment{engine: e, file: file, project: fmt.Sprintf("freshlist-trial-%d", os.Getpid())}
	for _, variable := range []string{"HTTP_PORT", "HTTP_PORT_2"} {
		port, err := local.FreePort(0)
		if err != nil {
			return err
		}
		d.env = append(d.env, variable+"="+strconv.Itoa(port))
		d.apis = append(d.apis, "http://127.0.0.1:"+strconv.Itoa(port))
	}
	if err := d.makeSecrets(ctx, filepath.Join(scratch, "secrets")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	if err = d.start(ctx); err == nil {
		err = trial(ctx, d)
	}
	if err == nil {
		err = d.checkLogs(ctx)
	} else if ctx.Err() == nil {
		logs, _ := d.run(ctx, "logs", "--no-color", "--tail=40")
		fmt.Println(logs)
	}
	return err
}

// makeSecrets gives each password the characters that have a meaning in addresses, files of
// settings or shells.
func (d *deployment) makeSecrets(ctx context.Context, dir string) error {
	script := exec.CommandContext(ctx, "scripts/compose-secrets")
	script.Env = append(os.Environ(), "SECRETS="+dir)
	if _, err := output(script); err != nil {
		return err
	}
	d.env = append(d.env, "SECRETS="+dir)
	for _, name := range []string{"postgres", "replication", "owner", "api", "invalidator", "redis"} {
		secret := name + "-s3cret"
		password := secret + `@/:#%"\'$HOME`
		d.secrets = append(d.secrets, secret)
		d.env = append(d.env, strings.ToUpper(name)+"_PASSWORD="+password)
		path := filepath.Join(dir, name+"-password")
		if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte(password), 0o444)); err != nil {
			return err
		}
	}
	return nil
}

// run runs a command of Compose on the project.
func (d *deployment) run(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"--progress=quiet", "--project-name=" + d.project, "--file=" + d.file, "--profile=sample"}, args...)
	cmd := exec.CommandContext(ctx, d.compose[0], append(d.compose[1:len(d.compose):len(d.compose)], args...)...)
	// A .env of this clone is another deployment's.
	cmd.Env = append(os.Environ(), append(d.env, "COMPOSE_DISABLE_ENV_FILE=true")...)
	return output(cmd)
}

// exec runs a command in the container of a service.
func (d *deployment) exec(ctx context.Context, service string, command ...string) (string, error) {
	return d.run(ctx, append([]string{"exec", "-T", service}, command...)...)
}

// start builds the image, which all services of ours share, and brings them up.
func (d *deployment) start(ctx context.Context) error {
	began := time.Now()
	if _, err := d.run(ctx, "build", "--quiet", "--build-arg=VERSION="+release, "--build-arg=REVISION="+revision, "migrate"); err != nil {
		return err
	}
	say(began, "built")
	began = time.Now()
	if _, err := d.run(ctx, "up", "--detach", "--no-build", "--pull=never"); err != nil {
		return err
	}
	say(began, "up")
	return nil
}

// remove takes everything down, and fails if anything of the project is left.
func (d *deployment) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*grace)
	defer cancel()
	_, err := d.run(ctx, "down", "--volumes", "--remove-orphans", "--timeout=20")
	err = errors.Join(err, d.removeImages([]string{d.project + "-programs"}))
	for _, kind := range [][]string{{"ps", "--all"}, {"network", "ls"}, {"volume", "ls"}, {"image", "ls", "--all"}} {
		left, listed := output(exec.CommandContext(ctx, "docker", append(kind, "--quiet", "--filter", "label=com.docker.compose.project="+d.project)...))
		if err = errors.Join(err, listed); left != "" {
			err = errors.Join(err, fmt.Errorf("left behind, by docker %s: %s", strings.Join(kind, " "), left))
		}
	}
	return err
}

// checkLogs looks for passwords in what all services have logged.
func (d *deployment) checkLogs(ctx context.Context) error {
	logs, err := d.run(ctx, "logs", "--no-color")
	if err != nil {
		return err
	}
	if !strings.Contains(logs, "api") {
		return errors.New("there are no logs")
	}
	for _, secret := range d.secrets {
		if strings.Contains(logs, secret) {
			return fmt.Errorf("a log shows the password that begins with %s", secret)
		}
	}
	return nil
}

// await waits until done, or until its last error is all there is to say.
func await(ctx context.Context, what string, done func(context.Context) error) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for {
		err := done(ctx)
		if err == nil {
			say(began, "%s", what)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v: %w", what, grace, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// get reads an address, on a connection of its own.
func get(ctx context.Context, address string) (*http.Response, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}
