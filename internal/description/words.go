package description

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// words reads a name as people write it: living_area and livingArea are Living area.
func words(name string) string {
	var b strings.Builder
	var before rune
	for _, r := range name {
		switch {
		case r == '_' || r == '-':
			r = ' '
		case unicode.IsUpper(r) && unicode.IsLower(before):
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		before = r
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	if text == "" {
		return name
	}
	if strings.ToUpper(text) != text {
		text = strings.ToLower(text)
	}
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:]
}

// wordOf makes a name for addresses of any name.
func wordOf(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	word := strings.Trim(b.String(), "_")
	if word == "" || word[0] <= '9' {
		word = "c" + word
	}
	return word[:min(len(word), 36)]
}

// yamlName writes a name or a text as YAML reads it: plain if it is a plain word, else in
// quotes.
func yamlName(name string) string {
	if plainYAML(name) {
		return name
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range name {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case !unicode.IsPrint(r) && r <= 0xffff:
			b.WriteString(`\u` + hexDigits(r, 4))
		case !unicode.IsPrint(r):
			b.WriteString(`\U` + hexDigits(r, 8))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func hexDigits(r rune, digits int) string {
	text := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", digits-len(text)) + text
}

// yamlText is yamlName for what SQL spells, in which double quotes are frequent.
func yamlText(text string) string {
	if plain := yamlName(text); plain == text || !strings.Contains(text, `"`) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return plain
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// plainYAML reports whether YAML reads a word as a text without quotes.
func plainYAML(name string) bool {
	switch strings.ToLower(name) {
	case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf":
		return false
	}
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		inner := i > 0 && i < len(name)-1 && (r == '-' || r == '.' || r == ' ')
		if !letter && !inner && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return true
}
