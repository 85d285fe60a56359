package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// tryOne is what a first look is to show, with one of each.
func tryOne(ctx context.Context, d *deployment) error {
	d.apis = d.apis[:1]
	if err := d.checkImage(ctx); err != nil {
		return err
	}
	if err := d.works(ctx, "postgres"); err != nil {
		return err
	}
	log, err := d.run(ctx, "logs", "--no-color", "postgres")
	if err == nil && strings.Contains(log, "FATAL") {
		err = fmt.Errorf("PostgreSQL's log has errors:\n%s", log)
	}
	return err
}

// tryCluster ends one part after the other.
func tryCluster(ctx context.Context, d *deployment) error {
	for _, step := range []func(context.Context, *deployment) error{
		func(ctx context.Context, d *deployment) error { return d.works(ctx, "postgres-1") },
		killMaster, stopLeader, restart, promote,
	} {
		if err := step(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// checkImage looks whether image and programs say what they were built from.
func (d *deployment) checkImage(ctx context.Context) error {
	began := time.Now()
	image := d.project + "-programs"
	labels, err := output(exec.CommandContext(ctx, "docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image))
	if err != nil {
		return err
	}
	version, err := d.run(ctx, "run", "--rm", "--no-deps", "migrate", "/bin/api", "--version")
	if err != nil {
		return err
	}
	for _, said := range []string{labels, version} {
		if !strings.Contains(said, release) || !strings.Contains(said, revision) {
			return fmt.Errorf("not of version %s and commit %s: %s", release, revision, said)
		}
	}
	say(began, "version and commit, in the image's labels and --version")
	return nil
}

// works waits until the cache is in use, and sees an edit by SQL.
func (d *deployment) works(ctx context.Context, database string) error {
	err := await(ctx, "every API caches", func(ctx context.Context) error {
		for _, api := range d.apis {
			response, body, err := get(ctx, api+"/readyz")
			if err != nil {
				return err
			}
			var state struct{ Caching bool }
			if err := json.Unmarshal([]byte(body), &state); err != nil || !state.Caching {
				return fmt.Errorf("%s: %s %s", api, response.Status, body)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := await(ctx, "every listing read is a hit", d.allHits); err != nil {
		return err
	}
	return d.edit(ctx, database)
}

// paths are of listings that lie in all partitions of Redis, a page and a list among them.
func paths() (all []string) {
	for id := 900; id <= 932; id++ {
		all = append(all, fmt.Sprintf("/v1/properties/%d", id))
	}
	return append(all, "/properties/932", "/v1/properties?city=FOLSOM")
}

// allHits fails if one of the answers does not come from the cache.
func (d *deployment) allHits(ctx context.Context) error {
	for _, api := range d.apis {
		for _, path := range paths() {
			response, _, err := get(ctx, api+path)
			if err != nil {
				return err
			}
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", path, response.Status)
			}
			// In the process, in Redis, or rendered from rows in Redis; a moment is shared without a proof.
			if status := response.Header.Get("Cache-Status"); !strings.Contains(status, "; hit") || strings.Contains(status, "moment") {
				return fmt.Errorf("%s: %s", path, status)
			}
		}
	}
	return nil
}

// edit changes cached listings by SQL, in the container of the database. No answer to a request
// that begins later than the bound after the commit may show what was before.
func (d *deployment) edit(ctx context.Context, database string) error {
	title := fmt.Sprintf("Edited at %d", time.Now().UnixNano())
	_, err := d.exec(ctx, database, "psql", "--username=postgres", "--dbname=freshlist", "--set=ON_ERROR_STOP=1",
		"--command=UPDATE properties SET title = '"+title+"' WHERE id BETWEEN 900 AND 932")
	if err != nil {
		return err
	}
	committed := time.Now()
	for _, api := range d.apis {
		for _, path := range paths()[:len(paths())-1] {
			if err := seen(ctx, api+path, title, committed); err != nil {
				return err
			}
		}
	}
	say(committed, "an edit by psql changed all that was cached of it, on every API")
	return nil
}

// seen reads an address until it shows a text, at the latest the bound after the commit.
func seen(ctx context.Context, address, text string, committed time.Time) error {
	for {
		began := time.Now()
		response, body, err := get(ctx, address)
		switch {
		case err != nil:
			return err
		case response.StatusCode == http.StatusOK && strings.Contains(body, text):
			return nil
		case began.Sub(committed) > bound:
			return fmt.Errorf("%s: %s, %s, but no %q %v after its commit", address, response.Status, response.Header.Get("Cache-Status"), text, began.Sub(committed))
		}
	}
}

// role is what a node of Redis says that it is: master or slave, and whether a slave is connected.
func (d *deployment) role(ctx context.Context, node string) (string, error) {
	return d.exec(ctx, node, "sh", "-c", "REDISCLI_AUTH=$(cat /run/secrets/redis-password) redis-cli role")
}

func killMaster(ctx context.Context, d *deployment) error {
	var masters []string
	for n := 1; n <= 6; n++ {
		node := fmt.Sprintf("redis-%d", n)
		role, err := d.role(ctx, node)
		if err != nil {
			return err
		}
		if strings.HasPrefix(role, "master") {
			masters = append(masters, node)
		}
	}
	if len(masters) != 3 {
		return fmt.Errorf("masters: %v, want 3", masters)
	}
	if _, err := d.run(ctx, "kill", masters[0]); err != nil {
		return err
	}
	if err := await(ctx, masters[0]+", a master, is killed: every listing read is a hit again", d.allHits); err != nil {
		return err
	}
	if err := d.edit(ctx, "postgres-1"); err != nil {
		return err
	}
	if _, err := d.run(ctx, "start", masters[0]); err != nil {
		return err
	}
	err := await(ctx, masters[0]+" is back, as a replica", func(ctx context.Context) error {
		role, err := d.role(ctx, masters[0])
		if err == nil && (!strings.HasPrefix(role, "slave") || !strings.Contains(role, "connected")) {
			err = errors.New(strings.ReplaceAll(role, "\n", " "))
		}
		return err
	})
	if err != nil {
		return err
	}
	return d.edit(ctx, "postgres-1")
}

// leads fails if an invalidator does not lead.
func (d *deployment) leads(ctx context.Context, service string) error {
	said, err := d.exec(ctx, service, "/bin/invalidator", "status", "-o", "json")
	if err != nil {
		return err
	}
	var status struct {
		Role    string
		Caching bool
	}
	if err := json.Unmarshal([]byte(said), &status); err != nil || status.Role != "leader" || !status.Caching {
		return fmt.Errorf("%s: %s", service, said)
	}
	return nil
}

func stopLeader(ctx context.Context, d *deployment) error {
	leader, other := "invalidator-1", "invalidator-2"
	if d.leads(ctx, leader) != nil {
		leader, other = other, leader
	}
	if err := d.leads(ctx, leader); err != nil {
		return err
	}
	if _, err := d.run(ctx, "stop", leader); err != nil {
		return err
	}
	err := await(ctx, leader+" is stopped: "+other+" leads", func(ctx context.Context) error { return d.leads(ctx, other) })
	if err != nil {
		return err
	}
	if err := d.works(ctx, "postgres-1"); err != nil {
		return err
	}
	_, err = d.run(ctx, "start", leader)
	return err
}

// restart takes all containers away and makes them anew: they have other addresses then.
func restart(ctx context.Context, d *deployment) error {
	began := time.Now()
	if _, err := d.run(ctx, "down", "--timeout=20"); err != nil {
		return err
	}
	if _, err := d.run(ctx, "up", "--detach", "--no-build", "--pull=never"); err != nil {
		return err
	}
	say(began, "down, and up again")
	return d.works(ctx, "postgres-1")
}

// promote loses the primary and goes on with the standby.
func promote(ctx context.Context, d *deployment) error {
	err := await(ctx, "the standby streams", func(ctx context.Context) error {
		state, err := d.exec(ctx, "postgres-1", "psql", "--username=postgres", "--dbname=freshlist", "--tuples-only", "--no-align",
			"--command=SELECT state FROM pg_stat_replication")
		if err == nil && state != "streaming" {
			err = fmt.Errorf("it is %q", state)
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err := d.run(ctx, "stop", "postgres-1"); err != nil {
		return err
	}
	if _, err := d.run(ctx, "exec", "-T", "-u", "postgres", "postgres-2", "pg_ctl", "promote"); err != nil {
		return err
	}
	return d.works(ctx, "postgres-2")
}
