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
	`pg_switch_wal|pg_wal_replay_\w+|pg_promote|pg_backup_\w+|pg_create_restore_point|pg_(try_)?advisory_(un)?lock\w*|pg_logical_emit_message|` +
	`pg_logical_slot_get_\w+|pg_(create|copy|drop)_\w+slot|pg_replication_slot_advance|pg_sync_replication_slots|pg_replication_origin_\w+|` +
	`pg_file_\w+|pg_stat_\w*reset\w*|lo_export|lo_import)\s*\(`)

// encoded is the beginning of a quoted identifier that spells letters by their numbers.
var encoded = regexp.MustCompile(`(?i)\bu&"`)

// check refuses what cannot be rolled back, and says what may be asked.
func check(sql string) error {
	bare := blank(sql)
	if encoded.MatchString(bare) {
		return fmt.Errorf("a statement with an identifier of the form U&\"...\" is refused: write its letters themselves")
	}
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

// blank returns a statement as PostgreSQL reads it, without its comments, with nothing in its literals,
// and with spaces for the quotes of identifiers.
func blank(sql string) string {
	var b strings.Builder
	escapes := false // whether a literal that goes on with the one before has escapes
	for i := 0; i < len(sql); {
		rest, within := sql[i:], i > 0 && inName(sql[i-1])
		switch {
		case strings.HasPrefix(rest, "--"):
			i += lineEnd(rest)
			b.WriteByte(' ')
		case strings.HasPrefix(rest, "/*"):
			i += commentEnd(rest)
			b.WriteByte(' ')
		case rest[0] == '\'':
			escapes = escapes || marksEscapes(sql[:i])
			i += literalEnd(rest, escapes)
			b.WriteString("''")
		case rest[0] == '"':
			n := identifierEnd(rest)
			if i > 0 && sql[i-1] == '&' {
				b.WriteByte('"') // to be found by encoded
			}
			b.WriteString(" " + strings.Trim(rest[:n], `"`) + " ")
			escapes, i = false, i+n
		case rest[0] == '$' && !within && dollarEnd(rest) > 0:
			i += dollarEnd(rest)
			escapes = false
			b.WriteString("''")
		default:
			escapes = escapes && strings.IndexByte(" \t\n\r\f\v", rest[0]) >= 0
			b.WriteByte(rest[0])
			i++
		}
	}
	return b.String()
}

// inName reports whether a byte may be one of a name or a keyword, but not its first.
func inName(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// marksEscapes reports whether what stands in front of a literal says that a backslash in it is not
// itself: an e that is no part of a name.
func marksEscapes(before string) bool {
	n := len(before)
	return n > 0 && (before[n-1] == 'e' || before[n-1] == 'E') && (n == 1 || !inName(before[n-2]))
}

func lineEnd(s string) int {
	if n := strings.IndexAny(s, "\n\r"); n >= 0 {
		return n
	}
	return len(s)
}

// identifierEnd returns the length of a quoted identifier.
func identifierEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"' && i+1 < len(s) && s[i+1] == '"':
			i++
		case s[i] == '"':
			return i + 1
		}
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

var dollarTag = regexp.MustCompile(`^\$((?:[A-Za-z_]|[^\x00-\x7f])(?:\w|[^\x00-\x7f])*)?\$`)

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
