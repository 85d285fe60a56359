// Package deploy holds the compose files to what the programs, the database and
// Redis really accept, without containers: the same commands with the same
// environment, the same health checks, the same roles. The command in containers
// proves them on a container engine.
package deploy

import (
	"fmt"
	"os"
	"os/exec"
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
	Secrets     []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct{ Test []string }
	MemLimit    string `yaml:"mem_limit"`
	Logging     struct{ Options map[string]string }
}

// ours says whether the service runs a program of this repository.
func (s service) ours() bool { return s.Image == "freshlist-programs" }

type compose struct {
	Services map[string]service
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]any
	Secrets  map[string]struct{ File string }
}

const oneFile, clusterFile = "docker-compose.yml", "docker-compose.cluster.yml"

// both runs a test of each file.
func both(t *testing.T, test func(t *testing.T, c compose)) {
	t.Parallel()
	for _, file := range []string{oneFile, clusterFile} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			test(t, load(t, file))
		})
	}
}

var variable = regexp.MustCompile(`\$\{[A-Z0-9_]+:-([^}]*)\}`)

// load reads a file with the defaults of its variables.
func load(t *testing.T, file string) compose {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, file))
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

func TestOnlyAPIsArePublished(t *testing.T) { both(t, onlyAPIsArePublished) }

func onlyAPIsArePublished(t *testing.T, c compose) {
	if !c.Networks["inside"].Internal {
		t.Error("the network inside has a way out")
	}
	ports := map[string]string{"api": "127.0.0.1:8080:8080", "api-1": "127.0.0.1:8080:8080", "api-2": "127.0.0.1:8090:8080"}
	for name, s := range c.Services {
		if program(name) == "api" {
			if !slices.Equal(s.Ports, []string{ports[name]}) {
				t.Errorf("%s is published as %v", name, s.Ports)
			}
			continue
		}
		if len(s.Ports) > 0 || !slices.Equal(s.Networks, []string{"inside"}) {
			t.Errorf("%s is reachable: ports %v, networks %v", name, s.Ports, s.Networks)
		}
	}
}

// program is what a service runs: its name without a number.
func program(name string) string { return strings.TrimRight(name, "-0123456789") }

func TestLeastPrivilege(t *testing.T) { both(t, leastPrivilege) }

func leastPrivilege(t *testing.T, c compose) {
	roles := map[string]string{
		"migrate": "owner", "install": "owner", "seed": "owner", "api": "api", "invalidator": "invalidator",
	}
	for name, s := range c.Services {
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges", name)
		}
		if s.MemLimit == "" || s.Logging.Options["max-size"] == "" {
			t.Errorf("%s may take all memory, or fill the disk with its log: %q, %v", name, s.MemLimit, s.Logging.Options)
		}
		if !s.ours() {
			continue
		}
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.Volumes) > 0 {
			t.Errorf("%s: user %q, read-only %t, dropped %v, volumes %v", name, s.User, s.ReadOnly, s.CapDrop, s.Volumes)
		}
		if url := s.Environment["DATABASE_URL"]; !strings.HasPrefix(url, "postgres://freshlist_"+roles[program(name)]+"@") {
			t.Errorf("%s connects to %s", name, url)
		}
	}
}

// In the cluster's file every password is a file, which the service that reads it mounts, and which
// scripts/compose-secrets makes.
func TestSecrets(t *testing.T) {
	t.Parallel()
	c := load(t, clusterFile)
	dir := secrets(t)
	for name, s := range c.Services {
		for variable, value := range s.Environment {
			secret, isFile := strings.CutPrefix(value, "/run/secrets/")
			if isFile && !slices.Contains(s.Secrets, secret) {
				t.Errorf("%s reads %s, and does not mount it", name, value)
			}
			if strings.HasSuffix(variable, "PASSWORD") || strings.HasSuffix(variable, "TOKEN") {
				t.Errorf("%s has %s in its environment", name, variable)
			}
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File != "./.secrets/"+secret {
				t.Errorf("%s mounts %s, which is %q", name, secret, c.Secrets[secret].File)
			}
		}
	}
	values := map[string]bool{}
	for name := range c.Secrets {
		value, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(value) < 32 || values[string(value)] {
			t.Errorf("%s: %d bytes, %v", name, len(value), err)
		}
		values[string(value)] = true
	}
}

// secrets has scripts/compose-secrets make the passwords, twice: what is there stays.
func secrets(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "secrets")
	var before []byte
	for range 2 {
		script := exec.Command(filepath.Join(top, "scripts", "compose-secrets"))
		script.Env = append(os.Environ(), "SECRETS="+dir)
		if said, err := script.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		now, err := os.ReadFile(filepath.Join(dir, "owner-password"))
		if err != nil || before != nil && string(now) != string(before) {
			t.Fatalf("the owner's password is %q and then %q, %v", before, now, err)
		}
		before = now
	}
	return dir
}

// Every variable is one that the program reads: a misspelt one would be silent.
func TestVariablesAreRead(t *testing.T) { both(t, variablesAreRead) }

func variablesAreRead(t *testing.T, c compose) {
	mounted := secrets(t)
	for name, s := range c.Services {
		if !s.ours() {
			continue
		}
		read := map[string]bool{}
		getenv := func(variable string) string {
			read[variable] = true
			return strings.Replace(s.Environment[variable], "/run/secrets", mounted, 1)
		}
		var err error
		switch program(name) {
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
			if !read[variable] && !slices.Contains(passedOn, variable) {
				t.Errorf("%s does not read %s", name, variable)
			}
		}
	}
}

// passedOn are variables of OpenTelemetry, which reads most of them itself.
var passedOn = []string{
	"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED",
	"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
}

// What is set of them where compose runs both programs have. What is not set they do not have.
func TestVariablesArePassedOn(t *testing.T) {
	t.Parallel()
	for _, file := range []string{oneFile, clusterFile} {
		text, err := os.ReadFile(filepath.Join(top, file))
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Services map[string]struct{ Environment map[string]*string }
		}
		if err := yaml.Unmarshal(text, &c); err != nil {
			t.Fatal(err)
		}
		for name, s := range c.Services {
			if !slices.Contains([]string{"api", "invalidator"}, program(name)) {
				continue
			}
			for _, variable := range passedOn {
				if value, there := s.Environment[variable]; !there || value != nil {
					t.Errorf("%s: %s does not pass %s on", file, name, variable)
				}
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
	for name, s := range load(t, oneFile).Services {
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
