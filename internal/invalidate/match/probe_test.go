package match

import (
	"testing"
	"unsafe"
)

// TestEntryFillsTwoLines: one byte more, and there is another line to fetch for each query.
func TestEntryFillsTwoLines(t *testing.T) {
	t.Parallel()
	if got, want := unsafe.Sizeof(entry{}), uintptr(2*lineWords*8); got != want {
		t.Errorf("an entry has %d bytes, want %d", got, want)
	}
}
