package listing

import (
	"cmp"
	"errors"
)

// sortNames spells each Sort as the parameter does, by its number.
const sortNames = "newest, price, -price, area or -area"

// String returns the parameter's spelling of the order.
func (s Sort) String() string {
	switch s {
	case PriceAsc:
		return "price"
	case PriceDesc:
		return "-price"
	case AreaAsc:
		return "area"
	case AreaDesc:
		return "-area"
	case Newest:
		return "newest"
	default:
		return "no such sort"
	}
}

// errSort is a fault of the program. (To name the sort here would cost those who ask for
// its column the inlining, which matching feels.)
var errSort = errors.New("listing: there is no such sort")

// sorts are all the orders.
func sorts() [5]Sort { return [...]Sort{Newest, PriceAsc, PriceDesc, AreaAsc, AreaDesc} }

func parseSort(text string) (Sort, bool) {
	for _, s := range sorts() {
		if s.String() == text {
			return s, true
		}
	}
	return Newest, false
}

// Column returns the column that the order looks at first; the id comes second.
func (s Sort) Column() Column {
	switch s {
	case PriceAsc, PriceDesc:
		return Price
	case AreaAsc, AreaDesc:
		return LivingArea
	case Newest:
		return CreatedAt
	default:
		panic(errSort)
	}
}

// Descending tells the direction, of the column and of the id alike.
func (s Sort) Descending() bool { return s == Newest || s == PriceDesc || s == AreaDesc }

// Key returns the row's place in the order.
func (s Sort) Key(r *Row) Key {
	switch s {
	case PriceAsc, PriceDesc:
		return Key{Value: Some(r.Price), ID: r.ID}
	case AreaAsc, AreaDesc:
		return Key{Value: Null[int64]{V: int64(r.LivingArea.V), Valid: r.LivingArea.Valid}, ID: r.ID}
	case Newest:
		return Key{Value: Some(int64(r.CreatedAt)), ID: r.ID}
	default:
		panic(errSort)
	}
}

// Compare returns a negative number if a comes before b in the order, zero if
// they are the same place, and a positive number if a comes after b. It is
// ORDER BY column, id with NULLS LAST in both directions.
func (s Sort) Compare(a, b Key) int {
	switch {
	case a.Value.Valid && !b.Value.Valid:
		return -1
	case !a.Value.Valid && b.Value.Valid:
		return +1
	}
	var c int
	if a.Value.Valid {
		c = cmp.Compare(a.Value.V, b.Value.V)
	}
	if c == 0 {
		c = cmp.Compare(a.ID, b.ID)
	}
	if s.Descending() {
		return -c
	}
	return c
}
