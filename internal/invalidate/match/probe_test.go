package match

import (
	"testing"
	"unsafe"
)

// TestEntryFillsTwoLines: one byte more, and there are three to fetch for each query.
func TestEntryFillsTwoLines(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(entry{}); size != 2*line*8 {
		t.Errorf("an entry has %d bytes, want %d", size, 2*line*8)
	}
}
