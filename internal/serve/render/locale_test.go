package render

import "testing"

// Numbers and amounts are written as people of a locale do.
func TestLocale(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][4]string{
		"en-US": {"1,234,567.5", "$1,234", "-€12.50", "January 2, 2006"},
		"":      {"1,234,567.5", "$1,234", "-€12.50", "January 2, 2006"},
		"en-GB": {"1,234,567.5", "$1,234", "-€12.50", "2 January 2006"},
		"en-IN": {"12,34,567.5", "$1,234", "-€12.50", "2 January 2006"},
		"de-DE": {"1.234.567,5", "1.234\u00a0$", "-12,50\u00a0€", "2006-01-02"},
		"de-CH": {"1’234’567.5", "1’234\u00a0$", "-12.50\u00a0€", "2006-01-02"},
		"fr-FR": {"1\u00a0234\u00a0567,5", "1\u00a0234\u00a0$", "-12,50\u00a0€", "2006-01-02"},
		"nl-NL": {"1.234.567,5", "$\u00a01.234", "-€\u00a012,50", "2006-01-02"},
		"ar-EG": {"1,234,567.5", "1,234\u00a0$", "-12.50\u00a0€", "2006-01-02"},
	} {
		l := newLocale(name)
		got := [4]string{l.grouped("1234567.5"), l.money("USD", "1234.00"), l.money("EUR", "-12.50"), l.day}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		for _, odd := range []string{"NaN", "Infinity", "1e+30", ""} {
			if got := l.grouped(odd); got != odd {
				t.Errorf("%s: %q has become %q", name, odd, got)
			}
		}
	}
	if got := newLocale("en-US").money("SEK", "5"); got != "SEK\u00a05" {
		t.Errorf("a currency without a symbol: %q", got)
	}
}
