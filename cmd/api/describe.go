package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
)

func describeCommand(getenv config.Getenv, stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "describe RELATION...", Short: "Print a first description of tables that exist",
		Long: "Prints a first description of tables that exist, for listings.yaml: what each column is\n" +
			"likely to be for. A RELATION is spelled as in SQL: public.homes, homes, '\"Homes\"'.",
		Example: "  api describe public.homes public.agents > listings.yaml",
		Args:    cli.Arguments(1, cli.Any, "the name of at least one table"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var names []description.RelationName
			for _, arg := range args {
				name, err := description.ParseRelation(arg)
				if err != nil {
					return cli.WrongUsage(cmd, "%q is not the name of a table: %w; write it as SQL does: public.homes, or '\"Homes\"'", arg, err)
				}
				names = append(names, name)
			}
			return describe(cmd.Context(), names, getenv, stdout)
		},
	}
}

// describe prints a draft of a description for tables that exist.
func describe(ctx context.Context, names []description.RelationName, getenv config.Getenv, stdout io.Writer) error {
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
