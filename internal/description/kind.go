package description

import (
	"cmp"
	"fmt"
)

// Kind is what programs know of a type: how its values are compared, and how they are
// written.
type Kind string

// The kinds of types. Other stands for all that are only shown, as PostgreSQL's own JSON
// of them.
const (
	Smallint    Kind = "smallint"
	Integer     Kind = "integer"
	Bigint      Kind = "bigint"
	Numeric     Kind = "numeric"
	Real        Kind = "real"
	Double      Kind = "double"
	Boolean     Kind = "boolean"
	Date        Kind = "date"
	Timestamp   Kind = "timestamp"
	TimestampTZ Kind = "timestamptz"
	UUID        Kind = "uuid"
	Enum        Kind = "enum"
	Text        Kind = "text"
	Varchar     Kind = "varchar"
	Char        Kind = "char" // of a fixed length, filled up with blanks
	Array       Kind = "array"
	Other       Kind = "other"
)

// Type is the type of a column. A domain is what it is based on.
type Type struct {
	Kind      Kind     `json:"kind"`
	Name      string   `json:"name"`                // as format_type spells what the column was declared with
	Base      string   `json:"base,omitempty"`      // the type behind a domain, or the enum, if Name is not it
	Precision int      `json:"precision,omitempty"` // of a numeric: digits; 0: any number
	Scale     int      `json:"scale,omitempty"`     // of a numeric: digits behind the point
	Bytes     int      `json:"bytes,omitempty"`     // the length of a value; 0: it varies
	Labels    []string `json:"labels,omitempty"`    // of an enum, in its order
	Element   *Type    `json:"element,omitempty"`   // of an array
	Collation string   `json:"collation,omitempty"` // of a text: its name
	Loose     bool     `json:"loose,omitempty"`     // of a text: its collation takes different texts for equal
	Bytewise  bool     `json:"bytewise,omitempty"`  // of a text: it is ordered by its bytes
}

// Exactness says whether a program can tell what PostgreSQL would say.
type Exactness uint8

// The degrees of exactness.
const (
	Never Exactness = iota // the comparison is not offered
	Wide                   // only PostgreSQL can tell: every change counts
	Exact                  // programs compare as PostgreSQL does
)

// exactDigits is how many digits a number may have that is kept in 64 bits.
const exactDigits = 18

// Equality says how exactly programs tell which values are equal.
func (t Type) Equality() Exactness {
	switch t.Kind {
	case Smallint, Integer, Bigint, Boolean, Date, Timestamp, TimestampTZ, UUID, Enum, Double:
		return Exact
	case Numeric:
		return t.numericExactness()
	case Text, Varchar, Char:
		if t.Loose {
			return Wide
		}
		return Exact
	case Real:
		return Wide
	case Array:
		return t.Element.Equality()
	}
	return Never
}

// Order says how exactly programs tell which value is greater.
func (t Type) Order() Exactness {
	switch t.Kind {
	case Smallint, Integer, Bigint, Boolean, Date, Timestamp, TimestampTZ, UUID, Enum, Double, Real, Numeric:
		return Exact
	case Text, Varchar:
		if t.Bytewise && !t.Loose {
			return Exact
		}
		return Wide
	case Char:
		return Wide
	}
	return Never
}

func (t Type) numericExactness() Exactness {
	if t.Precision >= 1 && t.Precision <= exactDigits && t.Scale >= 0 && t.Scale <= exactDigits {
		return Exact
	}
	return Wide
}

// degreesDigits is how many digits a number may have for two of them to be equal as
// double precision only if they are equal.
const degreesDigits = 15

// Within says how exactly programs tell whether degrees lie between two of double precision.
func (t Type) Within() Exactness {
	switch {
	case t.Kind == Real, t.Kind == Numeric && (t.numericExactness() == Wide || t.Precision > degreesDigits):
		return Wide
	}
	return t.Order()
}

// whole reports whether values are whole numbers.
func (t Type) whole() bool { return t.Kind == Smallint || t.Kind == Integer || t.Kind == Bigint }

// number reports whether values are numbers.
func (t Type) number() bool {
	return t.whole() || t.Kind == Numeric || t.Kind == Real || t.Kind == Double
}

// time reports whether values are days or instants.
func (t Type) time() bool { return t.Kind == Date || t.Kind == Timestamp || t.Kind == TimestampTZ }

// vector reports whether values are words of a text search with their places.
func (t Type) vector() bool { return t.Kind == Other && cmp.Or(t.Base, t.Name) == "tsvector" }

// text reports whether values are texts of any content.
func (t Type) text() bool { return t.Kind == Text || t.Kind == Varchar || t.Kind == Char }

// refusal says why a use does not go with a type, and what to do instead; "" if it does.
type refusal struct{ why, remedy string }

const onlyShown = "it is only shown, as PostgreSQL's own JSON of it"

// filters says whether a kind of filter goes with the type.
func (t Type) filters(kind string) refusal {
	switch kind {
	case "any-of":
		return t.anyOf()
	case "range", "min", "max":
		return t.ranges(kind)
	case "contains":
		switch {
		case t.Kind != Array:
			return refusal{"only an array contains values", t.otherFilter()}
		case t.Element.Equality() == Never:
			return refusal{"of an array of this type " + onlyShown, "remove the filter"}
		}
	}
	return refusal{}
}

func (t Type) anyOf() refusal {
	switch {
	case t.whole(), t.text(), t.Kind == Numeric, t.Kind == Boolean, t.Kind == Date, t.Kind == UUID, t.Kind == Enum:
		return refusal{}
	case t.Kind == Double, t.Kind == Real:
		return refusal{"two such numbers are hardly ever equal", "write filter: range"}
	case t.time():
		return refusal{"two such instants are hardly ever equal", "write filter: range"}
	case t.Kind == Array:
		return refusal{"an array is not one value", t.otherFilter()}
	}
	return refusal{onlyShown, t.otherFilter()}
}

func (t Type) ranges(kind string) refusal {
	switch {
	case t.number(), t.time():
		return refusal{}
	case t.Kind == Other, t.Kind == Array:
		return refusal{onlyShown, t.otherFilter()}
	}
	return refusal{fmt.Sprintf("%s is for numbers, dates and instants", kind), t.otherFilter()}
}

// otherFilter says which filter goes with the type.
func (t Type) otherFilter() string {
	switch {
	case t.anyOfSuits():
		return "write filter: any-of"
	case t.number(), t.time():
		return "write filter: range"
	case t.Kind == Array && t.Element.Equality() != Never:
		return "write filter: contains"
	case t.Kind == Other:
		return "remove it, or add a column of another type:\nALTER TABLE ... ADD ... text GENERATED ALWAYS AS (...) STORED"
	}
	return "remove the filter"
}

func (t Type) anyOfSuits() bool {
	return t.text() || t.Kind == Boolean || t.Kind == UUID || t.Kind == Enum
}

// sorts says whether lists can be sorted by the type.
func (t Type) sorts() refusal {
	switch {
	case t.Order() != Never:
		return refusal{}
	case t.Kind == Array:
		return refusal{"an array has no order that anybody would expect", "remove it"}
	}
	return refusal{onlyShown, "remove it"}
}

// facets says whether rows can be counted by the values of the type.
func (t Type) facets() refusal {
	switch {
	case t.Kind == Other:
		return refusal{onlyShown, "remove it"}
	case t.Kind == Array:
		return refusal{"the values in arrays are not counted", "remove it"}
	case t.Kind == Double, t.Kind == Real, t.Kind == Timestamp, t.Kind == TimestampTZ:
		return refusal{"nearly every row has a value of its own", "remove it"}
	case t.text() && t.Loose:
		return refusal{fmt.Sprintf("its collation %s takes different texts for equal, so that PostgreSQL shows any of them", quoteName(t.Collation)),
			"remove it, or give the column a deterministic collation"}
	}
	return refusal{}
}

// stats says whether there is a mean of the type, which does not depend on the order of
// the rows.
func (t Type) stats() refusal {
	switch {
	case t.whole(), t.Kind == Numeric:
		return refusal{}
	case t.Kind == Double, t.Kind == Real:
		return refusal{"the sum of such numbers depends on the order in which they are added", "remove it, or make the column numeric"}
	case t.time():
		return refusal{"instants have no mean", "remove it; a filter shows the range"}
	}
	return refusal{"it is no number", "remove it"}
}

// keys says whether rows can be told apart by the type.
func (t Type) keys() refusal {
	switch {
	case t.whole(), t.Kind == UUID:
		return refusal{}
	case (t.Kind == Text || t.Kind == Varchar) && t.Loose:
		return refusal{fmt.Sprintf("its collation %s takes different texts for equal", quoteName(t.Collation)), "give the column a deterministic collation"}
	case t.Kind == Text, t.Kind == Varchar:
		return refusal{}
	}
	return refusal{"a key is of the type smallint, integer, bigint, uuid, text or varchar", "name another column that is unique and NOT NULL by key:"}
}

// joins reports whether a column of one type can hold the key of the other.
func (t Type) joins(key Type) bool {
	switch {
	case t.whole():
		return key.whole()
	case t.Kind == Text, t.Kind == Varchar:
		return !t.Loose && (key.Kind == Text || key.Kind == Varchar)
	}
	return t.Kind == UUID && key.Kind == UUID
}

// shows says whether pages can print the type in a way.
func (t Type) shows(way string) refusal {
	text := t.text() || t.Kind == Enum
	switch way {
	case "money", "number":
		if !t.number() {
			return refusal{"it is no number", "remove it"}
		}
	case "date":
		if !t.time() {
			return refusal{"it is no date", "remove it"}
		}
	case "time":
		if t.Kind != Timestamp && t.Kind != TimestampTZ {
			return refusal{"it is no instant", "remove it"}
		}
	case "words", "name", "paragraph", "link", "image":
		if !text {
			return refusal{"it is no text", "remove it"}
		}
	case ShowSVG:
		if t.Kind != Text && t.Kind != Varchar {
			return refusal{"it is no text of any length", "remove it"}
		}
	case "badge":
		if !text && t.Kind != Boolean {
			return refusal{"it is neither a text nor true or false", "remove it"}
		}
	}
	return refusal{}
}
