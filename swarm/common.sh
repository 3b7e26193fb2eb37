# shellcheck shell=bash
# Sourced by the commands in this folder: their common settings, requests to Swarm and waiting.
#
#   retried COMMAND…         runs it, and again while Swarm cannot respond
#   wait_until …             waits for a condition and reports every REPORT_S (5) s
#   await_services …         the same for services; repairs tasks that Swarm does not place
#   update_service …         changes a service and waits for the result
#
# Messages go to standard error, results to standard output. Times are in seconds. POLL_S (0.5) is
# the polling interval.
# shellcheck disable=SC2034 # the commands use these variables
set -euo pipefail

SWARM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$SWARM_DIR")
DOCKER=${DOCKER:-docker}
export STACK=${STACK:-pathcount}
export REGISTRY=${REGISTRY:-pathcount} TAG=${TAG:-latest}
IMAGES=(counter-svc render-svc)
SERVICES=(render-svc counter-svc postgres)
NODE_LABEL=pathcount.ledger
HA_IMAGE=postgres-ha HA_MEMBERS=(a b c) HA_LABEL=pathcount.ha REPOSITORY_LABEL=pathcount.repository

# The names in stack.yml, then in swarm/monitoring.yml, then in swarm/ha.yml.
SECRETS=(counter_token admin_token ledger_pw postgres_pw grafana_pw replication_pw patroni_pw backup_tls)

# The original standard error: messages appear there even where the errors of a request are hidden.
exec {MESSAGES}>&2

say() {
    echo "$(basename "$0"): $*" >&"$MESSAGES"
}

die() {
    say "$*"
    exit 1
}

# The help of a command is the comment at its top.
help() {
    sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//p}}' "$0"
}

help_asked() {
    [[ ${1:-} != --help && ${1:-} != -h ]] || {
        help
        exit 0
    }
}

usage() {
    help >&2
    exit 2
}

need_manager() {
    [[ $("$DOCKER" info --format '{{.Swarm.ControlAvailable}}' 2>/dev/null) == true ]] ||
        die "this host is not a Swarm manager: set DOCKER_HOST to a manager," \
            "or create a Swarm with \`docker swarm init\`"
    retried "$DOCKER" node ls --quiet >/dev/null || die "cannot list the nodes of the Swarm"
}

# --- requests

# Transient errors of Swarm: the object was changed since it was read; the managers elect a leader; the
# leader did not respond in time.
TRANSIENT='update out of sequence|does not have a leader|no elected cluster leader'
TRANSIENT+='|lost leader|code = (Unavailable|DeadlineExceeded)'

# retried COMMAND…: runs it, and again for up to RETRY_S (60) s while it fails with one of these errors.
# Returns the status, and prints the errors, of the last run.
retried() {
    local status errors began=$SECONDS said=-1
    while :; do
        status=0
        { errors=$("$@" 2>&1 >&3 3>&-) || status=$?; } 3>&1
        [[ $status != 0 && $errors =~ $TRANSIENT ]] || break
        if ((SECONDS - began >= ${RETRY_S:-60})); then
            say "Swarm has not accepted it within ${RETRY_S:-60} s"
            break
        fi
        if ((said < 0 || SECONDS - said >= ${REPORT_S:-5})); then
            said=$SECONDS
            say "retrying; Swarm reports: $(tail -n 1 <<<"$errors")"
        fi
        sleep "${POLL_S:-0.5}"
    done
    [[ -z $errors ]] || echo "$errors" >&2
    return $status
}

# service_field SERVICE FORMAT: a field of the stack's service; empty if the service does not exist. Ends
# the command on other errors: use it in a separate assignment.
service_field() {
    local answer
    if answer=$(retried "$DOCKER" service inspect "${STACK}_$1" --format "$2" 2>&1); then
        echo "$answer"
    else
        [[ ${answer,,} == *"no such service"* ]] || die "cannot inspect $1: $answer"
    fi
}

# replicas_now SERVICE: the desired number of replicas; empty if the service does not exist.
replicas_now() {
    service_field "$1" '{{.Spec.Mode.Replicated.Replicas}}'
}

# image_now SERVICE: its image, with the digest; empty if the service does not exist.
image_now() {
    service_field "$1" '{{.Spec.TaskTemplate.ContainerSpec.Image}}'
}

# is_ha: whether the running stack has three database servers.
is_ha() {
    [[ $(replicas_now postgres-a) == 1 ]]
}

# labelled LABEL=VALUE: the names of the nodes that have this label.
labelled() {
    retried "$DOCKER" node ls --filter "node.label=$1" --format '{{.Hostname}}'
}

# stack_services: the full names of the existing services.
stack_services() {
    retried "$DOCKER" service ls --filter "label=com.docker.stack.namespace=$STACK" \
        --format '{{.Name}}'
}

# --- waiting

# look WORD…: Docker's client with a timeout, for requests that are repeated without a response.
look() {
    timeout "${LOOK_S:-60}" "$DOCKER" "$@"
}

# wait_until SECONDS WHAT SERVICES COMMAND…: waits until the command succeeds, and runs it every POLL_S s.
# Every REPORT_S s it reports WHAT, the text that the command stored in `missing`, and the tasks of these
# services (full names in one word) that do not run, and repairs them. Fails after SECONDS.
wait_until() {
    local seconds=$1 what=$2 services=$3 began=$SECONDS said=$SECONDS missing=''
    shift 3
    until "$@"; do
        if ((SECONDS - began >= seconds)); then
            describe "$services"
            die "$what: not within $seconds s${missing:+: ${missing//$'\n'/; }}"
        fi
        if ((SECONDS - said >= ${REPORT_S:-5})); then
            said=$SECONDS
            say "waiting for $what, $((SECONDS - began)) s${missing:+: ${missing//$'\n'/; }}"
            describe "$services"
            repair
        fi
        sleep "${POLL_S:-0.5}"
    done
}

# await_services SECONDS SERVICE…: waits until each service (full name) has all replicas of its latest
# version. Fails after SECONDS, or when Swarm has paused an update.
await_services() {
    local seconds=$1
    shift
    wait_until "$seconds" "every replica" "$*" settled "$@"
}

# settled SERVICE…: the condition of await_services.
settled() {
    local known tasks line name wanted state message running
    local format='{{.Spec.Name}}|{{.Spec.Mode.Replicated.Replicas}}'
    format+='|{{with .UpdateStatus}}{{.State}}|{{.Message}}{{end}}'
    # Docker's client uses the filter `_up-to-date` for its own waiting, too.
    if ! known=$(look service inspect --format "$format" "$@" 2>&1) ||
        ! tasks=$(look service ps --filter desired-state=running --filter _up-to-date=true \
            --format '{{.Name}} {{.CurrentState}}' "$@" 2>&1); then
        missing="Swarm reports: $(tail -n 1 <<<"$known${tasks:-}")"
        return 1
    fi
    missing=''
    while IFS='|' read -r name wanted state message; do
        [[ $wanted =~ ^[0-9]+$ ]] || continue
        running=$(grep -c "$name\.[0-9]* Running" <<<"$tasks" || true)
        line="${name#"${STACK}_"}: $running of $wanted run"
        case $state in
        *paused) die "Swarm has paused the update: ${name#"${STACK}_"}: $message" ;;
        updating) line+=", update in progress" ;;
        rollback_started) line+=", rollback in progress" ;;
        *) [[ $running != "$wanted" ]] || continue ;;
        esac
        missing+=${missing:+$'\n'}$line
    done <<<"$known"
    [[ -z $missing ]]
}

# nodes_unlike PATTERN: a line for each node whose name, status, availability and manager status do not
# match.
nodes_unlike() {
    local nodes
    nodes=$(look node ls --format '{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}' 2>&1) ||
        nodes="Swarm reports: $(tail -n 1 <<<"$nodes")"
    sed 's/ *$//' <<<"$nodes" | grep -vE "$1" || true
}

# unready_nodes: a line for each node that accepts no tasks.
unready_nodes() {
    nodes_unlike ' Ready Active( |$)'
}

# Services with a task that Swarm does not place although a node is free: since when, and how often
# repaired.
declare -A STUCK_SINCE=() REPAIRED=()

# describe SERVICES: reports Swarm's reason for each of their tasks that does not run, and nodes that are
# not ready; records in STUCK_SINCE the services that need `repair`.
describe() {
    local tasks nodes name node desired state error lines=0 stuck=' '
    [[ -n $1 ]] || return 0
    nodes=$(unready_nodes)
    [[ -z $nodes ]] || say "    nodes not ready: ${nodes//$'\n'/; }"
    # Names to be split.
    # shellcheck disable=SC2086
    tasks=$(look service ps --no-trunc \
        --format '{{.Name}}|{{.Node}}|{{.DesiredState}}|{{.CurrentState}}|{{.Error}}' $1 2>&1) || {
        say "    Swarm reports: $(tail -n 1 <<<"$tasks")"
        return 0
    }
    while IFS='|' read -r name node desired state error; do
        # Runs or has ended as desired.
        [[ $desired != Running || $state != Running* ]] || continue
        [[ $desired == @(Running|Ready) || $state == Running* || -n $error ]] || continue
        error=${error#\"} error=${error%\"}
        ((lines += 1, lines > 8)) || say "    ${name#*"${STACK}_"} on ${node:-no node}: $state," \
            "desired ${desired,,}${error:+: $error}"
        [[ $desired != Running || $state != Pending* ]] || ! has_place "$error" "$nodes" ||
            stuck+="${name#*"${STACK}_"} "
    done <<<"$tasks"
    for name in $1; do
        if [[ $stuck == *" ${name#"${STACK}_"}."* ]]; then
            : "${STUCK_SINCE[$name]:=$SECONDS}"
        else
            unset "STUCK_SINCE[$name]"
        fi
    done
}

# has_place ERROR UNREADY: whether Swarm's reason for not placing a task is outdated. After a change of
# leader its scheduler may still take ready nodes for unavailable, and free ports for used.
has_place() {
    local unready
    unready=$(grep -c . <<<"$2" || true)
    [[ $1 == *"no suitable node"* ]] || return 1
    [[ $1 =~ ([0-9]+)\ nodes?\ not\ available && ${BASH_REMATCH[1]} -gt $unready ]] ||
        [[ $unready == 0 && $1 == *"host-mode port already in use"* ]]
}

# repair: forces an update of each service that has been stuck for STUCK_S (20) s, at most three times.
repair() {
    local name
    for name in "${!STUCK_SINCE[@]}"; do
        ((SECONDS - STUCK_SINCE[$name] >= ${STUCK_S:-20} && ${REPAIRED[$name]:-0} < 3)) || continue
        REPAIRED[$name]=$((${REPAIRED[$name]:-0} + 1))
        unset "STUCK_SINCE[$name]"
        if has_way_back "$name"; then
            say "${name#"${STACK}_"}: not forcing an update, as the update in progress could no" \
                "longer be rolled back; to roll it back: \`docker service rollback $name\`"
            continue
        fi
        say "${name#"${STACK}_"}: forcing an update, as Swarm does not place a task although a node" \
            "is free"
        retried "$DOCKER" service update --quiet --detach --force "$name" >/dev/null || true
    done
}

# has_way_back SERVICE: whether an update to another image or other secrets is in progress. On a failure
# Swarm rolls back to the previous ones; a forced update would overwrite these.
has_way_back() {
    local specs
    specs=$(look service inspect "$1" --format '{{with .UpdateStatus}}{{.State}}{{end}}
{{json .Spec.TaskTemplate.ContainerSpec}}
{{with .PreviousSpec}}{{json .TaskTemplate.ContainerSpec}}{{end}}' 2>/dev/null) || return 0
    mapfile -t specs <<<"$specs"
    [[ ${specs[0]} == updating && ${specs[1]} != "${specs[2]:-}" ]]
}

# --- changes

# update_service SERVICE FLAG…: changes the stack's service and waits for the result. Fails if Swarm
# rolls it back or does not accept it.
update_service() {
    local service=$1
    shift
    retried "$DOCKER" service update --quiet --detach --with-registry-auth "$@" \
        "${STACK}_$service" >/dev/null || return 1
    await_services "${WAIT_S:-300}" "${STACK}_$service"
    ! is_rolled_back "$service"
}

# old_tasks_end SERVICE: waits until stopping tasks have ended; they drain and count until then. Tasks still
# listed after the grace period are on an unreachable host.
old_tasks_end() {
    local deadline=$((SECONDS + 25)) # above stop_grace_period in stack.yml
    while has_old_tasks "$1" && ((SECONDS < deadline)); do
        sleep "${POLL_S:-0.5}"
    done
}

has_old_tasks() {
    local tasks
    tasks=$(look service ps --format '{{.DesiredState}} {{.CurrentState}}' "${STACK}_$1") || return 0
    grep -Eq '^(Shutdown|Remove) Running' <<<"$tasks"
}

# is_rolled_back SERVICE: whether its last update was rolled back.
is_rolled_back() {
    local state
    state=$(service_field "$1" '{{with .UpdateStatus}}{{.State}}{{end}}') || exit 1
    [[ $state == rollback_completed ]]
}

# why_rolled_back SERVICE: prints the state of its last tasks.
why_rolled_back() {
    local message
    message=$(service_field "$1" '{{with .UpdateStatus}}{{.Message}}{{end}}')
    [[ -z $message ]] || say "$1: $message"
    "$DOCKER" service ps --no-trunc --filter desired-state=shutdown "${STACK}_$1" \
        --format '{{.Node}}: {{.Image}} {{.CurrentState}} {{.Error}}' | head -n 5 >&2
}

# --- secrets

# secret_name SECRET VERSION, as in stack.yml.
secret_name() {
    echo "${STACK}_$1_v$2"
}

# secret_names: the names of all secrets of the Swarm.
secret_names() {
    retried "$DOCKER" secret ls --format '{{.Name}}'
}

# create_secret NAME VALUE: keeps the value out of command lines.
create_secret() {
    printf %s "$2" | "$DOCKER" secret create "$1" - >/dev/null
}

# random_value: 256 bits in hexadecimal, which needs no quoting.
random_value() {
    head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n'
}

# make_secret NAME: creates a random secret, unless it exists.
make_secret() {
    local names value
    names=$(secret_names)
    if grep -qxF -e "$1" <<<"$names"; then
        echo "$1 exists"
    else
        value=$(random_value)
        retried create_secret "$1" "$value" || die "cannot create $1"
        echo "$1 created"
    fi
}

# certificate NAME…: a new key and a self-signed certificate for these host names, in one PEM. Valid for ten
# years.
certificate() {
    local names
    names=$(printf ',DNS:%s' "$@")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj /CN=pathcount -addext "subjectAltName=${names#,}" -keyout - 2>/dev/null
}

# make_certificate NAME: creates a secret with a certificate for pgBackRest's servers, unless it exists.
make_certificate() {
    local names value
    names=$(secret_names)
    if grep -qxF -e "$1" <<<"$names"; then
        echo "$1 exists"
    elif ! value=$(certificate repository "${HA_MEMBERS[@]/#/postgres-}"); then
        say "$1 not created: openssl is missing or older than 1.1.1. Only --archive needs it."
    else
        retried create_secret "$1" "$value" || die "cannot create $1"
        echo "$1 created"
    fi
}

# remove_secret NAME: prints a line if it existed.
remove_secret() {
    ! retried "$DOCKER" secret rm "$1" >/dev/null 2>&1 || echo "$1 removed"
}

# newest NAMES SECRET: the newest version of the secret among these names.
newest() {
    sed -n "s/^${STACK}_$2_v\([0-9][0-9]*\)$/\1/p" <<<"$1" | sort -n | tail -n 1
}

# secrets_of SERVICE: a line for each of its secrets: file and version. Empty if the service does not
# exist.
secrets_of() {
    local files
    files=$(service_field "$1" "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}$(
    )"$'{{.File.Name}} {{.SecretName}}\n{{end}}')
    sed -n 's/^\([^ ]*\) .*_v\([0-9][0-9]*\)$/\1 \2/p' <<<"$files"
}

# secrets_of_members: the same for the three servers together, with the newest version of each secret: a
# rotation may have been interrupted.
secrets_of_members() {
    local member
    for member in "${HA_MEMBERS[@]}"; do
        secrets_of "postgres-$member"
    done | sort -k 2,2nr | awk '!seen[$1]++'
}

# version_of FILE SECRETS: the version in the output of secrets_of; empty if the file is missing.
version_of() {
    sed -n "s/^$1 //p" <<<"$2"
}

# choose VARIABLE VALUE…: keeps the variable if it is set, or sets it to the first non-empty value.
choose() {
    local value
    for value in "${!1:-}" "${@:2}"; do
        [[ -z $value ]] || break
    done
    export "$1=$value"
}

# Chooses the versions to deploy, in this order: the variables; the running version, so that a rotation is
# not undone; the newest version; 1. A previous secret equal to the current one means: no rotation.
choose_versions() {
    local names counter postgres member
    names=$(secret_names)
    counter=$(secrets_of counter-svc)
    postgres=$(secrets_of postgres)
    member=$(secrets_of_members)
    choose COUNTER_TOKEN_VERSION \
        "$(version_of counter_token "$counter")" "$(newest "$names" counter_token)" 1
    choose COUNTER_TOKEN_PREVIOUS_VERSION \
        "$(version_of counter_token_previous "$counter")" "$COUNTER_TOKEN_VERSION"
    choose ADMIN_TOKEN_VERSION \
        "$(version_of admin_token "$counter")" "$(newest "$names" admin_token)" 1
    choose LEDGER_PW_VERSION "$(version_of ledger_pw "$counter")" "$(newest "$names" ledger_pw)" 1
    choose LEDGER_PW_PREVIOUS_VERSION \
        "$(version_of ledger_pw_previous "$counter")" "$LEDGER_PW_VERSION"
    choose LEDGER_PW_FIRST_VERSION "$(version_of ledger_pw "$member")" \
        "$(version_of ledger_pw "$postgres")" "$LEDGER_PW_VERSION"
    choose POSTGRES_PW_VERSION "$(version_of postgres_pw "$member")" \
        "$(version_of postgres_pw "$postgres")" "$(newest "$names" postgres_pw)" 1
    choose GRAFANA_PW_VERSION "$(newest "$names" grafana_pw)" 1
    choose REPLICATION_PW_VERSION \
        "$(version_of replication_pw "$member")" "$(newest "$names" replication_pw)" 1
    choose PATRONI_PW_VERSION \
        "$(version_of patroni_pw "$member")" "$(newest "$names" patroni_pw)" 1
    choose BACKUP_TLS_VERSION \
        "$(version_of backup_tls "$member")" "$(newest "$names" backup_tls)" 1
}

# --- the database

# ledger_container: the container of PostgreSQL (of three servers: of the primary) on this engine. Waits for
# it if it is starting here; fails if the database runs elsewhere.
ledger_container() {
    local found primary
    found=$(container_of postgres) || die "cannot reach the Docker Engine"
    if [[ -z $found ]]; then
        found=$(member_here)
        if [[ -n $found ]]; then
            primary=$("$DOCKER" exec "$found" ha primary) || die "the database has no primary at the moment"
            found=$(container_of "postgres-$primary")
            [[ -n $found ]] || runs_elsewhere "postgres-$primary"
            echo "$found"
            return
        fi
        runs_elsewhere postgres
        await_services "${WAIT_S:-120}" "${STACK}_postgres"
        found=$(container_of postgres)
    fi
    head -n 1 <<<"$found"
}

# runs_elsewhere SERVICE: fails unless its task is assigned to this host.
runs_elsewhere() {
    local where
    where=$(node_of_service "$1")
    [[ -n $where && $where == "$("$DOCKER" info --format '{{.Name}}')" ]] ||
        die "the database does not run on this host${where:+, but on $where}:" \
            "run this command there, or with DOCKER_HOST=ssh://${where:-ITS-HOST}"
}

# node_of_service SERVICE: the name of the node of its task; empty if there is none.
node_of_service() {
    "$DOCKER" service ps --filter desired-state=running --format '{{.Node}}' \
        "${STACK}_$1" 2>/dev/null | head -n 1 || true
}

# container_of SERVICE: its containers on this engine.
container_of() {
    "$DOCKER" ps --quiet --filter "label=com.docker.swarm.service.name=${STACK}_$1"
}

# member_here: the container of one of the three servers on this engine, if there is one.
member_here() {
    local name
    for name in "${HA_MEMBERS[@]}"; do
        container_of "postgres-$name" || return 1
    done | head -n 1
}

# need_member: the same; fails if there is none.
need_member() {
    local found
    found=$(member_here) || die "cannot reach the Docker Engine"
    [[ -n $found ]] || die "no database server runs on this host: run this command on a host with the label" \
        "$HA_LABEL, or with DOCKER_HOST=ssh://THAT-HOST"
    echo "$found"
}

# The condition of await_members: etcd's three members, and three running servers, one of them a synchronous
# standby.
members_are_well() {
    local container known
    missing="swarm/status shows details"
    container=$(member_here) && [[ -n $container ]] || return 1
    "$DOCKER" exec "$container" ha etcd-status >/dev/null 2>&1 || return 1
    known=$("$DOCKER" exec "$container" ha status 2>/dev/null) || return 1
    [[ $(grep -Ec '^[abc] (leader|sync_standby|replica) (running|streaming) ' <<<"$known") == 3 ]] &&
        grep -q ' sync_standby ' <<<"$known"
}

await_members() {
    wait_until "${WAIT_S:-300}" "three database servers and a synchronous standby" "" members_are_well
}

# primary_now: the member that is the primary.
primary_now() {
    "$DOCKER" exec "$(need_member)" ha primary
}

# each_server COMMAND…: runs it for each server in turn, with the server's name appended: first servers that
# do not run, as the command may repair them; the primary last, after a switchover. The primary may change
# meanwhile, so it is queried before each turn.
each_server() {
    local name primary known first=() rest=()
    primary=$(primary_now)
    known=$("$DOCKER" exec "$(need_member)" ha status) || exit 1
    for name in "${HA_MEMBERS[@]}"; do
        if [[ $name == "$primary" ]]; then
            continue
        elif grep -Eq "^$name [a-z_]+ (running|streaming) " <<<"$known"; then
            rest+=("$name")
        else
            first+=("$name")
        fi
    done
    for name in "${first[@]}" "${rest[@]}" "$primary"; do
        [[ $(primary_now) != "$name" ]] || "$SWARM_DIR/failover"
        "$@" "$name"
        await_members
    done
}

# ledger_psql CONTAINER [ARGUMENT…]: psql on the ledger, as the superuser, over the server's socket. Fails
# on SQL errors.
ledger_psql() {
    local container=$1
    shift
    "$DOCKER" exec --interactive "$container" psql --no-psqlrc --quiet --tuples-only --no-align \
        --set=ON_ERROR_STOP=1 --username=postgres --dbname=pathcount "$@"
}
