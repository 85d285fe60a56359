package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

func (e *environment) dashboard() Dashboard {
	return Dashboard{
		DatabaseURL: e.statementsURL("DASHBOARD_DATABASE_URL"),
		Token:       e.tokens("DASHBOARD_TOKEN"),
		Hosts:       e.hosts("DASHBOARD_HOSTS"),
		TrialURL:    e.loopbackURL("DASHBOARD_TRIAL_URL"),
	}
}

// statementsURL reads another address of PostgreSQL, which need not be there.
func (e *environment) statementsURL(name string) Secret {
	value, from := e.secret(name)
	if value == "" {
		return ""
	}
	if u, err := url.Parse(value); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" && u.Path == "" {
		e.fault(from, "is not an address that begins with postgres:// or postgresql://",
			"for example "+name+"=postgres://freshlist_owner:password@127.0.0.1:5432/freshlist (write %40 for an @ in the password)")
		return ""
	}
	return Secret(value)
}

var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// hosts reads names of hosts, with commas between.
func (e *environment) hosts(name string) string {
	hosts := e.list(name)
	for i := range hosts {
		hosts[i] = strings.ToLower(hosts[i])
		if !hostname.MatchString(hosts[i]) {
			e.fault(name, fmt.Sprintf("holds %q, which is no name of a host", hosts[i]), "set it to names with commas between and without ports, such as freshlist.example.org")
			return ""
		}
	}
	return strings.Join(hosts, ",")
}

// loopbackURL reads the address of a page on this machine.
func (e *environment) loopbackURL(name string) string {
	value, ok := e.get(name)
	if !ok {
		return ""
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" || u.User != nil || net.ParseIP(u.Hostname()) == nil || !net.ParseIP(u.Hostname()).IsLoopback() || value != "http://"+u.Host {
		e.fault(name, fmt.Sprintf("is %q", value), "leave it to make run, which sets it to an address on loopback such as http://127.0.0.1:8082")
		return ""
	}
	return value
}
