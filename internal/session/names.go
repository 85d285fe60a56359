package session

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// lookupPatience is how long the name of one server may take while those of others are found.
const lookupPatience = 300 * time.Millisecond

// GiveUpSlowNames keeps a name that nobody resolves from holding up a connection to be made. An
// address may name several servers, whose names the driver looks up one after the other; a name
// server that does not answer takes some ten seconds. A name that takes longer than lookupPatience
// is given up if another one of the address is found: the driver goes on with that. If none is
// found, as with a slow name server, all are waited for.
func GiveUpSlowNames(config *pgx.ConnConfig) {
	hosts := []string{config.Host}
	for _, f := range config.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	slices.Sort(hosts)
	n := names{lookup: config.LookupFunc, hosts: slices.Compact(hosts)}
	if len(n.hosts) > 1 {
		config.LookupFunc = n.addresses
	}
}

// names are those of an address, and how they are looked up.
type names struct {
	lookup func(context.Context, string) ([]string, error)
	hosts  []string
}

type found struct {
	addresses []string
	err       error
}

// addresses looks up one name.
func (n names) addresses(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	own := make(chan found, 1)
	go func() {
		addresses, err := n.lookup(ctx, host)
		own <- found{addresses, err}
	}()
	patience := time.NewTimer(lookupPatience)
	defer patience.Stop()
	select {
	case f := <-own:
		return f.addresses, f.err
	case <-patience.C:
	}
	select {
	case f := <-own:
		return f.addresses, f.err
	case other := <-n.another(ctx, host):
		return nil, fmt.Errorf("look up %s: given up after %v, since %s is found", host, lookupPatience, other)
	}
}

// another sends each other name that is found. A socket in the file system needs no look-up.
func (n names) another(ctx context.Context, host string) <-chan string {
	others := make(chan string, len(n.hosts))
	for _, other := range n.hosts {
		if other == host {
			continue
		}
		go func() {
			if filepath.IsAbs(other) {
				others <- other
			} else if _, err := n.lookup(ctx, other); err == nil {
				others <- other
			}
		}()
	}
	return others
}
