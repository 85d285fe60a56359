package check

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/redistest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// cluster runs what the containers of an overlay would run, on private servers.
type cluster struct {
	*testing.T
	objects []runtime.Object
	bin     string
	ports   map[string]string // of a container, by what it calls them: "0.0.0.0:8080" -> "127.0.0.1:40123"
	secrets map[string]string // by the name of the Kubernetes secret: the content of database-url
	redis   string
}

// program is a command of a container, with its variables.
func (k *cluster) program(p Pod, c corev1.Container) *exec.Cmd {
	k.Helper()
	variables, err := Environment(k.objects, c)
	if err != nil {
		k.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(k.bin, filepath.Base(c.Command[0])), c.Command[1:]...)
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+k.inside(p, c, value))
	}
	return cmd
}

// inside turns what a container finds at an address or a path into what the test has there.
func (k *cluster) inside(p Pod, c corev1.Container, value string) string {
	k.Helper()
	if host, port, found := strings.Cut(value, ":"); found && host == "0.0.0.0" {
		return k.port(p, c, port)
	}
	for _, m := range c.VolumeMounts {
		name, found := strings.CutPrefix(value, m.MountPath+"/")
		if !found {
			continue
		}
		for _, v := range p.Template.Spec.Volumes {
			if v.Name != m.Name || v.Secret == nil {
				continue
			}
			content := map[string]string{"database-url": k.secrets[v.Secret.SecretName], "redis-url": k.redis}[name]
			if content == "" {
				k.Fatalf("%s: secret %s has no %s", c.Name, v.Secret.SecretName, name)
			}
			file := filepath.Join(k.TempDir(), name)
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				k.Fatal(err)
			}
			return file
		}
	}
	return value
}

func (k *cluster) port(p Pod, c corev1.Container, port string) string {
	k.Helper()
	key := p.Name + "/" + c.Name + ":" + port
	if k.ports[key] == "" {
		free, err := local.FreePort(0)
		if err != nil {
			k.Fatal(err)
		}
		k.ports[key] = "127.0.0.1:" + strconv.Itoa(free)
	}
	return k.ports[key]
}

// passes asks what a probe asks.
func (k *cluster) passes(p Pod, c corev1.Container, probe *corev1.Probe) bool {
	k.Helper()
	if probe == nil || probe.HTTPGet == nil {
		k.Fatalf("%s has a probe that is not HTTP: %+v", c.Name, probe)
	}
	for _, port := range c.Ports {
		if port.Name == probe.HTTPGet.Port.StrVal {
			answer, err := http.Get("http://" + k.port(p, c, strconv.Itoa(int(port.ContainerPort))) + probe.HTTPGet.Path)
			if err != nil {
				return false
			}
			defer answer.Body.Close()
			_, err = io.Copy(io.Discard, answer.Body)
			return err == nil && answer.StatusCode == http.StatusOK
		}
	}
	k.Fatalf("%s opens no port %v", c.Name, probe.HTTPGet.Port)
	return false
}

func (k *cluster) await(what string, done func() bool) {
	k.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			k.Fatalf("no end of waiting for this: %s", what)
		}
	}
}

// start runs a container until the end of the test, and waits until its probes pass.
func (k *cluster) start(p Pod, c corev1.Container) {
	k.Helper()
	log, err := os.Create(filepath.Join(k.TempDir(), "log"))
	if err != nil {
		k.Fatal(err)
	}
	cmd := k.program(p, c)
	process, err := local.StartProgram(log, cmd.Env, cmd.Path, cmd.Args[1:]...)
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() {
		grace := time.Duration(*p.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		if err := process.Stop(grace); err != nil {
			k.Errorf("%s does not end within the grace period: %v", c.Name, err)
		}
		log.Close()
		if k.Failed() {
			said, _ := os.ReadFile(log.Name())
			k.Logf("%s/%s said:\n%s", p.Name, c.Name, said)
		}
	})
	for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if probe != nil {
			k.await(p.Name+"/"+c.Name+": "+name+" probe", func() bool { return k.passes(p, c, probe) })
		}
	}
}

// What the pods of each overlay run works, in the order in which Kubernetes runs it: the job
// to its end, twice; then what stays, until the probes pass and the cache answers.
func TestPrograms(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	make := exec.Command("go", "build", "-o", bin, "./cmd/...")
	make.Dir = filepath.Join("..", "..", "..")
	if said, err := make.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, said)
	}
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			t.Parallel()
			roles := pgtest.Shared(t).CloneWithRoles(t, "freshlist_bare", func(context.Context, string) error { return nil })
			k := &cluster{T: t, objects: build(t, overlay), bin: bin, ports: map[string]string{}, secrets: map[string]string{
				"freshlist-owner": roles.Owner, "freshlist-api": roles.API, "freshlist-invalidator": roles.Invalidator,
			}}
			if overlay == "large" {
				through := pgtest.Shared(t).Pooler(t, "transaction", 1, poolerSettings(t)...)
				k.secrets["freshlist-api"] = through(roles.API)
				k.redis = redistest.StartCluster(t, 3, false).URL()
			} else {
				k.redis = redistest.Start(t).URL()
			}
			pods := Pods(k.objects)
			for _, p := range pods {
				if p.Template.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
					continue
				}
				for range 2 {
					for _, c := range p.Containers() {
						if said, err := k.program(p, c).CombinedOutput(); err != nil {
							t.Fatalf("%s/%s: %v: %s", p.Name, c.Name, err, said)
						}
					}
				}
			}
			var api string
			for _, p := range pods {
				if p.Template.Spec.RestartPolicy == corev1.RestartPolicyOnFailure {
					continue
				}
				for _, c := range p.Containers() {
					if !ours(c) {
						continue
					}
					k.start(p, c)
					if c.Name == "api" {
						api = "http://" + k.port(p, c, "8080")
					}
				}
			}
			k.await("an answer of the cache", func() bool {
				answer, err := http.Get(api + "/v1/properties")
				if err != nil {
					return false
				}
				defer answer.Body.Close()
				return strings.HasSuffix(answer.Header.Get("Cache-Status"), "; hit")
			})
		})
	}
}

// poolerSettings are the lines of the overlay's pgbouncer.ini, but for where it listens and whom it knows.
func poolerSettings(t *testing.T) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "large", "pgbouncer.ini"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "[pgbouncer]\n")
	if !found {
		t.Fatalf("pgbouncer.ini has no section [pgbouncer]: %s", text)
	}
	for line := range strings.Lines(section) {
		switch name, _, _ := strings.Cut(line, " "); name {
		case "listen_addr", "listen_port", "auth_file":
		default:
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
