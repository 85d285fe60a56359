// Package deploy holds docker-compose.yml to what the programs, the database and
// Redis really accept, without containers: the same commands with the same
// environment, the same health checks, the same roles.
package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/freshlist/freshlist/internal/config"
)

const top = "../.."

// service is what the tests look at of a service.
type service struct {
	Image       string
	User        string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Command     []string
	Environment map[string]string
	Ports       []string
	Networks    []string
	Volumes     []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct{ Test []string }
}

// ours says whether the service runs a program of this repository.
func (s service) ours() bool { return s.Image == "freshlist-programs" }

type compose struct {
	Services map[string]service
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]any
}

var variable = regexp.MustCompile(`\$\{[A-Z0-9_]+:-([^}]*)\}`)

// load reads the file with the defaults of its variables.
func load(t *testing.T) compose {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(variable.ReplaceAll(text, []byte("$1")), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) == 0 {
		t.Fatal("no service")
	}
	return c
}

func TestOnlyTheAPIIsPublished(t *testing.T) {
	t.Parallel()
	c := load(t)
	if !c.Networks["inside"].Internal {
		t.Error("the network inside has a way out")
	}
	for name, s := range c.Services {
		if name == "api" {
			if !slices.Equal(s.Ports, []string{"127.0.0.1:8080:8080"}) {
				t.Errorf("the API is published as %v", s.Ports)
			}
			continue
		}
		if len(s.Ports) > 0 || !slices.Equal(s.Networks, []string{"inside"}) {
			t.Errorf("%s is reachable: ports %v, networks %v", name, s.Ports, s.Networks)
		}
	}
}

func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	roles := map[string]string{
		"migrate": "owner", "install": "owner", "seed": "owner", "api": "api", "invalidator": "invalidator",
	}
	for name, s := range load(t).Services {
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges", name)
		}
		if !s.ours() {
			continue
		}
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.Volumes) > 0 {
			t.Errorf("%s: user %q, read-only %t, dropped %v, volumes %v", name, s.User, s.ReadOnly, s.CapDrop, s.Volumes)
		}
		if url := s.Environment["DATABASE_URL"]; !strings.HasPrefix(url, "postgres://freshlist_"+roles[name]+"@") {
			t.Errorf("%s connects to %s", name, url)
		}
	}
}

// Every variable is one that the program reads: a misspelt one would be silent.
func TestVariablesAreRead(t *testing.T) {
	t.Parallel()
	for name, s := range load(t).Services {
		if !s.ours() {
			continue
		}
		read := map[string]bool{}
		getenv := func(variable string) string {
			read[variable] = true
			return s.Environment[variable]
		}
		var err error
		switch name {
		case "api":
			_, err = config.LoadAPI(getenv)
		case "invalidator":
			_, err = config.LoadInvalidator(getenv)
		default:
			_, err = config.LoadDatabase(getenv)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for variable := range s.Environment {
			if !read[variable] {
				t.Errorf("%s does not read %s", name, variable)
			}
		}
	}
}

// The image holds the programs where the file calls them, and nothing is published
// or stored that the file does not name.
func TestImage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(top, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "COPY --from=build /out/api /out/invalidator /bin/\n") {
		t.Error("the programs are not in /bin of the image")
	}
	for name, s := range load(t).Services {
		if s.ours() && (len(s.Command) == 0 || filepath.Dir(s.Command[0]) != "/bin") {
			t.Errorf("%s runs %v", name, s.Command)
		}
	}
	ignored, err := os.ReadFile(filepath.Join(top, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for _, needed := range []string{"cmd", "db", "internal", "go.mod", "go.sum"} {
		if !strings.Contains(string(ignored), "!"+needed+"\n") {
			t.Errorf("%s does not reach the build", needed)
		}
	}
}

// order returns the services such that each comes after what it depends on.
func (c compose) order(t *testing.T) []string {
	t.Helper()
	var sorted []string
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		if slices.Contains(path, name) {
			t.Fatalf("%s depends on itself: %v", name, path)
		}
		if _, there := c.Services[name]; !there {
			t.Fatalf("no service %s, on which %v depend", name, path)
		}
		if slices.Contains(sorted, name) {
			return
		}
		for needed, how := range c.Services[name].DependsOn {
			if how.Condition == "" {
				t.Errorf("%s does not wait for %s", name, needed)
			}
			visit(needed, append(path, name))
		}
		sorted = append(sorted, name)
	}
	for name := range c.Services {
		visit(name, nil)
	}
	return sorted
}

// flags turns redis-server's --name value arguments into lines of redis.conf.
func flags(t *testing.T, args []string) []string {
	t.Helper()
	if len(args)%2 != 0 {
		t.Fatalf("not pairs: %q", args)
	}
	var lines []string
	for i := 0; i < len(args); i += 2 {
		lines = append(lines, fmt.Sprintf("%s %q", strings.TrimPrefix(args[i], "--"), args[i+1]))
	}
	return lines
}
