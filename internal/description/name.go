package description

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// RelationName is the name of a table, or of another relation, with its schema.
type RelationName struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
}

// defaultSchema is that of names without one, whatever search_path says.
const defaultSchema = "public"

// maxName is the length of the longest name that PostgreSQL takes, in bytes.
const maxName = 63

// ParseRelation reads the name of a relation as SQL spells it: public.homes, homes (in the
// schema public), "Homes"."we""ird". What is not in quotes is in lower case.
func ParseRelation(text string) (RelationName, error) {
	var parts []string
	rest := text
	for {
		part, after, err := cutIdentifier(rest)
		if err != nil {
			return RelationName{}, err
		}
		parts = append(parts, part)
		if after == "" {
			break
		}
		if after[0] != '.' {
			return RelationName{}, fmt.Errorf("%s is not expected behind %s; a name with blanks or marks needs double quotes", quoted(after), quoted(part))
		}
		rest = after[1:]
	}
	switch len(parts) {
	case 1:
		return RelationName{defaultSchema, parts[0]}, nil
	case 2:
		return RelationName{parts[0], parts[1]}, nil
	default:
		return RelationName{}, fmt.Errorf("it has %d parts, and may have 2: schema and name", len(parts))
	}
}

// cutIdentifier reads one part of a name.
func cutIdentifier(s string) (name, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		name, rest, err = cutQuoted(s[1:])
	} else {
		end := strings.IndexFunc(s, func(r rune) bool {
			return r < utf8.RuneSelf && r != '_' && r != '$' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		})
		if end < 0 {
			end = len(s)
		}
		name, rest = lowerASCII(s[:end]), s[end:]
		if name != "" && name[0] <= '9' {
			err = fmt.Errorf("a name that begins with a digit needs double quotes")
		}
	}
	switch {
	case err != nil:
	case name == "":
		err = fmt.Errorf("a part of the name is missing")
	case len(name) > maxName:
		err = fmt.Errorf("%s has %d bytes, and a name may have %d", quoted(name), len(name), maxName)
	}
	return name, rest, err
}

func cutQuoted(s string) (name, rest string, err error) {
	var b strings.Builder
	for {
		part, after, closed := strings.Cut(s, `"`)
		b.WriteString(part)
		if !closed {
			return "", "", fmt.Errorf("a double quotation mark is missing")
		}
		if !strings.HasPrefix(after, `"`) {
			return b.String(), after, nil
		}
		b.WriteByte('"')
		s = after[1:]
	}
}

// lowerASCII is how PostgreSQL folds a name in UTF8.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// String returns the name as ParseRelation reads it, with quotes where they are needed.
func (n RelationName) String() string { return spelled(n.Schema) + "." + spelled(n.Name) }

// SQL returns the name as SQL reads it, always in quotes.
func (n RelationName) SQL() string { return QuoteIdentifier(n.Schema) + "." + QuoteIdentifier(n.Name) }

// QuoteIdentifier returns a name as SQL reads it, whatever is in it.
func QuoteIdentifier(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, "\x00", ""), `"`, `""`) + `"`
}

// QuoteLiteral returns a text as a literal of SQL, where standard_conforming_strings is on.
func QuoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// spelled returns one part of a name, in quotes only if it needs them.
func spelled(name string) string {
	if back, rest, err := cutIdentifier(name); err == nil && rest == "" && back == name && name[0] != '"' && !strings.Contains(name, "$") {
		return name
	}
	return QuoteIdentifier(name)
}

// sqlName returns a column's name as people write it in SQL, for remedies. Words of SQL's
// own, such as order, need quotes too.
func sqlName(name string) string {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return QuoteIdentifier(name)
		}
	}
	switch name {
	case "", "order", "user", "end", "group", "limit", "offset", "table", "check", "default", "from", "to", "desc", "asc", "case", "column", "primary", "references", "select", "where", "when", "all", "any", "and", "or", "not", "as", "on", "in", "for", "is", "new", "old", "using", "with", "window", "true", "false", "null", "unique", "union", "foreign", "create", "grant", "array", "both", "cast", "distinct", "do", "else", "fetch", "having", "into", "leading", "left", "right", "full", "inner", "join", "like", "natural", "only", "placing", "returning", "some", "symmetric", "then", "trailing", "variadic", "verbose", "constraint", "current_date", "analyse", "analyze":
		return QuoteIdentifier(name)
	}
	return name
}
