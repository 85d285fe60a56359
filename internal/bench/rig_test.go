package main

import (
	"os"
	"strings"
	"testing"
)

// A bench that cannot start says why, and leaves no server and no file behind.
func TestRigWithoutPrograms(t *testing.T) {
	base, err := os.MkdirTemp("", "freshlist-bench-test-*") // t.TempDir is closed to the servers' user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Chdir(base) // where make has built nothing
	r, err := startRig(t.Context(), base, quickRows)
	if err == nil || !strings.Contains(err.Error(), "run make bench") {
		t.Fatalf("startRig = %v, %v, want what to do", r, err)
	}
	left, err := os.ReadDir(base)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
