package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/probe"
)

func tailCommand(getenv config.Getenv, stdout io.Writer) *cobra.Command {
	var why bool
	c := &cobra.Command{
		Use: "tail", Short: "Print a line for each change as it is purged, until Ctrl-C",
		Long: "Prints a line for each committed change when all that it made stale has been purged, as the invalidator at\n" +
			"INVALIDATOR_ADDR says it: table, key, columns, how many queries went and how many stayed, how long it took.\n" +
			"With -o json it is a JSON object a line.",
		Example: "  invalidator tail --why\n  invalidator tail -o json | jq .purged",
		Args:    cli.Arguments(0, 0, ""),
	}
	format := cli.Output(c, cli.Text)
	c.Flags().BoolVar(&why, "why", false, "also print some queries, and why they went or stayed")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return eachEvent(cmd.Context(), getenv, func(name string, data []byte) error {
			line, err := tailLine(name, data, *format, why)
			if err == nil && line != "" {
				_, err = io.WriteString(stdout, line)
			}
			return err
		})
	}
	return c
}

// tailLine is what tail prints of an event; "" if nothing.
func tailLine(name string, data []byte, format cli.Format, why bool) (line string, err error) {
	if format == cli.JSON {
		if name == activity.EventHello {
			return "", nil
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(data, &fields); err != nil {
			return "", fmt.Errorf("read an event: %w", err)
		}
		fields["event"], _ = json.Marshal(name) // a string never fails
		b, err := json.Marshal(fields)
		return string(b) + "\n", err
	}
	var e struct {
		activity.Change
		Role   string `json:"role"`
		Epoch  string `json:"epoch"`
		Reason string `json:"reason"`
		More   int    `json:"changes"`
		Events int    `json:"events"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return "", fmt.Errorf("read an event: %w", err)
	}
	switch name {
	case activity.EventHello:
		if e.Role != "leader" {
			return "this invalidator does not lead (" + e.Role + "): nothing is purged here until it does\n", nil
		}
		return "", nil
	case activity.EventOmitted:
		return fmt.Sprintf("and %d more changes\n", e.More), nil
	case activity.EventDropped:
		return fmt.Sprintf("(%d events were lost: this end reads too slowly)\n", e.Events), nil
	case activity.EventEpoch:
		return fmt.Sprintf("%s  new epoch: the whole cache is empty (%s)\n", clock(e.At), e.Reason), nil
	case activity.EventChange:
	default:
		return "", nil // of a newer invalidator
	}
	took := fmt.Sprintf("%s after it was heard of", milliseconds(e.Delay))
	if e.CommitToPurge != nil {
		took = fmt.Sprintf("%s after the commit", milliseconds(*e.CommitToPurge))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  purged %d, spared %d, %s\n", clock(e.At),
		changeInWords(e.Table, e.Kind, e.Key, e.Columns), e.Purged, e.Spared, took)
	if why {
		writeQueries(&b, e.Queries)
	}
	return b.String(), nil
}

func clock(at time.Time) string { return at.Local().Format("15:04:05.000") }

func milliseconds(seconds float64) string { return fmt.Sprintf("%.1f ms", 1000*seconds) }

// eachEvent calls visit with the events of the invalidator at INVALIDATOR_ADDR, until ctx is done
// or it returns an error.
func eachEvent(ctx context.Context, getenv config.Getenv, visit func(name string, data []byte) error) error {
	addr, err := config.LoadInvalidatorAddr(getenv)
	if err != nil {
		return err
	}
	body, err := probe.Stream(ctx, addr, "/events")
	if err != nil {
		return notRunning(err)
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	name := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			if err := visit(name, []byte(value)); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(errors.New("the invalidator has ended the stream"), lines.Err())
}
