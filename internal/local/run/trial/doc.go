// Package trial is the page of buttons that make run serves for a first look: it stops and goes on
// with the invalidator and with Redis, edits listings at random, and shows how soon each edit was
// seen through the API. No other program has it.
//
// Its invariant: it does something only for its own page, opened on this machine.
package trial
