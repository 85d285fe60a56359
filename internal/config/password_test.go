package config_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/redisurl"
)

// A password in a variable of its own may hold whatever would have to be escaped in an address.
func TestPasswordsApart(t *testing.T) {
	t.Parallel()
	const password = `p@ss/wo:rd#1?%40 ü&'"$`
	for _, address := range []struct{ database, redis string }{
		{"postgres://api@db/freshlist?sslmode=disable", "redis://redis:6379/0"},
		{"postgres://api@db1:5432,db2:5432/freshlist?target_session_attrs=read-write", "redis+cluster://user@n1:6379,n2:6379"},
		{"postgresql://api@[::1]:5432/freshlist", "redis+sentinel://s1,s2/main/3"},
	} {
		for _, asFile := range []bool{false, true} {
			more := []string{"DATABASE_PASSWORD", password, "REDIS_PASSWORD", password}
			if asFile {
				file := write(t, password+"\n")
				more = []string{"DATABASE_PASSWORD_FILE", file, "REDIS_PASSWORD_FILE", file}
			}
			c, err := config.LoadAPI(required(append(more, "DATABASE_URL", address.database, "REDIS_URL", address.redis)...))
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(string(c.DatabaseURL))
			if err != nil {
				t.Fatal(err)
			}
			got, _ := u.User.Password()
			if got != password || u.User.Username() != "api" || u.Host == "" || u.Path != "/freshlist" {
				t.Errorf("%s became %s", address.database, string(c.DatabaseURL))
			}
			r, err := redisurl.Parse(string(c.RedisURL))
			if err != nil || r.Password != password || len(r.Hosts) == 0 {
				t.Errorf("%s became %s: %+v, %v", address.redis, string(c.RedisURL), r, err)
			}
		}
	}
}

func TestPasswordTwice(t *testing.T) {
	t.Parallel()
	_, err := config.LoadAPI(required("DATABASE_PASSWORD", "an0ther", "REDIS_PASSWORD", "an0ther"))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"DATABASE_PASSWORD is set, and DATABASE_URL holds", "REDIS_PASSWORD is set, and REDIS_URL holds"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "an0ther") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a password is shown: %v", err)
	}
}
