#!/bin/sh
# Runs once, inside the postgres container, when its database is first made: gives counter-svc a role
# of its own, which owns the one database and is nothing more than that; the superuser stays unused.
# psql reads the password itself, so that it is in no command line.
set -eu
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set password `cat /run/secrets/ledger_pw`
CREATE ROLE pathcount LOGIN PASSWORD :'password';
ALTER DATABASE :"DBNAME" OWNER TO pathcount;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
SQL
