package redisurl_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/redisurl"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]redisurl.Address{
		"redis://h":                  {Hosts: []string{"h:6379"}},
		"redis://":                   {},
		"redis://:7000":              {Hosts: []string{":7000"}},
		"redis://:pass@h:7000/3":     {Password: "pass", Hosts: []string{"h:7000"}, DB: 3},
		"rediss://u:p%40%2F@[::1]/0": {TLS: true, User: "u", Password: "p@/", Hosts: []string{"[::1]:6379"}},
		"redis://h?dial_timeout=3":   {Hosts: []string{"h:6379"}},
		"unix:///run/redis.sock":     {},
		"redis+cluster://a,b:1":      {Kind: redisurl.Cluster, Hosts: []string{"a:6379", "b:1"}},
		"redis+cluster://a/":         {Kind: redisurl.Cluster, Hosts: []string{"a:6379"}},
		"rediss+cluster://u@[::1]:7,b/0?skip_verify=true&protocol=2": {Kind: redisurl.Cluster, TLS: true, User: "u",
			Hosts: []string{"[::1]:7", "b:6379"}, SkipVerify: true, Protocol: 2},
		"redis+sentinel://a,b,c:1/main": {Kind: redisurl.Sentinel, Hosts: []string{"a:26379", "b:26379", "c:1"}, Master: "main"},
		"rediss+sentinel://:p:q@a/ma%2Fin/2?sentinel_username=su&sentinel_password=sp": {Kind: redisurl.Sentinel, TLS: true,
			Password: "p:q", Hosts: []string{"a:26379"}, Master: "ma/in", DB: 2, SentinelUser: "su", SentinelPassword: "sp"},
	} {
		if got, err := redisurl.Parse(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n is %+v (%v)\nwant %+v", text, got, err, want)
		}
	}
}

// Each fault names the part that is wrong and what is expected, and shows nothing of the text:
// a password may stand anywhere in it.
func TestFaults(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                                 "redis+cluster://",
		"s3cret":                           "redis+cluster://",
		"s3cret://h":                       "redis+cluster://",
		"redis:/s3cret":                    "redis+cluster://",
		"redis://:s3cret#@h":               "#",
		"redis://:s3cret/x@h":              "@ behind the hosts",
		"redis://:%zzs3cret@h":             "%25",
		"redis://h:s3cret":                 "port is no number",
		"redis://h:0":                      "port is no number",
		"redis://h:65536":                  "port is no number",
		"redis://h/s3cret":                 "database that is no number",
		"redis://h/-1":                     "database that is no number",
		"redis://a,b":                      "several hosts",
		"redis://h?master_name=s3cret":     "redis+sentinel://s1,s2,s3/NAME",
		"unix://":                          "socket",
		"redis+cluster://":                 "number 1 of 1",
		"redis+cluster://a,,b":             "number 2 of 3",
		"redis+cluster://a,b:s3cret":       "number 2 of 2",
		"redis+cluster://a:1:s3cret":       "IPv6",
		"redis+cluster://a, s3cret":        "character",
		"redis+cluster://a/1":              "only number 0",
		"redis+cluster://a?s3cret=1":       "skip_verify",
		"redis+cluster://a?skip_verify=s3": "neither true nor false",
		"redis+cluster://a?protocol=4":     "neither 2 nor 3",
		"redis+cluster://a?x=%s3cret":      "cannot be read",
		"redis+cluster://a?sentinel_password=s3cret":              "not known",
		"redis+sentinel://a,b":                                    "/NAME",
		"redis+sentinel://a,b/":                                   "/NAME",
		"redis+sentinel://a,b/main/s3cret":                        "database that is no number",
		"redis+sentinel://a/m?protocol=2&protocol=3":              "twice",
		"redis+sentinel://a/m?sentinel_password=s3cret&other=yes": "sentinel_username",
	} {
		_, err := redisurl.Parse(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q in it, and nothing of the address", text, err, says)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("rediss+sentinel://:p@a,b/main/2?sentinel_password=x")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = redisurl.Parse(text) })
}
