package lsn_test

import (
	"errors"
	"math"
	"testing"

	"github.com/freshlist/freshlist/internal/lsn"
)

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]lsn.LSN{
		"0/0": 0, "0/301FB78": 0x301fb78, "16/B374D848": 0x16b374d848, "FFFFFFFF/FFFFFFFF": math.MaxUint64,
	} {
		got, err := lsn.Parse(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is %d, spelled %q (%v), want %d", text, got, got, err, want)
		}
		back, err := lsn.ParsePadded(got.Padded())
		if err != nil || back != got {
			t.Errorf("%q is %d again (%v), want %d", got.Padded(), back, err, got)
		}
	}
	for _, text := range []string{"", "1", "/", "1/", "/1", "g/1", "1/100000000", "100000000/1", "-1/1", "1/2/3"} {
		if _, err := lsn.Parse(text); !errors.Is(err, lsn.ErrText) {
			t.Errorf("%q: %v, want ErrText", text, err)
		}
	}
	for _, text := range []string{"", "1", "0000000000000000000x", "99999999999999999999"} {
		if _, err := lsn.ParsePadded(text); !errors.Is(err, lsn.ErrText) {
			t.Errorf("padded %q: %v, want ErrText", text, err)
		}
	}
}

// Redis compares the padded form as a text.
func TestPaddedOrder(t *testing.T) {
	t.Parallel()
	last := ""
	for _, l := range []lsn.LSN{0, 9, 10, 0xff, 1 << 32, 1<<53 + 1, math.MaxUint64} {
		if text := l.Padded(); text <= last {
			t.Errorf("%s is not after %s", text, last)
		} else {
			last = text
		}
	}
}
