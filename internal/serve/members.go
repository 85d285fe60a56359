package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// members are those of a JSON object.
type members struct {
	values map[string]json.RawMessage
	twice  []string // the names that stand there more than once
}

// readMembers reads a text that is one JSON object and nothing else.
func readMembers(body []byte) (m members, err error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return m, errors.New("no JSON in UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return m, errors.New("no JSON object")
	}
	m.values = map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return m, err
		}
		name, _ := token.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return m, err
		}
		if _, there := m.values[name]; there && !slices.Contains(m.twice, name) {
			m.twice = append(m.twice, name)
		}
		m.values[name] = value
	}
	return m, nil
}

// hasLoneSurrogate reports whether an escape in a JSON text is half of a pair: encoding/json would
// read another character, and another text would be stored than was sent.
func hasLoneSurrogate(raw json.RawMessage) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		first, ok := escaped(raw[i:])
		if !ok {
			i++ // whatever is escaped
			continue
		}
		i += escapeLength - 1
		if !utf16.IsSurrogate(first) {
			continue
		}
		second, ok := escaped(raw[i+1:])
		if !ok || utf16.DecodeRune(first, second) == utf8.RuneError {
			return true
		}
		i += escapeLength
	}
	return false
}

// escapeLength is how many bytes an escape such as \u00e4 takes.
const escapeLength = 6

func escaped(raw []byte) (rune, bool) {
	if len(raw) < escapeLength || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:escapeLength]), 16, 16)
	return rune(n), err == nil
}
