package db

import _ "embed" // for Roles

// Roles makes the three roles of a deployment; a script of psql, since passwords are
// its variables.
//
//go:embed roles.sql
var Roles string
