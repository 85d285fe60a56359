package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
)

// errUsage says that a command line is wrong.
var errUsage = errors.New("wrong command line")

// exitCode is 2 for a wrong command line and 1 for all else that fails.
func exitCode(err error) int {
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

const describeUsage = `usage: api describe RELATION [RELATION ...]

Prints a first description of tables that exist, for listings.yaml: what each column is
likely to be for. A RELATION is spelled as in SQL: public.homes, homes, '"Homes"'.
`

// describe prints a draft of a description for tables that exist.
func describe(ctx context.Context, args []string, getenv config.Getenv, stdout io.Writer) error {
	if len(args) == 1 && slices.Contains([]string{"-h", "--help", "help"}, args[0]) {
		_, err := io.WriteString(stdout, describeUsage)
		return err
	}
	names, err := relationNames(args)
	if err != nil {
		return err
	}
	c, err := config.LoadDatabase(getenv)
	if err != nil {
		return err
	}
	conn, err := session.For("freshlist-describe").Connect(ctx, c.URL.Reveal())
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	catalog, err := schema.ReadCatalog(ctx, conn, names)
	if err != nil {
		return err
	}
	draft, faults := description.Draft(catalog, names)
	if len(faults) > 0 {
		return fmt.Errorf("these tables cannot be described\n\n%w", faults)
	}
	_, err = io.WriteString(stdout, draft)
	return err
}

// relationNames reads the names of a command line.
func relationNames(args []string) (names []description.RelationName, err error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("%w: name at least one table\n%s", errUsage, describeUsage)
	}
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			return nil, fmt.Errorf("%w: describe has no option %s\n%s", errUsage, arg, describeUsage)
		}
		name, err := description.ParseRelation(arg)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is not the name of a table: %v; write it as SQL does: public.homes, or '\"Homes\"'", errUsage, arg, err)
		}
		names = append(names, name)
	}
	return names, nil
}
