package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// allowed are the words that a statement may begin with: those whose whole effect a rollback
// takes back.
var allowed = []string{"insert", "update", "delete", "merge", "truncate", "with", "select"}

// lasting are functions whose effect no rollback takes back.
var lasting = regexp.MustCompile(`(?i)\b(setval|dblink\w*|postgres_fdw_\w+|pg_(terminate|cancel)_backend|pg_reload_conf|pg_rotate_logfile|` +
	`pg_switch_wal|pg_promote|pg_(try_)?advisory_(un)?lock\w*|pg_logical_emit_message|pg_file_\w+|pg_(create|drop)_\w+slot|pg_stat_reset\w*|lo_export|lo_import)\s*\(`)

// check refuses what cannot be rolled back, and says what may be asked.
func check(sql string) error {
	bare := blank(sql)
	word := strings.ToLower(regexp.MustCompile(`[A-Za-z_]+`).FindString(bare))
	switch {
	case word == "":
		return fmt.Errorf("there is no statement; give one, such as \"UPDATE properties SET price = price + 1 WHERE id = 7\"")
	case slices.Contains(allowed, word):
	case word == "alter" || word == "drop" || word == "create":
		return fmt.Errorf("%s is refused: it would lock the table; another definition of a table empties its whole cache", strings.ToUpper(word))
	case word == "explain":
		return fmt.Errorf("leave out EXPLAIN, and give the statement itself")
	default:
		return fmt.Errorf("%s is refused: it may do what cannot be rolled back; give one INSERT, UPDATE, DELETE, MERGE, TRUNCATE, WITH or SELECT", strings.ToUpper(word))
	}
	if f := lasting.FindStringSubmatch(bare); f != nil {
		return fmt.Errorf("a statement that calls %s is refused: what that does cannot be rolled back", strings.ToLower(f[1]))
	}
	return nil
}

// blank returns a statement without its comments, and with nothing in its literals.
func blank(sql string) string {
	var b strings.Builder
	for i := 0; i < len(sql); {
		rest := sql[i:]
		switch {
		case strings.HasPrefix(rest, "--"):
			i += lineEnd(rest)
			b.WriteByte(' ')
		case strings.HasPrefix(rest, "/*"):
			i += commentEnd(rest)
			b.WriteByte(' ')
		case rest[0] == '\'':
			i += literalEnd(rest, strings.HasSuffix(strings.ToLower(b.String()), "e"))
			b.WriteString("''")
		case rest[0] == '$':
			n := dollarEnd(rest)
			if n == 0 {
				n = 1
			} else {
				b.WriteString("''")
			}
			i += n
		default:
			b.WriteByte(rest[0])
			i++
		}
	}
	return b.String()
}

func lineEnd(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}

// commentEnd returns the length of a comment, which may hold others.
func commentEnd(s string) int {
	for i, depth := 0, 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth, i = depth+1, i+2
		case strings.HasPrefix(s[i:], "*/"):
			if depth, i = depth-1, i+2; depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// literalEnd returns the length of a literal; escapes says that a backslash is not itself.
func literalEnd(s string, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		case s[i] == '\'':
			return i + 1
		}
	}
	return len(s)
}

var dollarTag = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z_0-9]*)?\$`)

// dollarEnd returns the length of a literal between dollars, 0 if there is none.
func dollarEnd(s string) int {
	tag := dollarTag.FindString(s)
	if tag == "" {
		return 0
	}
	if n := strings.Index(s[len(tag):], tag); n >= 0 {
		return 2*len(tag) + n
	}
	return len(s)
}
