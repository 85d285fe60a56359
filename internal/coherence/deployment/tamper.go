package deployment

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Tamper is a change to one Lua script: the copy that a process runs has New where
// the product's has Old, all of them. It ends the test if Old is not there, so that
// a twin cannot outlive its guard unnoticed.
type Tamper struct{ Script, Old, New string }

// swapper replaces scripts on their way to Redis. It relies on EVALSHA being tried
// before EVAL, and on the changed copies being loaded.
type swapper map[string]string // hash of the product's script -> hash of the changed copy

// swap loads the changed scripts.
func (d *Deployment) swap(tampers []Tamper) swapper {
	d.Helper()
	s := swapper{}
	for _, t := range tampers {
		if count := strings.Count(d.source(t.Script), t.Old); count == 0 {
			d.Fatalf("script %s does not contain %q", t.Script, t.Old)
		}
	}
	for _, name := range []string{"acquire", "fill", "store_view", "registrations", "purge", "beat"} {
		original := d.source(name)
		changed := original
		for _, t := range tampers {
			if t.Script == name {
				changed = strings.ReplaceAll(changed, t.Old, t.New)
			}
		}
		if changed == original {
			continue
		}
		hash, err := d.Redis.ScriptLoad(d.Context(), changed).Result()
		d.Must(err)
		sum := sha1.Sum([]byte(original))
		s[hex.EncodeToString(sum[:])] = hash
	}
	return s
}

// source returns a script as the product sends it.
func (d *Deployment) source(name string) string {
	d.Helper()
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(repository(d), "internal", "rediscache", "scripts", name+".lua"))
		d.Must(err)
		return string(b)
	}
	text := read(name)
	if strings.HasPrefix(text, "#!") {
		return text
	}
	return "#!lua flags=allow-oom\n" + read("check") + text // as package rediscache does for the purger's
}

// repository returns the folder that holds go.mod.
func repository(d *Deployment) string {
	d.Helper()
	dir, err := os.Getwd()
	d.Must(err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			d.Fatal("the test does not run inside the repository")
		}
		dir = parent
	}
}

// DialHook changes nothing.
func (s swapper) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook replaces the script of one command.
func (s swapper) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		s.replace(cmd)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook replaces the scripts of a pipeline.
func (s swapper) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			s.replace(cmd)
		}
		return next(ctx, cmds)
	}
}

func (s swapper) replace(cmd redis.Cmder) {
	if args := cmd.Args(); cmd.Name() == "evalsha" {
		if hash, ok := args[1].(string); ok && s[hash] != "" {
			args[1] = s[hash]
		}
	}
}
