package description

import (
	"slices"
	"strings"
)

// Catalog is what PostgreSQL says of the relations that a description is about, in one
// snapshot.
type Catalog struct {
	Database       string
	Encoding       string         // UTF8, if it is to be used
	Names          []RelationName // of all tables and views that are users', for the nearest name
	Configurations []string       // of text search
	Relations      []Relation     // those that were asked for and exist
	ForeignKeys    []ForeignKey   // of one column, of those relations to any
}

// RelationKind is what a relation is, as pg_class.relkind says it.
type RelationKind byte

// The kinds of relations that differ in what becomes of them here.
const (
	OrdinaryTable    RelationKind = 'r'
	PartitionedTable RelationKind = 'p'
	ForeignTable     RelationKind = 'f'
	View             RelationKind = 'v'
	MaterializedView RelationKind = 'm'
	SequenceRelation RelationKind = 'S'
	IndexRelation    RelationKind = 'i'
	CompositeType    RelationKind = 'c'
)

// Relation is one relation.
type Relation struct {
	RelationName
	Kind        RelationKind
	Unlogged    bool
	Temporary   bool
	Partition   bool // of a partitioned table
	Parents     bool // it inherits from other tables
	Children    bool // other tables inherit from it
	RowSecurity bool
	Rows        float64     // estimated; below 0: nobody has counted
	Attributes  []Attribute // in the order of their numbers, without dropped ones
	Checks      []string    // the expressions of its checks, as pg_get_expr returns them
	Indexes     []IndexInfo
}

// Attribute is one column of a relation.
type Attribute struct {
	Number    int16
	Name      string
	Type      Type
	NotNull   bool
	Identity  bool
	Generated Generated
	Default   string // the expression; "" if there is none

	Expression string // of a generated column

	Checks []string // the expressions of its domain's checks, in which it is VALUE
	Stats  Stats
}

// Generated says how a generated column gets its value, as pg_attribute.attgenerated does.
type Generated string

// The kinds of generated columns.
const (
	NotGenerated Generated = ""
	Stored       Generated = "s"
	Virtual      Generated = "v"
)

// Stats is what ANALYZE has found in a column.
type Stats struct {
	Known    bool
	Distinct float64 // number of values; below 0: their share of the rows, negated
	NullFrac float64
	Width    int      // bytes, on average
	Common   []string // the most common values, as texts
}

// IndexInfo is one index of a relation.
type IndexInfo struct {
	Name    string
	Method  string // btree, gin and so on
	Primary bool
	Unique  bool
	Valid   bool
	Partial bool    // it has a WHERE
	Columns []int16 // the numbers of the columns that it is about; 0 for an expression
	Keys    int     // how many of Columns are compared; the others are only included

	Expressions string // those of its columns that are expressions, as pg_get_expr returns them
}

// ForeignKey says that the values of a column are those of another.
type ForeignKey struct {
	From, To             RelationName
	FromColumn, ToColumn int16
}

// Relation returns a relation by its name, nil if it is not there.
func (c *Catalog) Relation(name RelationName) *Relation {
	for i := range c.Relations {
		if c.Relations[i].RelationName == name {
			return &c.Relations[i]
		}
	}
	return nil
}

// Attribute returns a column by its name, nil if it is not there.
func (r *Relation) Attribute(name string) *Attribute {
	for i := range r.Attributes {
		if r.Attributes[i].Name == name {
			return &r.Attributes[i]
		}
	}
	return nil
}

func (r *Relation) attributeByNumber(n int16) *Attribute {
	for i := range r.Attributes {
		if r.Attributes[i].Number == n {
			return &r.Attributes[i]
		}
	}
	return nil
}

func (r *Relation) attributeNames() []string {
	names := make([]string, len(r.Attributes))
	for i := range r.Attributes {
		names[i] = r.Attributes[i].Name
	}
	return names
}

// primaryKey returns the columns of the primary key.
func (r *Relation) primaryKey() []int16 {
	for _, x := range r.Indexes {
		if x.Primary {
			return x.Columns[:x.Keys]
		}
	}
	return nil
}

// unique reports whether no two rows have the same value in a column.
func (r *Relation) unique(number int16) bool {
	return slices.ContainsFunc(r.Indexes, func(x IndexInfo) bool {
		return x.Unique && x.Valid && !x.Partial && x.Keys == 1 && x.Columns[0] == number
	})
}

// finds reports whether an index finds the words of a text search: in a column, or, if that is
// 0, in what an expression makes.
func (x *IndexInfo) finds(column int16, expression string) bool {
	if !x.Valid || x.Partial || x.Method != "gin" && x.Method != "gist" && x.Method != "rum" || !slices.Contains(x.Columns[:x.Keys], column) {
		return false
	}
	return column != 0 || strings.Contains(plainExpression(x.Expressions), plainExpression(expression))
}

// plainExpression is an expression without what PostgreSQL adds where it spells it out: brackets,
// casts and blanks.
func plainExpression(e string) string {
	e = strings.NewReplacer("::text", "", "::regconfig", "", "::character varying", "", "pg_catalog.", "").Replace(e)
	return strings.ToLower(strings.NewReplacer("(", "", ")", "", " ", "", "\n", "").Replace(e))
}

// indexed reports whether an index helps to find or order rows by a column.
func (r *Relation) indexed(number int16) bool {
	return slices.ContainsFunc(r.Indexes, func(x IndexInfo) bool {
		return x.Valid && !x.Partial && x.Method == "btree" && len(x.Columns) > 0 && x.Columns[0] == number
	})
}
