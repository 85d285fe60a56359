// Package schema brings the database into the shape that freshlist needs: it
// applies migrations, installs the capture triggers, gives the roles their rights
// and loads sample listings.
//
// Migrations are applied once each, in order, and never edited. The triggers are
// different: they are code, edited in place and installed anew whenever what is
// installed differs from what this program was built with.
package schema

// Advisory locks of the deployment's database. The capture functions know the
// first by its number.
const (
	DoorbellLock int64 = 7382074285561244019 // the bytes "freshlis": held exclusively by the invalidator while it sleeps
	LeaderLock   int64 = DoorbellLock + 1    // held by the one invalidator that leads
	InstallLock  int64 = DoorbellLock + 2    // held by the one installation that is under way
)
