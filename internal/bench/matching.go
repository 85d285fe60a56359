package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// matching measures the index of live queries on one core, by the benchmarks of its
// own package: the same generator, edits that touch 1 to 20 queries.
func (b *bench) matching(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "freshlist-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "match.test")
	if said, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./internal/invalidate/match").CombinedOutput(); err != nil {
		return fmt.Errorf("build the benchmarks: %w: %s", err, said)
	}
	families := map[string]*pairs{} // nanoseconds for a change, with 100,000 live queries and with 1,000
	for range b.times(7, 1) {
		if err := b.matchOnce(ctx, program, families); err != nil {
			return err
		}
	}
	if len(families) == 0 {
		return fmt.Errorf("the benchmarks named no load")
	}
	b.matchRows(families)
	return nil
}

var matchLine = regexp.MustCompile(`(?m)^BenchmarkAffected/(\w+)/(1k|100k)\s+\d+\s+([0-9.]+) ns/op`)

// matchOnce runs the benchmarks once.
func (b *bench) matchOnce(ctx context.Context, program string, families map[string]*pairs) error {
	args := []string{"-test.run=^$", "-test.bench=^BenchmarkAffected$", "-test.cpu=1", "-test.benchtime=200ms"}
	if b.quick {
		args = append(args[:1], "-test.bench=^BenchmarkAffected$/^cities$", "-test.cpu=1", "-test.benchtime=20x")
	}
	said, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run the benchmarks: %w: %s", err, said)
	}
	for _, m := range matchLine.FindAllStringSubmatch(string(said), -1) {
		cost, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return err
		}
		f := families[m[1]]
		if f == nil {
			f = &pairs{}
			families[m[1]] = f
		}
		if m[2] == "100k" {
			f.ours = append(f.ours, cost)
		} else {
			f.theirs = append(f.theirs, cost)
		}
	}
	return nil
}

// matchRows reports the worst of the loads, and names all.
func (b *bench) matchRows(families map[string]*pairs) {
	var names []string
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	rate := func(name string) sample {
		var s sample
		for _, cost := range families[name].ours {
			s = append(s, 1e9/cost)
		}
		return s
	}
	slowest, steepest := names[0], names[0]
	rates, growths := "", ""
	for _, name := range names {
		if rate(name).median() < rate(slowest).median() {
			slowest = name
		}
		if families[name].ratio().median() > families[steepest].ratio().median() {
			steepest = name
		}
		rates += fmt.Sprintf(" %s %.0f/s", name, rate(name).median())
		growths += fmt.Sprintf(" %s %.2f", name, families[name].ratio().median())
	}
	b.add("matching against 100,000 live queries, one core", perSecond, rate(slowest), atLeast(50_000), "the slowest load of%s", rates)
	b.add("matching, cost of a change at 100,000 / at 1,000", ratio, families[steepest].ratio(), atMost(2), "the steepest load of%s", growths)
}
