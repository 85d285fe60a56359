package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/db"
)

// Roles are the addresses of one database for the three roles of a deployment.
type Roles struct{ Owner, API, Invalidator string }

// The names of the roles, in the order of Roles, and of psql's variables for their
// passwords.
var (
	roleNames     = [...]string{"freshlist_owner", "freshlist_api", "freshlist_invalidator"}
	roleVariables = [...]string{"owner_password", "api_password", "invalidator_password"}
)

// SetUp makes a database and the roles of a deployment in it, if they are not
// there. The first call gives the roles new random passwords.
func (p *Postgres) SetUp(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, p.SuperuserURL("postgres"))
	if err != nil {
		return err
	}
	err = p.setUp(ctx, conn, database)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

func (p *Postgres) setUp(ctx context.Context, conn *pgx.Conn, database string) error {
	var hasDatabase bool
	var roles int
	err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1),
		(select count(*) from pg_roles where rolname = any($2))`, database, roleNames[:]).Scan(&hasDatabase, &roles)
	if err != nil {
		return fmt.Errorf("look for database and roles: %w", err)
	}
	if !hasDatabase {
		if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{database}.Sanitize()); err != nil {
			return err
		}
	}
	if p.rolePasswords[0] != "" {
		return nil
	}
	for i := range p.rolePasswords {
		p.rolePasswords[i] = rand.Text()
	}
	if roles == 0 {
		return p.createRoles(ctx, database)
	}
	for i, role := range roleNames { // a password consists of letters and digits
		if _, err := conn.Exec(ctx, "alter role "+role+" password '"+p.rolePasswords[i]+"'"); err != nil {
			return err
		}
	}
	return nil
}

// createRoles runs the script of the roles. Its variables are set on standard
// input, where nobody sees them.
func (p *Postgres) createRoles(ctx context.Context, database string) error {
	var script strings.Builder
	for i, variable := range roleVariables {
		fmt.Fprintf(&script, "\\set %s '%s'\n", variable, p.rolePasswords[i])
	}
	script.WriteString(db.Roles)
	cmd := exec.CommandContext(ctx, filepath.Join(p.programs, "psql"),
		"--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-")
	cmd.Env = append(serverEnv(), p.psqlEnv(Superuser, p.password, database)...)
	cmd.Stdin = strings.NewReader(script.String())
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make roles: %w: %s", err, tail(said))
	}
	return nil
}

// Roles returns the addresses of a database for the roles that SetUp has made.
func (p *Postgres) Roles(database string) Roles {
	url := func(i int) string { return p.URL(roleNames[i], p.rolePasswords[i], database) }
	return Roles{Owner: url(0), API: url(1), Invalidator: url(2)}
}

// PsqlEnv returns the environment in which psql connects to a database as its
// owner.
func (p *Postgres) PsqlEnv(database string) []string {
	return p.psqlEnv(roleNames[0], p.rolePasswords[0], database)
}

func (p *Postgres) psqlEnv(role, password, database string) []string {
	return []string{
		"PGHOST=" + host, "PGPORT=" + strconv.Itoa(p.port),
		"PGUSER=" + role, "PGPASSWORD=" + password, "PGDATABASE=" + database,
	}
}
