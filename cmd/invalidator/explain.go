package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/probe"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
)

func explainCommand(getenv config.Getenv, stdout io.Writer) *cobra.Command {
	var sql string
	var spared int
	c := &cobra.Command{
		Use: "explain URL | --sql STATEMENT", Short: "Say what is cached and why, or what a statement would purge",
		Long: "With an address: whether its answer is cached, since when and for how long, how far its page reaches,\n" +
			"and what would purge it. With --sql: runs one statement in a transaction that is rolled back, and says\n" +
			"what its commit would purge of what is live now, what it would spare, and why. DATABASE_URL must then\n" +
			"be that of the tables' owner. Statements that cannot be rolled back are refused. The leader is asked, which\n" +
			"knows what is live, if it is the invalidator at INVALIDATOR_ADDR; set DASHBOARD_TOKEN if it has one. Else all\n" +
			"registrations are read from Redis, which takes long where there are very many.",
		Example: "  invalidator explain '/v1/properties?city=FOLSOM&sort=price'\n" +
			"  invalidator explain http://127.0.0.1:8080/properties/17\n" +
			"  invalidator explain --sql 'UPDATE properties SET price = price + 1 WHERE id = 17'",
		Args: cli.Arguments(0, 1, "one address"),
	}
	format := cli.Output(c, cli.Text)
	c.Flags().StringVar(&sql, "sql", "", "run this `statement`, and roll it back")
	c.Flags().IntVar(&spared, "spared", 10, "name up to `N` of the queries that --sql spares")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		bySQL := cmd.Flags().Changed("sql")
		switch {
		case bySQL == (len(args) == 1):
			return cli.WrongUsage(cmd, "explain takes an address or --sql, one of them")
		case spared < 0:
			return cli.WrongUsage(cmd, "--spared must be 0 or more, not %d", spared)
		}
		return withSite(cmd.Context(), getenv, func(conn *pgx.Conn, site *listing.Site, cache explain.Cache) error {
			if bySQL {
				return explainSQL(cmd.Context(), conn, site, sql, spared, *format, stdout, leaderOf(getenv), explain.Registrations(cache))
			}
			return explainURL(cmd.Context(), site, cache, args[0], *format, stdout)
		})
	}
	return c
}

// withSite calls do with a connection to PostgreSQL, the description that is installed there, and
// the cache.
func withSite(ctx context.Context, getenv config.Getenv, do func(*pgx.Conn, *listing.Site, explain.Cache) error) error {
	return withCache(getenv, func(c config.Invalidator, cache explain.Cache) error {
		conn, err := session.For("freshlist-explain").Connect(ctx, c.DatabaseURL.Reveal())
		if err != nil {
			return fmt.Errorf("connect to PostgreSQL: %w; see DATABASE_URL", err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		described, err := schema.ReadDescription(ctx, conn)
		if err != nil {
			return err
		}
		return do(conn, listing.NewSite(described), cache)
	})
}

// withCache calls do with the cache in Redis.
func withCache(getenv config.Getenv, do func(config.Invalidator, explain.Cache) error) error {
	c, err := config.LoadInvalidator(getenv)
	if err != nil {
		return err
	}
	err = onRedis(c, func(rdb redis.UniversalClient) error { return do(c, explain.Cache{Redis: rdb, Space: spaceOf(c)}) })
	if err != nil && rediscache.Unreachable(err) {
		err = fmt.Errorf("%w; see REDIS_URL, or run: invalidator doctor", err)
	}
	return err
}

func explainURL(ctx context.Context, site *listing.Site, cache explain.Cache, address string, format cli.Format, out io.Writer) error {
	a, err := explain.URL(ctx, site, cache, address)
	if err != nil {
		return err
	}
	if format == cli.JSON {
		return cli.PrintJSON(out, a)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "query     %s\n", a.Query)
	fmt.Fprintf(&b, "cached    %s\n", a.InWords())
	for _, v := range a.Values {
		since := ""
		if v.Since != nil {
			since = fmt.Sprintf(", since %s (%s ago)", v.Since.Format(time.RFC3339), time.Since(*v.Since).Round(time.Second))
		}
		note := ""
		if !v.Valid {
			note = ", void: of an epoch that is over"
		}
		name := v.Level
		if v.Name != v.Level {
			name += " " + v.Name
		}
		fmt.Fprintf(&b, "          %s, %d bytes%s, for %s more%s\n", name, v.Bytes, since, seconds(v.TTL), note)
	}
	live := "no: no change is matched against it"
	if a.Live {
		live = "yes"
	}
	if a.Filling {
		live += ", being filled now"
	}
	fmt.Fprintf(&b, "live      %s\n", live)
	if a.Window != "" {
		fmt.Fprintf(&b, "reaches   %s\n", a.Window)
	}
	if a.BeatAge != nil {
		fmt.Fprintf(&b, "proof     of freshness, %s old\n", seconds(*a.BeatAge))
	} else {
		b.WriteString("proof     none: nothing is served from the cache; run: invalidator doctor\n")
	}
	fmt.Fprintf(&b, "l1        %s\n", a.InProcess)
	b.WriteString("it is purged by\n")
	for _, cause := range a.PurgedBy {
		fmt.Fprintf(&b, "          %s\n", cause)
	}
	_, err = io.WriteString(out, b.String())
	return err
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}

// leaderOf returns a judge that asks the leader, if that is the invalidator at INVALIDATOR_ADDR.
func leaderOf(getenv config.Getenv) explain.Judge {
	return func(ctx context.Context, _ *listing.Site, q explain.Question) (v explain.Verdict, err error) {
		c, err := config.LoadInvalidator(getenv)
		if err != nil {
			return v, err
		}
		ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
		defer cancel()
		token, _, _ := strings.Cut(c.Dashboard.Token.Reveal(), ",")
		if err := probe.Post(ctx, c.Addr, explain.QuestionPath, token, q, &v); err != nil {
			return v, fmt.Errorf("no leader answers at INVALIDATOR_ADDR (%w)", err)
		}
		return v, nil
	}
}

// leaderTimeout is more than a leader takes that has the index at hand.
const leaderTimeout = 5 * time.Second

func explainSQL(
	ctx context.Context, conn *pgx.Conn, site *listing.Site, sql string, spared int, format cli.Format, out io.Writer, judges ...explain.Judge,
) error {
	s, err := explain.SQL(ctx, conn, site, sql, spared, judges...)
	if err != nil {
		return err
	}
	if format == cli.JSON {
		return cli.PrintJSON(out, s)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d rows, rolled back; of %d live queries %d would be purged, %d spared (%s)\n",
		s.Rows, s.Live, s.Purged, s.Spared, seconds(s.Took))
	for _, c := range s.Changes {
		fmt.Fprintf(&b, "  %s\n", changeInWords(c.Table, c.Kind, c.Key, c.Columns))
	}
	if s.More > 0 {
		fmt.Fprintf(&b, "  and %d more changes\n", s.More)
	}
	writeQueries(&b, s.Queries)
	if left := s.Spared - len(s.Queries) + s.Purged; left > 0 {
		reasons := make([]string, 0, len(s.Because))
		for rule, n := range s.Because {
			reasons = append(reasons, fmt.Sprintf("%s %d", rule, n))
		}
		slices.Sort(reasons)
		fmt.Fprintf(&b, "all spared: %s\n", strings.Join(reasons, ", "))
	}
	for _, note := range s.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// changeInWords says what changed: "update properties 17: price, city".
func changeInWords(table, kind string, key *string, columns []string) string {
	words := kind + " " + table
	if key != nil {
		words += " " + *key
	}
	if len(columns) > 0 {
		words += ": " + strings.Join(columns, ", ")
	}
	return words
}

// writeQueries writes a line for each query: whether it goes, and why.
func writeQueries(b *strings.Builder, queries []activity.Query) {
	for _, q := range queries {
		word := "spared"
		if q.Purged {
			word = "purged"
		}
		fmt.Fprintf(b, "%s  %s\n        %s\n", word, q.Query, q.Why)
	}
}
