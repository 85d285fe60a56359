package check

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/freshlist/freshlist/internal/config"
)

var overlays = []string{"small", "large"}

func build(t *testing.T, overlay string) []runtime.Object {
	t.Helper()
	objects, err := Build(filepath.Join("..", overlay))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// ours says whether the container runs a program of this repository.
func ours(c corev1.Container) bool { return strings.HasPrefix(c.Image, "freshlist:") }

// each calls do for each container of each overlay, in a test of its own.
func each(t *testing.T, do func(t *testing.T, objects []runtime.Object, p Pod, c corev1.Container)) {
	for _, overlay := range overlays {
		objects := build(t, overlay)
		for _, p := range Pods(objects) {
			for _, c := range p.Containers() {
				t.Run(overlay+"/"+p.Name+"/"+c.Name, func(t *testing.T) { do(t, objects, p, c) })
			}
		}
	}
}

func TestOverlaysAreWhole(t *testing.T) {
	t.Parallel()
	for overlay, want := range map[string][]string{
		"small": {"freshlist-api: invalidator, api", "freshlist-install: migrate, install"},
		"large": {"freshlist-api: api", "freshlist-install: migrate, install", "freshlist-invalidator: invalidator", "freshlist-pooler: pgbouncer"},
	} {
		var names []string
		for _, p := range Pods(build(t, overlay)) {
			var containers []string
			for _, c := range p.Containers() {
				containers = append(containers, c.Name)
			}
			names = append(names, p.Name+": "+strings.Join(containers, ", "))
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("%s has\n%q, want\n%q", overlay, names, want)
		}
	}
}

// A member that is misspelt is told, not ignored.
func TestDecodingIsStrict(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selectors: {a: b}}\n",
		"doubled": "apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\n",
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ []runtime.Object, p Pod, c corev1.Container) {
		spec, s := p.Template.Spec, c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
			s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("security context %+v", s)
		}
		if ps := spec.SecurityContext; ps == nil || ps.RunAsNonRoot == nil || !*ps.RunAsNonRoot || ps.RunAsUser == nil || *ps.RunAsUser == 0 ||
			ps.SeccompProfile == nil || ps.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("the pod's security context %+v", ps)
		}
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
			t.Error("the pod holds a token of the cluster")
		}
		if c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("resources %+v", c.Resources)
		}
		if !c.Resources.Limits.Cpu().IsZero() {
			t.Error("a limit of CPU: throttled for longer than the bound, a leader proves nothing")
		}
		for _, v := range c.Env {
			if strings.Contains(v.Value, "password") || strings.Contains(v.Value, "://") && !strings.HasSuffix(v.Name, "_FILE") {
				t.Errorf("%s holds a secret", v.Name)
			}
		}
		for _, m := range c.VolumeMounts {
			if !m.ReadOnly {
				t.Errorf("%s may be written", m.MountPath)
			}
		}
	})
}

// Every variable is one that the program reads, and all that the programs need is there.
func TestVariablesAreRead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, objects []runtime.Object, _ Pod, c corev1.Container) {
		if !ours(c) {
			return
		}
		variables, err := Environment(objects, c)
		if err != nil {
			t.Fatal(err)
		}
		secrets := mount(t, c, map[string]string{
			"database-url": "postgres://user:password@db/freshlist", "redis-url": "redis://redis",
		})
		read := map[string]bool{}
		getenv := func(name string) string {
			read[name] = true
			return secrets(variables[name])
		}
		switch c.Command[0] + " " + c.Command[1] {
		case "/bin/api serve":
			_, err = config.LoadAPI(getenv)
		case "/bin/invalidator run":
			_, err = config.LoadInvalidator(getenv)
		default:
			_, err = config.LoadDatabase(getenv)
		}
		if err != nil {
			t.Error(err)
		}
		for name := range variables {
			if !read[name] && name != "GOMEMLIMIT" {
				t.Errorf("nobody reads %s", name)
			}
		}
	})
}

// mount writes what the container finds in its secrets, and returns a function that turns a
// path of the container into one of the test.
func mount(t *testing.T, c corev1.Container, content map[string]string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(value string) string {
		for _, m := range c.VolumeMounts {
			if rest, found := strings.CutPrefix(value, m.MountPath+"/"); found {
				return filepath.Join(dir, rest)
			}
		}
		return value
	}
}

// Services, budgets, autoscalers and policies name pods that exist and ports that these open.
func TestNamesMeet(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		objects := build(t, overlay)
		pods := Pods(objects)
		selected := func(what string, selector map[string]string) []Pod {
			var met []Pod
			for _, p := range pods {
				if labels.SelectorFromSet(selector).Matches(labels.Set(p.Template.Labels)) {
					met = append(met, p)
				}
			}
			if len(met) != 1 || len(selector) == 0 {
				t.Errorf("%s: %s selects %d kinds of pods by %v", overlay, what, len(met), selector)
			}
			return met
		}
		hasPort := func(p Pod, port intstr.IntOrString) bool {
			for _, c := range p.Containers() {
				for _, open := range c.Ports {
					if open.Name == port.StrVal || port.IntVal != 0 && open.ContainerPort == port.IntVal {
						return true
					}
				}
			}
			return false
		}
		for _, object := range objects {
			switch o := object.(type) {
			case *appsv1.Deployment:
				selected("deployment "+o.Name, o.Spec.Selector.MatchLabels)
			case *corev1.Service:
				for _, p := range selected("service "+o.Name, o.Spec.Selector) {
					for _, port := range o.Spec.Ports {
						if !hasPort(p, port.TargetPort) {
							t.Errorf("%s: no pod of service %s opens %v", overlay, o.Name, port.TargetPort)
						}
					}
				}
			case *policyv1.PodDisruptionBudget:
				for _, p := range selected("budget "+o.Name, o.Spec.Selector.MatchLabels) {
					if p.Replicas == 1 || o.Spec.MinAvailable.IntVal != 1 {
						t.Errorf("%s: budget %s of %d pods would stop every drain of a node", overlay, o.Name, p.Replicas)
					}
				}
			case *autoscalingv2.HorizontalPodAutoscaler:
				if !slices.ContainsFunc(pods, func(p Pod) bool { return p.Name == o.Spec.ScaleTargetRef.Name && p.Replicas == 0 }) {
					t.Errorf("%s: the autoscaler scales %s, which is not there or has a number of its own", overlay, o.Spec.ScaleTargetRef.Name)
				}
			case *networkingv1.NetworkPolicy:
				met := selected("policy "+o.Name, o.Spec.PodSelector.MatchLabels)
				for _, rule := range o.Spec.Ingress {
					for _, port := range rule.Ports {
						if len(met) == 1 && o.Name != "freshlist-api" && !hasPort(met[0], *port.Port) {
							t.Errorf("%s: policy %s lets callers to %v, which no pod opens", overlay, o.Name, port.Port)
						}
					}
					for _, from := range rule.From {
						if from.PodSelector != nil {
							selected("policy "+o.Name, from.PodSelector.MatchLabels)
						}
					}
				}
			}
		}
	}
}

// The component makes both programs send traces, and lets them call the collector and all that they need.
func TestTraces(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		dir := t.TempDir()
		above, err := filepath.Rel(dir, absolute(t, ".."))
		if err != nil {
			t.Fatal(err)
		}
		text := "resources: [" + filepath.Join(above, overlay) + "]\ncomponents: [" + filepath.Join(above, "traces") + "]\n"
		if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		objects, err := Build(dir)
		if err != nil {
			t.Fatal(err)
		}
		var may []int32
		var from labels.Selector
		for _, object := range objects {
			if o, ok := object.(*networkingv1.NetworkPolicy); ok && slices.Contains(o.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
				from = labels.SelectorFromSet(o.Spec.PodSelector.MatchLabels)
				for _, rule := range o.Spec.Egress {
					for _, port := range rule.Ports {
						may = append(may, port.Port.IntVal)
					}
				}
			}
		}
		if want := []int32{4318, 53, 53, 5432, 6432, 6379, 26379}; !slices.Equal(may, want) {
			t.Errorf("%s: the programs may call the ports %v, want %v", overlay, may, want)
		}
		sent := 0
		for _, p := range Pods(objects) {
			for _, c := range p.Containers() {
				variables, err := Environment(objects, c)
				if err != nil {
					t.Fatal(err)
				}
				sends := variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.observability:4318"
				if sends {
					sent++
				}
				if selected := from != nil && from.Matches(labels.Set(p.Template.Labels)); selected != sends {
					t.Errorf("%s: %s of %s sends traces: %t, is let out: %t", overlay, c.Name, p.Name, sends, selected)
				}
			}
		}
		if sent != 2 {
			t.Errorf("%s: %d containers send traces, want 2", overlay, sent)
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Only the two programs are let through to Redis, and both are.
func TestWhoUsesRedis(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		for _, p := range Pods(build(t, overlay)) {
			uses := slices.ContainsFunc(p.Containers(), func(c corev1.Container) bool {
				return slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "REDIS_URL_FILE" })
			})
			if labelled := p.Template.Labels["freshlist/uses-redis"] == "true"; labelled != uses {
				t.Errorf("%s: %s has the label: %t, uses Redis: %t", overlay, p.Name, labelled, uses)
			}
		}
	}
}

// Two invalidators never share a node, and one is always there.
func TestInvalidatorsAreApart(t *testing.T) {
	t.Parallel()
	for _, p := range Pods(build(t, "large")) {
		if p.Name != "freshlist-invalidator" {
			continue
		}
		a := p.Template.Spec.Affinity
		if p.Replicas != 2 || a == nil || a.PodAntiAffinity == nil || len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) != 1 {
			t.Errorf("replicas %d, affinity %+v", p.Replicas, a)
			continue
		}
		term := a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]
		selector, err := v1.LabelSelectorAsSelector(term.LabelSelector)
		if err != nil || !selector.Matches(labels.Set(p.Template.Labels)) || term.TopologyKey != "kubernetes.io/hostname" {
			t.Errorf("the term %+v does not keep its own pods apart: %v", term, err)
		}
		return
	}
	t.Error("no invalidator")
}

// The sidecar is native: it starts before the API, ends after it, and does not hold up the pod.
func TestSidecar(t *testing.T) {
	t.Parallel()
	for _, p := range Pods(build(t, "small")) {
		for _, c := range p.Template.Spec.InitContainers {
			if c.Name != "invalidator" {
				continue
			}
			if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways || c.StartupProbe == nil || c.ReadinessProbe != nil {
				t.Errorf("the invalidator is no sidecar: %+v", c)
			}
			return
		}
	}
	t.Error("no sidecar")
}

// What the API may open of PgBouncer, all pods together, PgBouncer's pods take.
func TestConnectionsSuffice(t *testing.T) {
	t.Parallel()
	objects := build(t, "large")
	var apis, each int64
	for _, object := range objects {
		if o, ok := object.(*autoscalingv2.HorizontalPodAutoscaler); ok {
			apis = int64(o.Spec.MaxReplicas)
		}
	}
	for _, p := range Pods(objects) {
		for _, c := range p.Containers() {
			for _, v := range c.Env {
				if v.Name == "DATABASE_MAX_CONNS" {
					n, err := strconv.ParseInt(v.Value, 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					each = n
				}
			}
		}
	}
	ini, err := os.ReadFile("../large/pgbouncer.ini")
	if err != nil {
		t.Fatal(err)
	}
	var most int64
	for line := range strings.Lines(string(ini)) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "max_client_conn = "); found {
			if most, err = strconv.ParseInt(value, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Reads, writes and what looks at the server, of each process; one pod of PgBouncer alone must do.
	if need := apis * (2*each + 4); apis == 0 || each == 0 || most < need {
		t.Errorf("%d API pods with %d connections each need up to %d of PgBouncer, which takes %d", apis, each, need, most)
	}
}
