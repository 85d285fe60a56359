package pgsnapshot_test

import (
	"testing"

	"github.com/freshlist/freshlist/internal/pgsnapshot"
)

func parse(t *testing.T, text string) pgsnapshot.Snapshot {
	t.Helper()
	s, err := pgsnapshot.Parse(text)
	if err != nil {
		t.Fatalf("parse %q: %v", text, err)
	}
	return s
}

func TestSees(t *testing.T) {
	t.Parallel()
	s := parse(t, "10:20:10,15")
	for xid, want := range map[uint64]bool{3: true, 9: true, 10: false, 11: true, 15: false, 19: true, 20: false, 99: false} {
		if got := s.Sees(xid); got != want {
			t.Errorf("10:20:10,15 sees %d: %t, want %t", xid, got, want)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		snapshot, other string
		want            bool
	}{
		{"10:20:10", "10:20:10", true},
		{"20:20:", "10:20:10", true},
		{"10:20:10", "20:20:", false},
		{"10:19:10", "10:20:10", false},
		{"10:30:10,25", "10:20:10", true},
		{"10:30:10,15", "10:20:10", false},
	} {
		if got := parse(t, c.snapshot).Covers(parse(t, c.other)); got != c.want {
			t.Errorf("%s covers %s: %t, want %t", c.snapshot, c.other, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "10", "10:20", "x:20:", "10:x:", "10:20:x", "10:20:11,,12", "-1:20:"} {
		if s, err := pgsnapshot.Parse(text); err == nil {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
}
