// Package dashboard is the page at the invalidator's private address: what is being purged, and
// why; what all API processes do; why something is not cached; and two boxes that explain an
// address and try a statement.
//
// Everything is rendered here, once for all who look on: the page as a whole, and while it is open
// its parts, as they change, over a stream of events. Its script only puts them in their places.
// Without the script the page shows the state of the moment at which it was loaded.
//
// Its invariants: while nobody looks on it does nothing; those who look on cost together what one
// does, but for the sending; a page of another origin can neither read it nor have it do anything.
package dashboard
