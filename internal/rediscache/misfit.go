package rediscache

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
)

// Misfit is an error of a server that answers, but is not one to work with.
type Misfit struct {
	Said   string // what it is
	Remedy string // what to do
	Err    error  // its answer
}

func (m *Misfit) Error() string { return fmt.Sprintf("%s; %s: %v", m.Said, m.Remedy, m.Err) }
func (m *Misfit) Unwrap() error { return m.Err }

// unfit returns a Misfit that keeps an invalidator from starting.
func unfit(said, remedy string, err error) error {
	return cachestate.Wrap(cachestate.Unfit, &Misfit{said, remedy, err})
}

const remedyOfInfo = "let the user call INFO; a service without it cannot be used, since nobody knows then what it may evict"

// misfit returns what an error of Redis comes from, nil if that is not known.
func misfit(err error) *Misfit {
	text := strings.ToLower(err.Error())
	sentinels := strings.Contains(text, "all sentinels specified")
	unknown := strings.Contains(text, "unknown command")
	switch {
	case strings.Contains(text, "cluster support disabled"):
		return &Misfit{"the address begins with redis+cluster, but the server is not in cluster mode", "begin it with redis:// or rediss:// and name one server", err}
	case sentinels && errors.Is(err, redis.Nil):
		return &Misfit{"the sentinels know no master of the name that the address has behind the hosts", "correct the name", err}
	case sentinels && unknown:
		return &Misfit{"the address begins with redis+sentinel, but the servers are no sentinels", "name the sentinels, or begin it with redis:// and name one server", err}
	case sentinels && (strings.Contains(text, "noauth") || strings.Contains(text, "wrongpass")):
		return &Misfit{"the sentinels ask for a password of their own", "write it behind the address: ?sentinel_password=PASSWORD, and sentinel_username=USER if they have users", err}
	case unknown && strings.Contains(text, "'info'"):
		return &Misfit{"the server refuses INFO", remedyOfInfo, err}
	case unknown && (strings.Contains(text, "'eval") || strings.Contains(text, "'script")):
		return &Misfit{"the server has no Lua scripts", "use another: all that is stored and purged goes through scripts", err}
	case redis.HasErrorPrefix(err, "MOVED"):
		return &Misfit{"the server is a node of a cluster and does not hold the slot", "with redis:// write redis+cluster://n1,n2; else a slot has moved, and the next try finds it", err}
	case redis.HasErrorPrefix(err, "READONLY"):
		return &Misfit{"the server is a replica, which takes no writes", "name the primary, or the sentinels: redis+sentinel://s1,s2,s3/NAME", err}
	}
	return nil
}
