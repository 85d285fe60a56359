package deploy

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
)

// TestACL runs both programs with the rights in Redis that docs/operations.md gives
// them and no others, through what each of them does there.
func TestACL(t *testing.T) {
	t.Parallel()
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		aclSuffices(t, server.URL(), server.Client(t))
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		c := redistest.StartCluster(t, 3, false)
		aclSuffices(t, c.URL(), c.Client(0), c.Client(1), c.Client(2))
	})
}

func aclSuffices(t *testing.T, server string, nodes ...*redis.Client) {
	db := migrated.New(t)
	address := func(user string) string {
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(user, "secret")
		return u.String()
	}
	for _, user := range documentedUsers(t) {
		words := []any{"acl", "setuser"}
		for word := range strings.FieldsSeq(strings.ReplaceAll(user, ">PASSWORD", ">secret")) {
			words = append(words, word)
		}
		for _, rdb := range nodes {
			if err := rdb.Do(t.Context(), words...).Err(); err != nil {
				t.Fatalf("ACL SETUSER %s: %v", user, err)
			}
		}
	}
	c := fleet.Config{Database: db.Roles, Redis: address("freshlist-invalidator"), Prefix: "freshlist", Bound: 5 * time.Second}
	c.Invalidator(t)
	c.Redis = address("freshlist-api")
	api := c.API(t)

	fleet.Await(t, "a hit", func() bool { return strings.Contains(cacheStatus(t, api.URL+"/v1/properties/1"), "hit") })
	fleet.Await(t, "a page", func() bool { return strings.Contains(cacheStatus(t, api.URL+"/properties/1"), "hit") })
	conn, err := pgx.Connect(t.Context(), db.Roles.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "insert into properties (id, title, property_type, price, city) values (1, 'a', 'b', 1, 'c')"); err != nil {
		t.Fatal(err)
	}
	fleet.Await(t, "the edit", func() bool { return strings.Contains(body(t, api.URL+"/v1/properties/1"), `"title":"a"`) })
	body(t, api.URL+"/v1/cache/metrics")

	for _, rdb := range nodes {
		denied, err := rdb.Do(t.Context(), "acl", "log").Slice()
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range denied {
			t.Errorf("denied: %v", entry)
		}
	}
}

// documentedUsers returns the ACL lines of the manual without the word user.
func documentedUsers(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for _, m := range regexp.MustCompile(`(?m)^    user (freshlist-.*)$`).FindAllStringSubmatch(string(text), -1) {
		users = append(users, m[1])
	}
	if len(users) != 2 {
		t.Fatalf("the manual has %d ACL lines, want one for each program", len(users))
	}
	return users
}

func get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		return &http.Response{Header: http.Header{}}, ""
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func cacheStatus(t *testing.T, address string) string {
	resp, _ := get(t, address)
	return resp.Header.Get("Cache-Status")
}

func body(t *testing.T, address string) string {
	_, text := get(t, address)
	return text
}
