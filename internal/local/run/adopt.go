package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// adopt makes sure that the database at url, which the environment names, is meant: run would
// change it. Whoever sits at a terminal types its name; others set FRESHLIST_ADOPT.
func adopt(url, adopted string, terminal io.Reader, out io.Writer) error {
	if adopted == "1" {
		return nil
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("read DATABASE_URL: %w", err)
	}
	what := fmt.Sprintf("DATABASE_URL names the database %s at %s, used as %s; make run would migrate it, install triggers and load sample listings",
		config.Database, net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), config.User)
	if terminal == nil {
		return errors.New(what + "\nset FRESHLIST_ADOPT=1 if it should, or unset DATABASE_URL for a private database")
	}
	fmt.Fprintf(out, "%s.\nType the name of the database to go on: ", what)
	name, err := bufio.NewReader(terminal).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if config.Database == "" || strings.TrimSpace(name) != config.Database {
		return errors.New("the database is left alone; unset DATABASE_URL for a private one")
	}
	return nil
}
