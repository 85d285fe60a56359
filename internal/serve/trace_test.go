package serve

import (
	"net/http"
	"testing"
)

func TestTraceID(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for field, want := range map[string]string{
		"00-" + id + "-00f067aa0ba902b7-01": id, "01-" + id + "-00f067aa0ba902b7-01-more": id, "": "", "00": "", "ff-" + id + "-00f067aa0ba902b7-01": "",
		"00-" + id[1:] + "-00f067aa0ba902b7-01": "", "00-00000000000000000000000000000000-00f067aa0ba902b7-01": "", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01": "",
	} {
		if got := traceID(http.Header{"Traceparent": {field}}); got != want {
			t.Errorf("%q is of %q, want %q", field, got, want)
		}
	}
	if got := traceID(nil); got != "" {
		t.Errorf("without the header: %q", got)
	}
}
