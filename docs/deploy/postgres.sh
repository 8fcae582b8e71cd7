# shellcheck shell=bash
# PostgreSQL's part of serve.sh, which sources this file: data, roles, process, backup and restore.

DATABASES=(mlflow auth studies)

postgres_bin() {
  local found tool
  found=${POSTGRES_BIN:-$(dirname "$(realpath "$(command -v pg_ctl || echo /none/pg_ctl)")")}
  if [[ ! -x $found/pg_ctl ]]; then found=$(find /usr/lib/postgresql/*/bin -name pg_ctl -printf '%h\n' 2>/dev/null | sort -V | tail -1); fi
  for tool in initdb pg_ctl psql pg_dump pg_restore; do
    [[ -x $found/$tool ]] || fail "there is no $tool of PostgreSQL in '$found': install PostgreSQL (Debian: postgresql), or set POSTGRES_BIN"
  done
  echo "$found"
}

# PostgreSQL refuses to run as root. If root calls the script, it runs as another user.
as_database_user() {
  if ((EUID)); then "$@"; else setpriv --reuid "$database_user" --regid "$(id -g "$database_user")" --clear-groups "$@"; fi
}

choose_database_user() {
  ((EUID == 0)) || return 0
  [[ -n $database_user ]] || database_user=$(id -un postgres 2>/dev/null || echo nobody)
  id "$database_user" >/dev/null 2>&1 || fail "there is no user '$database_user'"
}

prepare_folder() {
  mkdir -p "$folder/postgres"
  ((EUID == 0)) || return 0
  chmod 711 "$folder"
  chown "$database_user" "$folder/postgres"
  as_database_user test -x "$folder/postgres" || fail "the user $database_user cannot reach $folder: choose another --folder, e.g. under /srv"
}

as_superuser() {
  PGPASSWORD=$GANBENCH_POSTGRES_PASSWORD "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$database_port" -U postgres -d postgres "$@"
}

# Run a tool of PostgreSQL as the owner of a database.
as_owner() {
  local tool=$1 database=$2 password=$GANBENCH_MLFLOW_PASSWORD role=mlflow
  if [[ $database == studies ]]; then password=$GANBENCH_STUDIES_PASSWORD role=studies; fi
  PGPASSWORD=$password "$bin/$tool" -h 127.0.0.1 -p "$database_port" -U "$role" -d "$database" "${@:3}"
}

make_database() {
  local password=$folder/postgres/password
  (umask 077 && printf '%s\n' "$GANBENCH_POSTGRES_PASSWORD" >"$password")
  ((EUID)) || chown "$database_user" "$password"
  as_database_user "$bin/initdb" -D "$folder/postgres/data" -U postgres -A scram-sha-256 --pwfile "$password" -E UTF8 --no-locale >/dev/null ||
    { rm -rf "$password" "$folder/postgres/data" && fail "PostgreSQL's data cannot be made in $folder/postgres"; }
  rm "$password"
}

# Clients on other machines need TLS, and all clients need a password. There is no Unix socket.
configure_database() {
  local data=$folder/postgres/data tls=off addresses=127.0.0.1${database_host:+,$database_host}
  if [[ $database_host == 0.0.0.0 ]]; then addresses=0.0.0.0; fi
  {
    echo "host all all 127.0.0.1/32 scram-sha-256"
    if [[ -n $certificate ]]; then echo "hostssl all all all scram-sha-256"; fi
  } >"$data/pg_hba.conf"
  if [[ -n $certificate ]]; then
    tls=on
    install -m 600 "$certificate" "$data/server.crt"
    install -m 600 "$key" "$data/server.key"
    ((EUID)) || chown "$database_user" "$data/server.crt" "$data/server.key"
  fi
  database_options="-p $database_port -c listen_addresses=$addresses -c unix_socket_directories='' -c ssl=$tls -c max_connections=$((50 * workers + 50))"
}

# Create the missing roles and databases. psql itself reads the passwords, and PostgreSQL logs none of these statements.
make_roles() {
  as_superuser >/dev/null 2>&1 <<'END' || fail "PostgreSQL refuses the password of its superuser, or is out of order: see $folder/postgres/log"
SET log_statement = 'none'; SET log_min_error_statement = 'panic';
\set mlflow `printf %s "$GANBENCH_MLFLOW_PASSWORD"`
\set studies `printf %s "$GANBENCH_STUDIES_PASSWORD"`
SELECT format('CREATE ROLE %I LOGIN', name) FROM (VALUES ('mlflow'), ('studies')) AS wanted(name) WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
ALTER ROLE mlflow PASSWORD :'mlflow';
ALTER ROLE studies PASSWORD :'studies';
SELECT format('CREATE DATABASE %I OWNER %I', name, owner) FROM (VALUES ('mlflow', 'mlflow'), ('auth', 'mlflow'), ('studies', 'studies')) AS wanted(name, owner)
WHERE name NOT IN (SELECT datname FROM pg_database) \gexec
REVOKE CONNECT ON DATABASE mlflow, auth, studies, postgres FROM PUBLIC;
END
}

# Find the server by its process, so that root can stop it without another user's tools.
database_pid() {
  local pid
  pid=$(head -1 "$folder/postgres/data/postmaster.pid" 2>/dev/null) && [[ $(ps -o comm= -p "$pid" 2>/dev/null) == postgres ]] && echo "$pid"
}

database_runs() {
  database_pid >/dev/null
}

start_database() {
  if database_runs; then return; fi
  prepare_folder
  [[ -d $folder/postgres/data ]] || make_database
  configure_database
  as_database_user "$bin/pg_ctl" -D "$folder/postgres/data" -l "$folder/postgres/log" -o "$database_options" -w start >/dev/null ||
    fail "PostgreSQL does not start: see $folder/postgres/log"
  make_roles
}

stop_database() {
  local pid
  pid=$(database_pid) || return 0
  kill -INT "$pid" # PostgreSQL's fast shutdown: disconnects clients and writes everything to disk
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
}

backup() {
  local into=$1 database
  database_runs || fail "PostgreSQL is stopped: start first"
  mkdir -p "$into" 2>/dev/null || fail "the folder $into cannot be made"
  for database in "${DATABASES[@]}"; do as_owner pg_dump "$database" --format custom --file "$into/$database.dump"; done
  mkdir -p "$folder/artifacts"
  tar -C "$folder" -cf "$into/artifacts.tar" artifacts # after the databases, so that the backup has every artifact of its runs
}

restore() {
  local from=$1 database
  for database in "${DATABASES[@]}"; do [[ -r $from/$database.dump ]] || fail "$from is not a backup: it has no $database.dump"; done
  if mlflow_pid >/dev/null; then fail "MLflow runs: stop first"; fi
  check_addresses
  save_settings
  start_database
  for database in "${DATABASES[@]}"; do
    as_owner pg_restore "$database" --clean --if-exists --no-owner --exit-on-error --single-transaction "$from/$database.dump"
  done
  rm -rf "$folder/artifacts"
  tar -C "$folder" -xf "$from/artifacts.tar"
  stop_database
}
