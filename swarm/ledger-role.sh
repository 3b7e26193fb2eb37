#!/bin/sh
# Runs once in the postgres container, when its database is created: creates the role of counter-svc,
# which owns the database and has no other rights. The services do not use the superuser. psql reads the
# password itself, so no command line contains it.
set -eu
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set password `cat /run/secrets/ledger_pw`
CREATE ROLE pathcount LOGIN PASSWORD :'password';
ALTER DATABASE :"DBNAME" OWNER TO pathcount;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
SQL
