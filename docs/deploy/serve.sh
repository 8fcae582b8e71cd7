#!/usr/bin/env bash
# A tracking server for several people on one machine, as plain processes: MLflow with users and passwords, on PostgreSQL.
set -euo pipefail

usage() {
  cat <<'END'
usage: serve.sh start|stop|status [OPTION ...]
       serve.sh user NAME [OPTION ...]                 create a user of MLflow, or change a user's password
       serve.sh backup|restore INTO_OR_FROM [OPTION ...]

  --folder DIR              folder of all data and settings                       (./server)
  --port PORT               of MLflow                                             (5000)
  --database-port PORT      of PostgreSQL                                         (5433)
  --host ADDRESS            address of MLflow; other addresses than this machine's own need a certificate  (127.0.0.1)
  --database-host ADDRESS   second address of PostgreSQL, besides 127.0.0.1; needs a certificate
  --certificate FILE        TLS certificate for other machines, with
  --key FILE                its private key
  --workers N               processes of MLflow                                   (2)
  --database-user NAME      account of PostgreSQL if root calls the script        (postgres, else nobody)

`start` saves the options in DIR/settings, so the other calls need only --folder.

Passwords come from the environment, or from DIR/secrets (mode 600). The first call writes random ones to that file:
GANBENCH_ADMIN_PASSWORD (MLflow's user admin), GANBENCH_STUDIES_PASSWORD (PostgreSQL's role and database studies),
GANBENCH_MLFLOW_PASSWORD (PostgreSQL's role of MLflow), GANBENCH_POSTGRES_PASSWORD (its superuser), GANBENCH_FLASK_KEY.
`user` reads the new password from GANBENCH_USER_PASSWORD, or prompts for it. MLflow requires at least 12 characters.

MLFLOW is the mlflow command; by default .venv/bin/mlflow of this repository, else mlflow. POSTGRES_BIN is the folder of initdb and pg_ctl.
END
}

fail() {
  echo "error: $*" >&2
  exit 2
}

SECRETS=(ADMIN STUDIES MLFLOW POSTGRES)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=docs/deploy/postgres.sh
source "$here/postgres.sh"

# ---- settings ----

defaults() {
  folder=server port=5000 database_port=5433 host=127.0.0.1 database_host="" certificate="" key="" workers=2 database_user=""
}

parse() {
  local given=("$@") index=0 name
  for ((index = 0; index < ${#given[@]}; index++)); do # the folder first, because options override its settings
    if [[ ${given[index]} == --folder ]]; then folder=${given[index + 1]:-}; fi
  done
  [[ -n $folder ]] || fail "--folder takes a folder"
  mkdir -p "$folder" 2>/dev/null || fail "the folder $folder cannot be made"
  folder=$(cd "$folder" && pwd)
  if [[ -f $folder/settings ]]; then
    while IFS='=' read -r name value; do printf -v "$name" %s "$value"; done <"$folder/settings"
  fi
  while (($#)); do
    case $1 in
      --folder | --port | --database-port | --host | --database-host | --certificate | --key | --workers | --database-user)
        (($# > 1)) || fail "$1 takes a value"
        name=${1#--}
        [[ $1 == --folder ]] || printf -v "${name//-/_}" %s "$2"
        shift 2
        ;;
      *) fail "there is no option '$1': see serve.sh --help" ;;
    esac
  done
  for name in certificate key; do [[ -z ${!name} ]] || printf -v "$name" %s "$(realpath "${!name}")"; done
  for name in port database_port workers; do [[ ${!name} =~ ^[1-9][0-9]*$ ]] || fail "--${name//_/-} takes a number, not '${!name}'"; done
}

# Save the settings for the other calls. Running servers must keep the settings that they were started with.
save_settings() {
  local name
  for name in port database_port host database_host certificate key workers database_user; do printf '%s=%s\n' "$name" "${!name}"; done >"$folder/settings.new"
  if { database_runs || mlflow_pid >/dev/null; } && ! cmp -s "$folder/settings.new" "$folder/settings"; then
    rm "$folder/settings.new" && fail "it runs with other settings: stop first"
  fi
  mv "$folder/settings.new" "$folder/settings"
}

is_local() {
  [[ $1 == 127.* || $1 == localhost || $1 == ::1 ]]
}

check_addresses() {
  [[ -z $certificate$key || (-r $certificate && -r $key) ]] || fail "--certificate and --key take two files that can be read"
  [[ -n $certificate ]] || is_local "$host" || fail "--host $host is for other machines: passwords would travel as plain text without --certificate and --key"
  [[ -n $certificate || -z $database_host ]] || fail "--database-host $database_host is for other machines: give --certificate and --key"
}

# ---- secrets ----

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# Set every secret as a variable: from the environment, else from the file, else a new one, which is added to the file.
read_secrets() {
  local file=$folder/secrets name value
  if [[ -e $file && -n $(find "$file" -perm /077) ]]; then fail "others may read $file: chmod 600 it, and change the passwords in it"; fi
  if [[ -f $file ]]; then
    while IFS='=' read -r name value; do [[ -n ${!name:-} ]] || printf -v "$name" %s "$value"; done <"$file"
  fi
  for name in "${SECRETS[@]/%/_PASSWORD}" FLASK_KEY; do
    name=GANBENCH_$name
    if [[ -z ${!name:-} ]]; then
      printf -v "$name" %s "$(random)"
      printf '%s=%s\n' "$name" "${!name}" >>"$file"
    fi
  done
}

# ---- MLflow ----

find_mlflow() {
  local own
  own=$here/../../.venv/bin/mlflow
  if [[ -n ${MLFLOW:-} ]]; then mlflow=$MLFLOW; elif [[ -x $own ]]; then mlflow=$own; else mlflow=mlflow; fi
  mlflow=$(command -v "$mlflow") || fail "there is no mlflow: pip install 'ganbench[server]', or set MLFLOW"
  python=$(dirname "$mlflow")/python
}

url() {
  if [[ -n $certificate ]]; then echo "https://$host:$port"; else echo "http://$host:$port"; fi
}

mlflow_pid() {
  local pid
  pid=$(cat "$folder/mlflow.pid" 2>/dev/null) && [[ $(ps -o args= -p "$pid" 2>/dev/null) == *mlflow*server* ]] && echo "$pid"
}

mlflow_answers() {
  "$python" - "$(url)/health" <<'END' 2>/dev/null
import ssl, sys, urllib.request
unverified = ssl.create_default_context()
unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
urllib.request.urlopen(sys.argv[1].replace("//0.0.0.0:", "//127.0.0.1:"), timeout=2, context=unverified)
END
}

start_mlflow() {
  local tls=()
  if mlflow_pid >/dev/null; then return; fi
  printf '[mlflow]\n%s\n' "default_permission = EDIT
database_uri = postgresql://mlflow@127.0.0.1:$database_port/auth
admin_username = admin
auth_cache_ttl_seconds = 60
authorization_function = mlflow.server.auth:authenticate_request_basic_auth" >"$folder/auth.ini"
  if [[ -n $certificate ]]; then tls=(--uvicorn-opts "--ssl-certfile '$certificate' --ssl-keyfile '$key'"); fi
  MLFLOW_AUTH_CONFIG_PATH=$folder/auth.ini MLFLOW_AUTH_ADMIN_PASSWORD=$GANBENCH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY=$GANBENCH_FLASK_KEY \
    PGPASSWORD=$GANBENCH_MLFLOW_PASSWORD MLFLOW_BACKEND_STORE_URI=postgresql://mlflow@127.0.0.1:$database_port/mlflow MLFLOW_TRACKING_URI="" \
    MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    setsid "$mlflow" server --app-name basic-auth --host "$host" --port "$port" --workers "$workers" \
    --artifacts-destination "$folder/artifacts" "${tls[@]}" </dev/null >>"$folder/mlflow.log" 2>&1 &
  echo $! >"$folder/mlflow.pid"
  until mlflow_answers; do
    kill -0 $! 2>/dev/null || fail "MLflow does not start: see $folder/mlflow.log"
    sleep 0.5
  done
}

stop_mlflow() {
  local pid
  pid=$(mlflow_pid) || return 0
  kill -TERM -- "-$pid"
  for _ in $(seq 50); do
    if ! kill -0 -- "-$pid" 2>/dev/null; then break; fi
    sleep 0.2
  done
  kill -KILL -- "-$pid" 2>/dev/null || true
  rm -f "$folder/mlflow.pid"
}

# ---- verbs ----

start() {
  check_addresses
  find_mlflow
  save_settings
  start_database
  start_mlflow
  status
}

status() {
  local pid answer=0
  if database_runs; then echo "PostgreSQL runs on 127.0.0.1:$database_port${database_host:+ and $database_host:$database_port}"; else answer=3 && echo "PostgreSQL is stopped"; fi
  if pid=$(mlflow_pid); then echo "MLflow runs at $(url), process $pid"; else answer=3 && echo "MLflow is stopped"; fi
  return $answer
}

stop() {
  stop_mlflow
  stop_database
}

user() {
  local name=$1
  find_mlflow
  if [[ -z ${GANBENCH_USER_PASSWORD:-} ]]; then read -rsp "password of $name: " GANBENCH_USER_PASSWORD && echo; fi
  [[ ${#GANBENCH_USER_PASSWORD} -ge 12 ]] || fail "the password has ${#GANBENCH_USER_PASSWORD} characters; MLflow requires at least 12"
  GANBENCH_USER_PASSWORD=$GANBENCH_USER_PASSWORD MLFLOW_TRACKING_USERNAME=admin MLFLOW_TRACKING_PASSWORD=$GANBENCH_ADMIN_PASSWORD MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_TRACKING_SERVER_CERT_PATH=$certificate "$python" -W ignore - "$(url)" "$name" <<'END' || fail "the user $name was not created"
import os, sys
from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client
users, name, password = get_app_client("basic-auth", tracking_uri=sys.argv[1]), sys.argv[2], os.environ["GANBENCH_USER_PASSWORD"]
try:
    try:
        users.get_user(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        users.create_user(name, password)
    else:
        users.update_user_password(name, password)
except MlflowException as error:
    sys.exit(f"error: {error.message.splitlines()[0]}")
END
}

main() {
  umask 077
  defaults
  local verb=${1:-} argument=()
  case $verb in
    "" | -h | --help) usage && exit 0 ;;
    start | stop | status) shift ;;
    user | backup | restore)
      [[ -n ${2:-} && $2 != -* ]] || fail "$verb takes a name: see serve.sh --help"
      argument=("$2")
      shift 2
      ;;
    *) fail "there is no '$verb': see serve.sh --help" ;;
  esac
  parse "$@"
  bin=$(postgres_bin) || exit
  choose_database_user
  read_secrets
  export GANBENCH_MLFLOW_PASSWORD GANBENCH_STUDIES_PASSWORD # for psql's \set
  "$verb" "${argument[@]}"
}

main "$@"
