package config

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/redisurl"
)

// Fault is one variable that is missing or wrong.
type Fault struct {
	Name   string // the variable
	Detail string // what is wrong; never the value of a secret
	Hint   string // what would be right
}

// Faults is everything that is wrong with a configuration.
type Faults []Fault

// Error tells all faults, one a line.
func (f Faults) Error() string {
	var b strings.Builder
	b.WriteString("invalid configuration:")
	for _, fault := range f {
		fmt.Fprintf(&b, "\n  %s %s; %s", fault.Name, fault.Detail, fault.Hint)
	}
	return b.String()
}

// environment reads variables and gathers the faults in them.
type environment struct {
	getenv Getenv
	faults Faults
}

// err returns the faults, or nil if there are none.
func (e *environment) err() error {
	if len(e.faults) == 0 {
		return nil
	}
	return e.faults
}

func (e *environment) fault(name, detail, hint string) {
	e.faults = append(e.faults, Fault{Name: name, Detail: detail, Hint: hint})
}

// get returns the value of a variable, and whether it is set.
func (e *environment) get(name string) (string, bool) {
	value := e.getenv(name)
	return value, value != ""
}

func (e *environment) oneOf(name, fallback string, words ...string) string {
	value, ok := e.get(name)
	if !ok {
		return fallback
	}
	if !slices.Contains(words, value) {
		e.fault(name, fmt.Sprintf("is %q", value), "set it to "+strings.Join(words, " or "))
		return fallback
	}
	return value
}

func (e *environment) integer(name string, fallback, least, most int) int {
	value, ok := e.get(name)
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		e.fault(name, fmt.Sprintf("is %q", value), fmt.Sprintf("set it to a whole number from %d to %d", least, most))
		return fallback
	}
	return n
}

func (e *environment) duration(name string, fallback, least, most time.Duration) time.Duration {
	value, ok := e.get(name)
	if !ok {
		return fallback
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > most {
		e.fault(name, fmt.Sprintf("is %q", value),
			fmt.Sprintf("set it to a duration from %v to %v, such as %v", least, most, fallback))
		return fallback
	}
	return d
}

var size = regexp.MustCompile(`^([0-9]{1,12})(|B|KiB|MiB|GiB)$`)

// bytes reads a size; the fallback is written as a value would be.
func (e *environment) bytes(name, fallback string) int64 {
	value, ok := e.get(name)
	if !ok {
		value = fallback
	}
	m := size.FindStringSubmatch(value)
	if m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		unit := map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[m[2]]
		if err == nil && n <= math.MaxInt64/unit {
			return n * unit
		}
	}
	e.fault(name, fmt.Sprintf("is %q", value), "set it to a number of bytes, also in KiB, MiB or GiB, such as "+fallback)
	return 0
}

// addr reads an address to listen on.
func (e *environment) addr(name, fallback string) string {
	value, ok := e.get(name)
	if !ok {
		return fallback
	}
	_, port, err := net.SplitHostPort(value)
	if _, err2 := strconv.ParseUint(port, 10, 16); err != nil || err2 != nil {
		e.fault(name, fmt.Sprintf("is %q", value), "set it to host:port, such as "+fallback)
		return fallback
	}
	return value
}

var prefix = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// prefix reads the first word of Redis names. Braces would move the part of a key
// that decides its slot; blanks and stars cannot be written in an ACL.
func (e *environment) prefix(name, fallback string) string {
	value, ok := e.get(name)
	if !ok {
		return fallback
	}
	if !prefix.MatchString(value) {
		e.fault(name, fmt.Sprintf("is %q", value), "use 1 to 64 letters, digits, '_', '-', '.' or ':'")
		return fallback
	}
	return value
}

// secret returns the value of a variable that may also be given as a file, by the name and
// "_FILE", and the name of the one that is set. A fault has been reported if that is "".
func (e *environment) secret(name string) (value, from string) {
	value, direct := e.get(name)
	path, byFile := e.get(name + "_FILE")
	switch {
	case direct && byFile:
		e.fault(name, "and "+name+"_FILE are both set", "unset one of them")
		return "", ""
	case !byFile:
		return value, name
	}
	name += "_FILE"
	content, ok := e.file(name)
	if !ok {
		return "", ""
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		e.fault(name, "names an empty file: "+path, "write the value to it, or unset it")
		return "", ""
	}
	return value, name
}

// requiredSecret is secret for what has no default.
func (e *environment) requiredSecret(name, example string) (value, from string) {
	value, from = e.secret(name)
	if from == name && value == "" {
		e.fault(name, "is not set", "for example "+name+"="+example+", or "+name+"_FILE with a file that holds it")
		return "", ""
	}
	return value, from
}

// withPassword puts the password of a variable of its own, such as REDIS_PASSWORD, into an
// address, so that nobody has to escape one. from is the variable of the address.
func (e *environment) withPassword(address, from, name string) string {
	password, by := e.secret(name)
	if password == "" {
		return address
	}
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return address // which will be refused
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	user, hosts, named := strings.Cut(rest[:end], "@")
	switch {
	case !named:
		user, hosts = "", rest[:end]
	case strings.Contains(user, ":"):
		e.fault(by, "is set, and "+from+" holds a password, too", "leave one of them out")
		return address
	}
	return scheme + "://" + user + url.UserPassword("", password).String() + "@" + hosts + rest[end:]
}

// databaseURL reads the address of PostgreSQL. It may hold a password, so no fault shows it.
func (e *environment) databaseURL() Secret {
	const example = "postgres://freshlist_api:password@127.0.0.1:5432/freshlist"
	value, from := e.requiredSecret("DATABASE_URL", example)
	if from == "" {
		return ""
	}
	return e.postgres(e.withPassword(value, from, "DATABASE_PASSWORD"), from, "DATABASE_URL="+example)
}

// databaseReadURL reads the address of standbys, with the password of DATABASE_URL if it has none.
func (e *environment) databaseReadURL() Secret {
	const example = "postgres://freshlist_api@a,b/freshlist?target_session_attrs=standby"
	value, from := e.secret("DATABASE_READ_URL")
	if value == "" {
		return ""
	}
	return e.postgres(e.withPassword(value, from, "DATABASE_PASSWORD"), from, "DATABASE_READ_URL="+example)
}

// postgres checks an address of PostgreSQL.
func (e *environment) postgres(value, from, example string) Secret {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" && u.Path == "" {
		e.fault(from, "is not an address that begins with postgres:// or postgresql://",
			"for example "+example+" (write %40 for an @ in the password, or set DATABASE_PASSWORD to it as it is)")
		return ""
	}
	return Secret(value)
}

// redisURL reads the address of Redis, likewise.
func (e *environment) redisURL() (Secret, redisurl.Address) {
	value, from := e.requiredSecret("REDIS_URL", "redis://:password@127.0.0.1:6379/0")
	if from == "" {
		return "", redisurl.Address{TLS: true} // nobody knows: no further fault comes of it
	}
	value = e.withPassword(value, from, "REDIS_PASSWORD")
	address, err := redisurl.Parse(value)
	if err != nil {
		e.fault(from, err.Error(), "for example "+redisurl.Example)
		return "", redisurl.Address{TLS: true}
	}
	return Secret(value), address
}

var visible = regexp.MustCompile(`^[!-~]+$`)

// The lengths of a token, in bytes, and how many there may be at once.
const (
	minToken  = 16 // below that it could be guessed
	maxTokens = 2
)

// tokens reads bearer tokens, which a header must be able to carry. Two at once let clients change
// from one to the other.
func (e *environment) tokens(name string) Secret {
	const hint = "make one with: openssl rand -hex 32"
	value, from := e.secret(name)
	if value == "" {
		return ""
	}
	tokens := strings.Split(value, ",")
	for _, token := range tokens {
		switch {
		case token != "" && !visible.MatchString(token):
			e.fault(from, "holds blanks or characters outside ASCII", hint)
			return ""
		case len(token) < minToken:
			e.fault(from, fmt.Sprintf("has a token of %d characters", len(token)), fmt.Sprintf("use at least %d; %s", minToken, hint))
			return ""
		}
	}
	if len(tokens) > maxTokens {
		e.fault(from, fmt.Sprintf("has %d tokens", len(tokens)), "give one, or while clients change over two with a comma between: the new and the old one")
		return ""
	}
	return Secret(value)
}

// optionalAddr is addr for what need not be there.
func (e *environment) optionalAddr(name, example string) string {
	if _, ok := e.get(name); !ok {
		return ""
	}
	return e.addr(name, example)
}

// tracesURL reads OpenTelemetry's own variables: traces are made where a collector is named, unless
// they are switched off.
func (e *environment) tracesURL() string {
	disabled, _ := e.get("OTEL_SDK_DISABLED")
	exporter, _ := e.get("OTEL_TRACES_EXPORTER")
	name := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	value, ok := e.get(name)
	if general, set := e.get("OTEL_EXPORTER_OTLP_ENDPOINT"); !ok && set {
		name, value = "OTEL_EXPORTER_OTLP_ENDPOINT", strings.TrimSuffix(general, "/")+"/v1/traces"
	}
	if value == "" || strings.EqualFold(disabled, "true") || exporter == "none" {
		return ""
	}
	if u, err := url.Parse(value); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		e.fault(name, "is not an address that begins with http:// or https://, without a user",
			"for example OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (OTLP over HTTP; a token goes into OTEL_EXPORTER_OTLP_HEADERS)")
		return ""
	}
	return value
}

// list reads a list with commas between.
func (e *environment) list(name string) (items []string) {
	value, _ := e.get(name)
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// origins reads a list of origins, as browsers send them in the header Origin.
func (e *environment) origins(name string) string {
	origins := e.list(name)
	for _, origin := range origins {
		u, err := url.Parse(origin)
		switch {
		case origin == "*":
		case err != nil, u.Scheme == "", u.Host == "", origin != u.Scheme+"://"+u.Host, origin != strings.ToLower(origin), u.User != nil:
			e.fault(name, fmt.Sprintf("holds %q, which is no origin", origin),
				"set it to origins with commas between, such as https://www.example.org,http://localhost:3000, or to * for all")
			return ""
		}
	}
	if slices.Contains(origins, "*") {
		return "*"
	}
	return strings.Join(origins, ",")
}

// networks reads a list of addresses and networks.
func (e *environment) networks(name string) string {
	networks := e.list(name)
	for _, item := range networks {
		_, err1 := netip.ParsePrefix(item)
		_, err2 := netip.ParseAddr(item)
		if err1 != nil && err2 != nil {
			e.fault(name, fmt.Sprintf("holds %q, which is no address or network", item),
				"set it to those of your proxies with commas between, such as 10.0.0.0/8,192.0.2.7")
			return ""
		}
	}
	return strings.Join(networks, ",")
}
