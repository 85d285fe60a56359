package deploy

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// expression is one in PromQL, and where it stands.
type expression struct{ where, text string }

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

func alerts(t *testing.T) ruleFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "deploy", "prometheus", "freshlist.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var rules ruleFile
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	return rules
}

func alertExpressions(t *testing.T) []expression {
	t.Helper()
	var all []expression
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			all = append(all, expression{r.Alert, r.Expr})
		}
	}
	return all
}

func dashboardExpressions(t *testing.T) []expression {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "deploy", "grafana", "freshlist.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Type, Title, Description string
			Targets                  []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []expression
	for _, p := range dashboard.Panels {
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("panel %q does not say what it shows, or shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, expression{"panel " + p.Title, target.Expr})
		}
	}
	return all
}

// families are the metrics of both programs, with those of Go and the process.
func families(t *testing.T) map[string]bool {
	t.Helper()
	api, invalidator := telemetry.NewAPI(), telemetry.NewInvalidator()
	api.ShowState(cachestate.New(slog.New(slog.DiscardHandler), time.Now))
	api.ShowPool(telemetry.PostgreSQL, func() telemetry.Pool { return telemetry.Pool{} })
	api.ShowL1(func() (int, uint64) { return 0, 0 })
	api.ShowBreakers(func() int { return 0 })
	known := map[string]bool{}
	for _, registry := range []prometheus.Gatherer{api, invalidator} {
		gathered, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range gathered {
			known[family.GetName()] = true
			if family.GetType().String() == "HISTOGRAM" {
				known[family.GetName()+"_bucket"] = true
			}
		}
	}
	return known
}

var metric = regexp.MustCompile(`\b(?:freshlist|process|go)_[a-z0-9_]+`)

// Every metric that an alert or the dashboard names is one that the programs have.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	known := families(t)
	all := append(alertExpressions(t), dashboardExpressions(t)...)
	if len(all) < 20 {
		t.Fatalf("only %d expressions", len(all))
	}
	for _, e := range all {
		names := metric.FindAllString(e.text, -1)
		if len(names) == 0 {
			t.Errorf("%s asks for no metric: %s", e.where, e.text)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", e.where, name)
			}
		}
	}
}

// Every metric of ours is on the dashboard: else nobody looks at it.
func TestMetricsAreShown(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, e := range dashboardExpressions(t) {
		for _, name := range metric.FindAllString(e.text, -1) {
			shown[name], shown[strings.TrimSuffix(name, "_bucket")] = true, true
		}
	}
	for name := range families(t) {
		if strings.HasPrefix(name, "freshlist_") && !shown[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// An alert says what to do, also in the documentation. It waits, or looks back, so that one bad
// moment calls nobody.
func TestAlertsSayWhatToDo(t *testing.T) {
	t.Parallel()
	operations, err := os.ReadFile(filepath.Join(top, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["runbook"] == "" {
				t.Errorf("%s: severity %q, summary %q, runbook %q", r.Alert, r.Labels["severity"], r.Annotations["summary"], r.Annotations["runbook"])
			}
			if !strings.Contains(string(operations), "\n| `"+r.Alert+"` | ") {
				t.Errorf("docs/operations.md has no line for %s", r.Alert)
			}
			if r.For == "" && !strings.Contains(r.Expr, "increase(") {
				t.Errorf("%s neither waits nor looks back", r.Alert)
			}
		}
	}
}

// Prometheus' own tool reads the alerts, the example of a configuration and every expression
// of the dashboard.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: scripts/install-servers --test")
	}
	check := func(what string, args ...string) {
		t.Helper()
		if said, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", what, err, said)
		}
	}
	check("alerts", "check", "rules", filepath.Join(top, "deploy", "prometheus", "freshlist.rules.yml"))
	check("configuration", "check", "config", filepath.Join(top, "deploy", "prometheus", "scrape.yml"))

	type rule struct{ Record, Expr string }
	var rules []rule
	variables := strings.NewReplacer("$__rate_interval", "5m", "$__interval", "1m", "$__range", "1h")
	for _, e := range dashboardExpressions(t) {
		rules = append(rules, rule{fmt.Sprintf("dashboard:expression:%d", len(rules)), variables.Replace(e.text)})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	check("dashboard", "check", "rules", file)
}
