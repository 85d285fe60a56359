-- The three roles of a deployment, to be run once by a superuser in the deployment's
-- database. Passwords are given afterwards, or by psql variables:
--
--   psql -v owner_password=... -v api_password=... -v invalidator_password=... -f roles.sql

CREATE ROLE freshlist_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE freshlist_api LOGIN PASSWORD :'api_password';
CREATE ROLE freshlist_invalidator LOGIN PASSWORD :'invalidator_password';

-- The owner makes the table in public and the schema freshlist; the others are given
-- their rights by `bin/api migrate up` and `bin/invalidator install` (grants.sql).
SELECT format('GRANT CREATE ON DATABASE %I TO freshlist_owner', current_database()) \gexec
GRANT USAGE, CREATE ON SCHEMA public TO freshlist_owner;
GRANT USAGE ON SCHEMA public TO freshlist_api, freshlist_invalidator;
