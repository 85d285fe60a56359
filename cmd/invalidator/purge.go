package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// purged is what the command purge has done.
type purged struct {
	Removed int    `json:"removed"` // queries of which something was cached in Redis
	Query   string `json:"query,omitempty"`
	Table   string `json:"table,omitempty"`
}

func purgeCommand(getenv config.Getenv, stdout, stderr io.Writer) *cobra.Command {
	var table string
	var all bool
	c := &cobra.Command{
		Use: "purge URL | --table NAME | --all", Short: "Remove answers from the cache, everywhere",
		Long: "Removes what is cached of one address, of a table or of all: from Redis, and from the caches inside the\n" +
			"API processes. Nothing is stale without it; it is for what freshlist cannot see, and for trials. It needs\n" +
			"no invalidator, and leaves the proof of freshness as it is.",
		Example: "  invalidator purge '/v1/properties?city=FOLSOM'\n  invalidator purge --table properties\n  invalidator purge --all -o json",
		Args:    cli.Arguments(0, 1, "one address"),
	}
	format := cli.Output(c, cli.Text)
	c.Flags().StringVar(&table, "table", "", "remove all answers of the table with this `name` in addresses")
	c.Flags().BoolVar(&all, "all", false, "remove everything")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		given := len(args)
		for _, flag := range []string{"table", "all"} {
			if cmd.Flags().Changed(flag) {
				given++
			}
		}
		if given != 1 {
			return cli.WrongUsage(cmd, "purge takes an address, --table NAME or --all, one of them")
		}
		done, err := purge(cmd.Context(), getenv, args, table, cli.NewProgress(stderr, "looking at live queries"))
		if err != nil {
			return err
		}
		if *format == cli.JSON {
			return cli.PrintJSON(stdout, done)
		}
		_, err = fmt.Fprintf(stdout, "%d queries removed from Redis; in-process caches were told\n", done.Removed)
		return err
	}
	return c
}

// purge removes what an address, or else a table, or else anything has cached.
func purge(ctx context.Context, getenv config.Getenv, address []string, table string, progress *cli.Progress) (done purged, err error) {
	defer progress.Done()
	if len(address) == 0 && table == "" {
		err = withCache(getenv, func(_ config.Invalidator, cache explain.Cache) (err error) {
			done.Removed, err = rediscache.NewRemover(cache.Redis, cache.Space).RemoveAll(ctx, func(string) bool { return true }, progress.Show)
			return err
		})
		return done, err
	}
	err = withSite(ctx, getenv, func(_ *pgx.Conn, site *listing.Site, cache explain.Cache) (err error) {
		remover := rediscache.NewRemover(cache.Redis, cache.Space)
		if len(address) == 1 {
			q, _, err := site.ParseAddress(address[0])
			if err != nil {
				return err
			}
			done.Query = q.String()
			done.Removed, err = remover.Remove(ctx, done.Query)
			return err
		}
		if site.Table(table) == nil {
			return fmt.Errorf("there is no table %q; it is one of %s", table, strings.Join(site.TableNames(), ", "))
		}
		done.Table = table
		done.Removed, err = remover.RemoveAll(ctx, func(query string) bool { return tableOf(query) == table }, progress.Show)
		return err
	})
	return done, err
}

// tableOf returns the name of the table that a canonical text asks for.
func tableOf(query string) string {
	if end := strings.IndexAny(query, "/?"); end >= 0 {
		return query[:end]
	}
	return query
}
