package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// Row is one line of the report.
type Row struct {
	Section string  `json:"section"`
	What    string  `json:"what"`
	Value   float64 `json:"value"` // the median, unless What says otherwise
	Unit    string  `json:"unit"`
	Low     float64 `json:"low"` // quartiles of the measurements
	High    float64 `json:"high"`
	Samples int     `json:"samples"`
	Target  *Target `json:"target,omitempty"` // nil: only there to be compared with
	Detail  string  `json:"detail,omitempty"` // absolute figures
}

// Target is what a row must reach.
type Target struct {
	Value  float64 `json:"value"`
	AtMost bool    `json:"at_most"` // else at least
}

func atLeast(v float64) *Target { return &Target{Value: v} }
func atMost(v float64) *Target  { return &Target{Value: v, AtMost: true} }

// Reached is how good the value is as a share of the target: 1 is just enough.
func (r Row) Reached() float64 {
	if r.Target.AtMost {
		return r.Target.Value / r.Value
	}
	return r.Value / r.Target.Value
}

// bound spells the target.
func (r Row) bound() string {
	sign := ">= "
	if r.Target.AtMost {
		sign = "<= "
	}
	return sign + figure(r.Target.Value, r.Unit)
}

// Report is everything that one run has found, and where.
type Report struct {
	Began    time.Time `json:"began"`
	Took     string    `json:"took"`
	Commit   string    `json:"commit,omitempty"` // of the sources; with -dirty if they were changed
	System   string    `json:"system"`
	Cores    int       `json:"cores"`
	Go       string    `json:"go"`
	Postgres string    `json:"postgres,omitempty"`
	Redis    string    `json:"redis,omitempty"`
	Quick    bool      `json:"quick,omitempty"` // a smoke test: its figures say nothing
	Rows     []Row     `json:"rows"`
}

func newReport(quick bool) *Report {
	return &Report{
		Began: time.Now().UTC().Truncate(time.Second), Commit: commit(), Quick: quick,
		System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version(),
	}
}

// commit asks git, since programs may be built without what it says; "" outside of a repository.
func commit() string {
	said, err := exec.Command("git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(said))
}

// print writes the table.
func (r *Report) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, %d cores, %s", r.System, r.Cores, r.Go)
	if r.Postgres != "" {
		fmt.Fprintf(w, ", PostgreSQL %s, Redis %s", r.Postgres, r.Redis)
	}
	fmt.Fprintf(w, "; %s, %s\n\n", r.Began.Format(time.DateTime), r.Took)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tmeasured\ttarget\t\tof target\tmiddle half\tabsolute")
	for _, row := range r.Rows {
		target, met, reached := "", "", ""
		if row.Target != nil {
			target = row.bound()
			reached = fmt.Sprintf("%.2f", min(row.Reached(), 99))
			if met = "met"; row.Reached() < 1 {
				met = "MISSED"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s to %s\t%s\n", row.What, figure(row.Value, row.Unit), target, met, reached,
			figure(row.Low, ""), figure(row.High, ""), row.Detail)
	}
	return table.Flush()
}

// figure spells a value with three significant digits or more.
func figure(v float64, unit string) string {
	digits := 0
	switch {
	case v < 10:
		digits = 3
	case v < 100:
		digits = 1
	}
	text := fmt.Sprintf("%.*f", digits, v)
	if unit == "" || unit == ratio {
		return text
	}
	return text + " " + unit
}

// The units of the rows.
const (
	ratio        = "ratio"
	milliseconds = "ms"
	microseconds = "us"
	seconds      = "s"
	perSecond    = "/s"
	megabytes    = "MB"
	percent      = "%"
)

// save writes bench.json and bench.svg into a folder.
func (r *Report) save(folder string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "bench.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "bench.svg"), r.chart(), 0o644)
}
