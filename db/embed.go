// Package db holds everything that is SQL or data: the migrations of the
// application's table, which are applied once each and never edited; the capture
// triggers, which are installed anew whenever they differ; the description that ships; the
// roles; the sample.
package db

import "embed"

// Migrations are golang-migrate's files, in the folder migrations.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Triggers are the files of the capture, in the folder triggers, templates of SQL. Those in
// triggers/table are for each described table, the others for all of them together.
//
//go:embed triggers/*.sql triggers/table/*.sql
var Triggers embed.FS

// Listings is the description that ships, of the table that the migrations make.
//
//go:embed listings.yaml
var Listings string

// Sample is the folder sample: 932 real home sales around Sacramento, California, in sacramento.csv,
// and SQL for a database that has just got them; see sample/README.md.
//
//go:embed sample
var Sample embed.FS

// Grants gives the roles of a deployment, where they exist, what they need.
//
//go:embed grants.sql
var Grants string

// Roles makes the three roles of a deployment; a script of psql, since passwords are
// its variables.
//
//go:embed roles.sql
var Roles string
