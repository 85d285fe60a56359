// Package redisurl reads the address of the Redis of a deployment:
//
//	redis://[user:password@]host[:port][/db]                   one server
//	redis+sentinel://[user:password@]s1[:port],s2,s3/NAME[/db] the master that sentinels name
//	redis+cluster://[user:password@]n1[:port],n2[,...]         a cluster, by some of its nodes
//
// rediss instead of redis: over TLS. It makes no connection.
//
// An address may hold a password, and one that is misspelt may hold it anywhere. So no error
// shows any of its text: an error says which part is wrong, and what is expected there.
package redisurl

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Kind is what an address leads to.
type Kind uint8

// The kinds.
const (
	Single   Kind = iota // one server
	Sentinel             // the master that sentinels name
	Cluster              // the masters of a cluster
)

// Address is an address, read.
type Address struct {
	Kind           Kind
	TLS            bool
	User, Password string
	Hosts          []string // host:port; the sentinels, or some nodes of the cluster
	Master         string   // the name that the sentinels know the master by
	DB             int

	SentinelUser, SentinelPassword string // what the sentinels themselves ask for

	SkipVerify bool // TLS without a look at the server's certificate
	Protocol   int  // 0 (the newest), 2 or 3
}

// Example is an address of each kind, for hints.
const Example = "redis://:password@127.0.0.1:6379/0, redis+sentinel://s1:26379,s2:26379,s3:26379/NAME, redis+cluster://n1:6379,n2:6379, or rediss for TLS"

const escape = " (in a password write %40 for @, %2F for /, %3F for ?, %23 for #, %25 for %)"

// schemes are what an address may begin with.
var schemes = map[string]Address{
	"redis": {}, "rediss": {TLS: true}, "unix": {},
	"redis+sentinel": {Kind: Sentinel}, "rediss+sentinel": {Kind: Sentinel, TLS: true},
	"redis+cluster": {Kind: Cluster}, "rediss+cluster": {Kind: Cluster, TLS: true},
}

// Parse reads an address. Of one of a single server it reads no more than is checked here:
// the client has an own reader for those, with more parameters.
func Parse(text string) (Address, error) {
	scheme, rest, found := strings.Cut(text, "://")
	a, known := schemes[scheme]
	if !found || !known {
		return Address{}, errors.New("does not begin with redis://, redis+sentinel:// or redis+cluster://, each also with rediss")
	}
	rest, query, _ := strings.Cut(rest, "?")
	if strings.Contains(rest, "#") || strings.Contains(query, "#") {
		return Address{}, errors.New("holds a #" + escape)
	}
	authority, path, _ := strings.Cut(rest, "/")
	hosts, err := a.readUser(authority)
	if err != nil {
		return Address{}, err
	}
	if scheme == "unix" {
		if path == "" {
			return Address{}, errors.New("names no socket; write unix:///path/of/the/socket")
		}
		return a, nil
	}
	if strings.Contains(path, "@") {
		return Address{}, errors.New("has an @ behind the hosts" + escape)
	}
	if err := a.readHosts(hosts); err != nil {
		return Address{}, err
	}
	if err := a.readPath(path); err != nil {
		return Address{}, err
	}
	return a, a.readParameters(query)
}

// readUser reads what stands before the hosts, and returns the hosts.
func (a *Address) readUser(authority string) (hosts string, err error) {
	at := strings.LastIndex(authority, "@")
	if at < 0 {
		return authority, nil
	}
	user, password, _ := strings.Cut(authority[:at], ":")
	var err1, err2 error
	a.User, err1 = url.PathUnescape(user)
	a.Password, err2 = url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return "", errors.New("has a user or password with a % that begins no escape; write %25 for %")
	}
	return authority[at+1:], nil
}

func (a *Address) readHosts(text string) error {
	port := "6379"
	if a.Kind == Sentinel {
		port = "26379"
	}
	hosts := strings.Split(text, ",")
	switch {
	case a.Kind == Single && len(hosts) > 1:
		return errors.New("names several hosts; write redis+cluster:// for nodes of a cluster, redis+sentinel:// for sentinels")
	case a.Kind == Single && text == "":
		return nil // the client has a default
	}
	for i, host := range hosts {
		full, err := withPort(host, port, a.Kind == Single)
		if err != nil {
			return fmt.Errorf("has a host (number %d of %d) %w", i+1, len(hosts), err)
		}
		a.Hosts = append(a.Hosts, full)
	}
	return nil
}

// withPort returns host:port.
func withPort(host, port string, mayBeEmpty bool) (string, error) {
	name := host
	if h, p, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "", errors.New("whose port is no number from 1 to 65535" + escape)
		}
		name, port = h, p
	} else if bare, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(bare, "]") {
		name = strings.TrimSuffix(bare, "]")
	} else if strings.Contains(host, ":") {
		return "", errors.New("that is no host:port; write an IPv6 address as [::1]:6379")
	}
	switch {
	case name == "" && !mayBeEmpty:
		return "", errors.New("that is empty; write host:port,host:port")
	case strings.ContainsAny(name, " \t\r\n@/%"):
		return "", errors.New("with a character that no host's name has" + escape)
	}
	return net.JoinHostPort(name, port), nil
}

// readPath reads what stands behind the hosts.
func (a *Address) readPath(path string) error {
	path = strings.TrimSuffix(path, "/")
	db := path
	switch a.Kind {
	case Cluster:
		if db != "" && db != "0" {
			return errors.New("names a database; a cluster has only number 0, so leave it out")
		}
		return nil
	case Sentinel:
		name, rest, _ := strings.Cut(path, "/")
		master, err := url.PathUnescape(name)
		if err != nil || master == "" {
			return errors.New("does not say which master the sentinels are asked for; write its name behind the hosts: /NAME, or /NAME/DB")
		}
		a.Master, db = master, rest
	}
	if db == "" {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil {
		return errors.New("has a database that is no number; write it behind the last /, such as /0" + escape)
	}
	a.DB = int(n)
	return nil
}

// readParameters reads what stands behind the question mark.
func (a *Address) readParameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("has parameters behind the ? that cannot be read" + escape)
	}
	if a.Kind == Single {
		if values.Has("master_name") || values.Has("addr") {
			return errors.New("has the parameter master_name or addr; write redis+sentinel://s1,s2,s3/NAME for sentinels, redis+cluster://n1,n2 for a cluster")
		}
		return nil
	}
	known := []string{"skip_verify", "protocol"}
	if a.Kind == Sentinel {
		known = append(known, "sentinel_username", "sentinel_password")
	}
	for name, all := range values {
		if !slices.Contains(known, name) || len(all) != 1 {
			return errors.New("has a parameter behind the ? that is not known or stands twice; known are " + strings.Join(known, ", "))
		}
	}
	a.SentinelUser, a.SentinelPassword = values.Get("sentinel_username"), values.Get("sentinel_password")
	if text := values.Get("skip_verify"); text != "" {
		if a.SkipVerify, err = strconv.ParseBool(text); err != nil {
			return errors.New("has a parameter skip_verify that is neither true nor false")
		}
	}
	switch values.Get("protocol") {
	case "":
	case "2", "3":
		a.Protocol, _ = strconv.Atoi(values.Get("protocol"))
	default:
		return errors.New("has a parameter protocol that is neither 2 nor 3")
	}
	return nil
}
