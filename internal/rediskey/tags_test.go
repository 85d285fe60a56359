package rediskey

import (
	"strings"
	"testing"
)

func TestSlots(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]int{"00": 13254, "123456789": 12739, "foo": 12182} { // as CLUSTER KEYSLOT says
		if got := slot(tag); got != want {
			t.Errorf("slot of %s is %d, want %d", tag, got, want)
		}
	}
}

// Every master of a cluster whose slots are even has about as many partitions as another.
func TestTagsAreEven(t *testing.T) {
	t.Parallel()
	for n := 2; n <= 100; n++ {
		for masters := 2; masters <= n && masters <= 16; masters++ {
			count := make([]int, masters)
			for p, tag := range tags(n) {
				if !strings.HasPrefix(tag, string(appendNumber(nil, p))) {
					t.Fatalf("partition %d of %d has the tag %s", p, n, tag)
				}
				count[slot(tag)*masters/slots]++
			}
			for _, c := range count {
				if c < n/masters-1 || c > n/masters+2 {
					t.Errorf("%d partitions on %d masters: %v", n, masters, count)
					break
				}
			}
		}
	}
	if got := strings.Join(tags(16)[:3], " "); got != "00dd 01dc 02d" {
		t.Errorf("the first tags of 16 are %s: a change moves every key of every cluster", got)
	}
	if one := (Space{Prefix: "x", Partitions: 1, Cluster: true}).Beat(0); one != "x:{00}:beat" {
		t.Errorf("the only partition is named %s", one)
	}
	if first := (Space{Prefix: "x", Partitions: 16, Cluster: true}).Beat(0); first != "x:{00dd}:beat" {
		t.Errorf("the first partition is named %s", first)
	}
}
