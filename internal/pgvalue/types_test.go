package pgvalue_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgvalue"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// randomValues is how many values of a type are drawn besides the usual and the odd ones.
const randomValues = 60

// TestTypes runs random values of each type against PostgreSQL: they are read as they are
// shown, and they are equal and in order where PostgreSQL says so.
func TestTypes(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	exec(t, conn, listingtest.EverySQL)
	exec(t, conn, listingtest.EveryDropChecks)
	for _, table := range []*listing.Table{listingtest.Every(), listingtest.ByUUID()} {
		for i := range table.Columns {
			c := &table.Columns[i]
			t.Run(table.Name+"/"+c.Name, func(t *testing.T) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				random := rand.New(rand.NewPCG(seed, 0))
				v := store(t, conn, table, i, valuesOf(table, i, random))
				v.checkShown(t)
				v.checkCaptured(t)
				v.checkComparisons(t)
				v.checkParameters(t)
			})
		}
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	exec(t, conn, "set timezone = 'UTC'; set datestyle = 'ISO, MDY'")
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// valuesOf returns values of a column, each once, as PostgreSQL spells them.
func valuesOf(table *listing.Table, column int, random *rand.Rand) []string {
	c := &table.Columns[column]
	var texts []string
	switch {
	case c.Element != nil:
		element := *c.Element
		values := randomOf(&element, random)
		for range randomValues {
			var array []string
			for range random.IntN(4) {
				array = append(array, quoted(element.Spell(values[random.IntN(len(values))])))
			}
			if random.IntN(4) == 0 {
				array = append(array, "NULL")
			}
			texts = append(texts, "{"+strings.Join(array, ",")+"}")
		}
	case c.Form == listing.JSON:
		texts = otherValues(c)
	default:
		for _, v := range randomOf(c, random) {
			texts = append(texts, c.Spell(v))
		}
		for seed := range 100 {
			texts = append(texts, c.Spell(listingtest.StoredValues(table, column).Example(seed)))
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// quoted spells a text as an element of an array.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func otherValues(c *listing.Column) []string {
	if c.Type.Name == "jsonb" {
		return []string{`{"a": [1.50, null, "ä\\u0001"]}`, `null`, `"x"`, `1e3`, `[]`}
	}
	return []string{"127.0.0.1", "::1", "10.0.0.0/8"}
}

// randomOf returns random values of a column, as far as its type can hold them.
func randomOf(c *listing.Column, random *rand.Rand) (values []listing.Value) {
	number := func(n int64) {
		if v := (listing.Value{Number: n}); c.Holds(v) {
			values = append(values, v)
		}
	}
	text := func(s string) { values = append(values, listing.Value{Text: s}) }
	for range randomValues {
		shift := random.IntN(64) // as many small ones as large ones
		n := int64(random.Uint64()) >> shift
		switch c.Form {
		case listing.Float:
			number(listing.FloatNumber(math.Float64frombits(random.Uint64())))
			number(listing.FloatNumber(float64(n)))
		case listing.Truth, listing.Label:
			number(n & 3)
		case listing.Words:
			text(randomText(random, 8))
		case listing.UUID:
			a, b := random.Uint64(), random.Uint64()
			text(fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", uint32(a), uint16(a>>32), a>>48, b>>48, b<<16>>16))
		case listing.Spelled:
			switch c.Type.Kind {
			case description.Char:
				text(randomText(random, 4))
			case description.Real:
				text(strconv.FormatFloat(float64(math.Float32frombits(random.Uint32())), 'g', -1, 32))
			default:
				places := random.IntN(20)
				if c.Type.Precision > 0 { // numeric(5,-2)
					text(strconv.Itoa(random.IntN(100_000) * 100))
				} else {
					text(strings.TrimPrefix(fmt.Sprintf("%d%d.%0*d", n, random.Uint64(), places+1, random.IntN(10)), "+"))
				}
			}
		default:
			number(n)
		}
	}
	return values
}

// randomText returns a text that PostgreSQL can store.
func randomText(random *rand.Rand, most int) string {
	alphabet := []rune("aAbBzZ09 _-.,'\"\\{}%äÄßéИ漢🏡\x01\n\t\u0301\u2028\uffff\U0010fffd")
	runes := make([]rune, random.IntN(most+1))
	for i := range runes {
		runes[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(runes)
}

// stored are values of one column in a table v of their own.
type stored struct {
	conn   *pgx.Conn
	table  *listing.Table
	column *listing.Column
	values []listing.Value // by place
	texts  []string        // as PostgreSQL shows them
	shown  []string        // to_json
}

// store stores values, and reads them back.
func store(t *testing.T, conn *pgx.Conn, table *listing.Table, column int, texts []string) *stored {
	t.Helper()
	c := &table.Columns[column]
	s := &stored{conn: conn, table: table, column: c}
	name := pgx.Identifier{c.Name}.Sanitize()
	exec(t, conn, "drop table if exists v; create temp table v as select "+name+" as v, 0::bigint as place from "+table.Relation.String()+" limit 0")
	insert := "insert into v select s::" + c.Type.Name + ", place from unnest($1::text[]) with ordinality as s (s, place)"
	if _, err := conn.Exec(t.Context(), insert, texts); err != nil {
		t.Fatalf("%q: %v", texts, err)
	}
	for _, row := range s.query(t, "select "+pgvalue.Expression(c, "v")+", v::text, to_json(v)::text from v order by place") {
		v, err := pgvalue.Decode(c, row[0])
		if err != nil {
			t.Fatalf("%s is %x: %v", row[1], row[0], err)
		}
		s.values, s.texts, s.shown = append(s.values, v), append(s.texts, string(row[1])), append(s.shown, string(row[2]))
	}
	if len(s.values) != len(texts) {
		t.Fatalf("%d of %d values are there", len(s.values), len(texts))
	}
	return s
}

// query returns the rows of a statement in binary form. Parameters are texts.
func (s *stored) query(t *testing.T, sql string, parameters ...string) (rows [][][]byte) {
	t.Helper()
	var args [][]byte
	for _, p := range parameters {
		args = append(args, []byte(p))
	}
	result := s.conn.PgConn().ExecParams(t.Context(), sql, args, nil, nil, []int16{pgx.BinaryFormatCode})
	for result.NextRow() {
		var row [][]byte
		for _, field := range result.Values() {
			row = append(row, slices.Clone(field))
		}
		rows = append(rows, row)
	}
	if _, err := result.Close(); err != nil {
		t.Fatalf("%s %q: %v", sql, parameters, err)
	}
	return rows
}

// sixDigits matches the fraction of a second, which PostgreSQL shows without the zeros at its end.
var sixDigits = regexp.MustCompile(`(\.\d*[1-9])0*(\+00:00)?$`)

// checkShown compares what the values are with what PostgreSQL shows.
func (s *stored) checkShown(t *testing.T) {
	t.Helper()
	c := s.column
	for i, v := range s.values {
		want, got := s.texts[i], c.Spell(v)
		switch c.Form {
		case listing.Decimal:
			got = string(listing.AppendDecimal(nil, v.Number, c.Scale))
		case listing.Float: // shown with an exponent or without one
			shown, err := strconv.ParseFloat(want, 64)
			if err != nil {
				t.Fatal(err)
			}
			if n := listing.FloatNumber(shown); n != v.Number {
				t.Errorf("%s is read as %s", want, got)
			}
			want = got
		case listing.Truth:
			want = s.shown[i]
		case listing.Day:
			want = unquoted(t, s.shown[i])
		case listing.Moment, listing.Instant:
			want, got = unquoted(t, s.shown[i]), strings.Replace(got, "Z", "+00:00", 1)
			got = sixDigits.ReplaceAllString(got, "$1$2")
		case listing.JSON:
			want = s.shown[i]
		}
		if got != want {
			t.Errorf("%s is shown as %s", want, got)
		}
	}
}

// checkCaptured compares what the values are with what they are read as in captured rows.
func (s *stored) checkCaptured(t *testing.T) {
	t.Helper()
	c := s.column
	if c.Form == listing.JSON {
		return
	}
	for i, row := range s.query(t, "select v from v order by place") {
		v, err := pgvalue.DecodeCaptured(c, row[0])
		same := v == s.values[i]
		switch c.Type.Kind {
		case description.Real: // spelled with another exponent
			same = c.Order(v) == c.Order(s.values[i])
		case description.Char:
			same = v.Text == cmp.Or(s.values[i].Text, " ")
		}
		if err != nil || !same {
			t.Errorf("%s is captured as %s, %v", s.texts[i], c.Spell(v), err)
		}
	}
}

func unquoted(t *testing.T, text string) (s string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// checkComparisons compares all values with each other.
func (s *stored) checkComparisons(t *testing.T) {
	t.Helper()
	c := s.column
	if c.Form == listing.JSON {
		s.checkArrays(t)
		return
	}
	inOrder := "a.v"
	switch c.Form {
	case listing.Words:
		inOrder = `a.v::text collate "C"` // as keys are ordered, whatever their collation
	case listing.Spelled:
		if c.Type.Kind == description.Char {
			inOrder = `a.v::text collate "C"`
		}
	}
	rows := s.query(t, "select a.v = b.v, "+inOrder+" < b.v from v as a cross join v as b order by a.place, b.place")
	for n, row := range rows {
		a, b := s.values[n/len(s.values)], s.values[n%len(s.values)]
		equal, less := row[0][0] == 1, row[1][0] == 1
		same := a == b
		if c.Form == listing.Float {
			same = c.Order(a) == c.Order(b)
		}
		if c.Exact() && same != equal {
			t.Errorf("%s = %s is %v, here %v", c.Spell(a), c.Spell(b), equal, same)
		}
		want, got := +1, cmp.Compare(c.Order(a), c.Order(b))
		switch {
		case less:
			want = -1
		case equal:
			want = 0
		}
		if got != want && (got != 0 || c.Distinct(c.Order(a))) && !(want == 0 && !c.Exact()) {
			t.Errorf("%s and %s compare as %d, here %d", c.Spell(a), c.Spell(b), want, got)
		}
	}
}

// checkParameters looks rows up by what a value is spelled as in statements.
func (s *stored) checkParameters(t *testing.T) {
	t.Helper()
	c := s.column
	if c.Form == listing.JSON {
		return
	}
	for i, v := range s.values {
		spelled := c.Spell(v)
		found := s.find(t, spelled)
		if !slices.Contains(found, i) {
			t.Errorf("%s is not found by %s", s.texts[i], spelled)
		}
		for _, n := range found {
			if c.Exact() && s.values[n] != v && c.Form != listing.Float {
				t.Errorf("%s is found by %s", s.texts[n], spelled)
			}
		}
		if c.Type.Kind == description.Char && !slices.Contains(s.find(t, spelled+" "), i) {
			t.Errorf("%q is not found with one more blank", spelled)
		}
		// What a client can ask for is spelled the same again.
		parsed, must := c.ParseValue(spelled)
		free := c.Unchecked()
		if must != "" {
			parsed, must = free.ParseValue(spelled)
		}
		if must == "" && c.Form != listing.Spelled && parsed != v && !(c.Form == listing.Float && c.Order(parsed) == c.Order(v)) {
			t.Errorf("%s is asked for as %s", spelled, c.Spell(parsed))
		}
		if must == "" && !slices.Contains(s.find(t, c.Spell(parsed)), i) {
			t.Errorf("%s is not found by %s", s.texts[i], c.Spell(parsed))
		}
	}
}

// find returns the places of the values that are equal to one that is spelled.
func (s *stored) find(t *testing.T, spelled string) (places []int) {
	t.Helper()
	for _, row := range s.query(t, "select place::text from v where v = $1::text::"+s.column.Castable(), spelled) {
		place, err := strconv.Atoi(string(row[0]))
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place-1)
	}
	return places
}

// checkArrays looks into captured arrays, as a filter does and as PostgreSQL does.
func (s *stored) checkArrays(t *testing.T) {
	t.Helper()
	c := s.column
	parameter := slices.IndexFunc(s.table.Parameters, func(p description.Parameter) bool { return p.Kind == description.Contains && p.Column == c.Number })
	if parameter < 0 {
		return
	}
	var captured []listing.Value
	for _, row := range s.query(t, "select v from v order by place") {
		v, err := pgvalue.DecodeArray(c, row[0])
		if err != nil {
			t.Fatalf("%x: %v", row[0], err)
		}
		captured = append(captured, v)
	}
	for seed := range 40 {
		wanted := listingtest.Values(s.table, c.Number).Example(seed)
		var elements []string
		if err := json.Unmarshal([]byte(s.shown[seed%len(s.shown)]), &elements); err == nil && len(elements) > 0 && seed%2 == 0 {
			if v, must := c.Element.ParseValue(elements[0]); must == "" {
				wanted = v
			}
		}
		f := listing.Filter{{Parameter: parameter, Values: []listing.Value{wanted}}}
		rows := s.query(t, "select v @> array[$1::text::"+c.Element.Castable()+"] from v order by place", c.Element.Spell(wanted))
		for i, row := range rows {
			r := s.table.NewRow()
			r.Set(c.Number, listing.Some(captured[i]))
			if got, want := f.Match(s.table, &r), row[0][0] == 1; got != want {
				t.Errorf("%s has %s: %v, here %v", s.shown[i], c.Element.Spell(wanted), want, got)
			}
		}
	}
}
