package rediskey_test

import (
	"fmt"
	"testing"

	"github.com/freshlist/freshlist/internal/rediskey"
)

func Example() {
	s := rediskey.Space{Prefix: "freshlist", Partitions: 1}
	q := "properties?city=FOLSOM"
	fmt.Println(s.View("json", q))
	fmt.Println(s.View("html", q))
	fmt.Println(s.Queryset(q))
	fmt.Println(s.Lease(q))
	fmt.Println(s.Live(0))
	fmt.Println(s.Windows(0))
	fmt.Println(s.Beat(0))
	fmt.Println(s.Fence(0))
	fmt.Println(s.Purged(0))
	fmt.Println(s.Process("a1b2"))
	fmt.Println(s.Processes())
	// Output:
	// freshlist:{00}:view:json:properties?city=FOLSOM
	// freshlist:{00}:view:html:properties?city=FOLSOM
	// freshlist:{00}:queryset:properties?city=FOLSOM
	// freshlist:{00}:lease:properties?city=FOLSOM
	// freshlist:{00}:live
	// freshlist:{00}:windows
	// freshlist:{00}:beat
	// freshlist:{00}:fence
	// freshlist:{00}:purged
	// freshlist:{00}:process:a1b2
	// freshlist:{00}:processes
}

func TestEntryStems(t *testing.T) {
	t.Parallel()
	s := rediskey.Space{Prefix: "p", Partitions: 3}
	q := "properties?city=FOLSOM"
	want := []string{s.Queryset(q), s.Lease(q), s.View("json", q), s.View("html", q), s.View("svg", q)}
	for i, stem := range s.EntryStems(s.Partition(q)) {
		if stem+q != want[i] {
			t.Errorf("stem %d + query = %q, want %q", i, stem+q, want[i])
		}
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	s := rediskey.Space{Prefix: "p", Partitions: 3}
	seen := map[int]int{}
	for i := range 300 {
		q := fmt.Sprintf("properties/%d", i)
		p := s.Partition(q)
		seen[p]++
		want := fmt.Sprintf("p:{%02d}:queryset:%s", p, q)
		if got := s.Queryset(q); got != want {
			t.Fatalf("Queryset(%q) = %q, want %q", q, got, want)
		}
	}
	for p := range 3 {
		if seen[p] < 50 {
			t.Errorf("partition %d holds %d of 300 queries", p, seen[p])
		}
	}
	if len(seen) != 3 {
		t.Errorf("queries fell into %d partitions, want 3", len(seen))
	}
	if got, want := s.Fence(12), "p:{12}:fence"; got != want {
		t.Errorf("Fence(12) = %q, want %q", got, want)
	}
}
