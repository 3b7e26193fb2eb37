# shellcheck shell=bash
# Sourced by the commands beside it: what they agree on, how they ask Swarm and how they wait for
# it.
#
#   retried COMMAND…         a question or a change, again while Swarm cannot answer it
#   wait_until …             a condition, with a line every REPORT_S (5) s about what it waits for
#   await_services …         the same for services; repairs what Swarm does not repair by itself
#   update_service …         a change of a service and its verdict
#
# Messages go to standard error, results to standard output. Times are in seconds. POLL_S (0.5) is
# the time between two looks.
# shellcheck disable=SC2034 # what is not used here is used there
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

# As stack.yml calls them; then that of swarm/monitoring.yml and those of swarm/ha.yml.
SECRETS=(counter_token admin_token ledger_pw postgres_pw grafana_pw replication_pw patroni_pw backup_tls)

# Standard error as it was when the command began: what is said there is seen even where the errors
# of a question are not.
exec {MESSAGES}>&2

say() {
    echo "$(basename "$0"): $*" >&"$MESSAGES"
}

die() {
    say "$*"
    exit 1
}

# The comment at the top of the command is its help.
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
        die "no Swarm manager answers here: \`docker swarm init\` makes this host one," \
            "DOCKER_HOST points to another"
    retried "$DOCKER" node ls --quiet >/dev/null || die "the Swarm cannot be managed"
}

# --- asking

# Swarm's answers to a request that it may accept a moment later: the object was changed since it
# was read; managers choose a leader; the leader was not reached in time.
TRANSIENT='update out of sequence|does not have a leader|no elected cluster leader'
TRANSIENT+='|lost leader|code = (Unavailable|DeadlineExceeded)'

# retried COMMAND…: runs it, and runs it again for RETRY_S (60) s while it fails with one of these.
# Returns its last status; its error messages are those of the last run.
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
            say "trying again, as Swarm answers: $(tail -n 1 <<<"$errors")"
        fi
        sleep "${POLL_S:-0.5}"
    done
    [[ -z $errors ]] || echo "$errors" >&2
    return $status
}

# service_field SERVICE FORMAT: of the stack's service; nothing when there is no such service. Ends
# the command when Swarm does not say: use it in an assignment of its own.
service_field() {
    local answer
    if answer=$(retried "$DOCKER" service inspect "${STACK}_$1" --format "$2" 2>&1); then
        echo "$answer"
    else
        [[ ${answer,,} == *"no such service"* ]] || die "$1 cannot be inspected: $answer"
    fi
}

# replicas_now SERVICE: how many it should have, nothing when it does not exist.
replicas_now() {
    service_field "$1" '{{.Spec.Mode.Replicated.Replicas}}'
}

# image_now SERVICE: what it runs, with its digest; nothing when it does not exist.
image_now() {
    service_field "$1" '{{.Spec.TaskTemplate.ContainerSpec.Image}}'
}

# is_ha: whether the stack that runs has three database servers.
is_ha() {
    [[ $(replicas_now postgres-a) == 1 ]]
}

# labelled LABEL=VALUE: the names of the nodes that have this label.
labelled() {
    retried "$DOCKER" node ls --filter "node.label=$1" --format '{{.Hostname}}'
}

# stack_services: the full names of those that exist.
stack_services() {
    retried "$DOCKER" service ls --filter "label=com.docker.stack.namespace=$STACK" \
        --format '{{.Name}}'
}

# --- waiting

# look WORD…: Docker's client, for a question that is asked again when it has no answer.
look() {
    timeout "${LOOK_S:-60}" "$DOCKER" "$@"
}

# wait_until SECONDS WHAT SERVICES COMMAND…: until the command succeeds, asked again every POLL_S s.
# Says every REPORT_S s that it waits for WHAT, what the command has put into `missing`, and which
# tasks of these services (full names in one word) do not run, and repairs them. Ends with an error
# after SECONDS.
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

# await_services SECONDS SERVICE…: until each has every replica that it should have, of what was
# asked for last. Full names. Ends with an error after SECONDS, or when Swarm has paused an update.
await_services() {
    local seconds=$1
    shift
    wait_until "$seconds" "every replica" "$*" settled "$@"
}

# settled SERVICE…: what await_services waits for.
settled() {
    local known tasks line name wanted state message running
    local format='{{.Spec.Name}}|{{.Spec.Mode.Replicated.Replicas}}'
    format+='|{{with .UpdateStatus}}{{.State}}|{{.Message}}{{end}}'
    # Docker's own client waits for an update by the filter `_up-to-date`, too.
    if ! known=$(look service inspect --format "$format" "$@" 2>&1) ||
        ! tasks=$(look service ps --filter desired-state=running --filter _up-to-date=true \
            --format '{{.Name}} {{.CurrentState}}' "$@" 2>&1); then
        missing="Swarm answers: $(tail -n 1 <<<"$known${tasks:-}")"
        return 1
    fi
    missing=''
    while IFS='|' read -r name wanted state message; do
        [[ $wanted =~ ^[0-9]+$ ]] || continue
        running=$(grep -c "$name\.[0-9]* Running" <<<"$tasks" || true)
        line="${name#"${STACK}_"}: $running of $wanted run"
        case $state in
        *paused) die "Swarm has stopped: ${name#"${STACK}_"}: $message" ;;
        updating) line+=", update in progress" ;;
        rollback_started) line+=", rollback in progress" ;;
        *) [[ $running != "$wanted" ]] || continue ;;
        esac
        missing+=${missing:+$'\n'}$line
    done <<<"$known"
    [[ -z $missing ]]
}

# nodes_unlike PATTERN: a line for each node whose name, status, availability and state as a manager
# do not match.
nodes_unlike() {
    local nodes
    nodes=$(look node ls --format '{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}' 2>&1) ||
        nodes="Swarm answers: $(tail -n 1 <<<"$nodes")"
    sed 's/ *$//' <<<"$nodes" | grep -vE "$1" || true
}

# unready_nodes: a line for each node that cannot be given tasks.
unready_nodes() {
    nodes_unlike ' Ready Active( |$)'
}

# Services with a task that has a place, which Swarm does not see: since when, and how often
# repaired.
declare -A STUCK_SINCE=() REPAIRED=()

# describe SERVICES: says what Swarm says about each of their tasks that does not run, and about
# nodes that are not ready; notes in STUCK_SINCE who needs `repair`.
describe() {
    local tasks nodes name node desired state error lines=0 stuck=' '
    [[ -n $1 ]] || return 0
    nodes=$(unready_nodes)
    [[ -z $nodes ]] || say "    nodes that are not ready: ${nodes//$'\n'/; }"
    # Names to be split.
    # shellcheck disable=SC2086
    tasks=$(look service ps --no-trunc \
        --format '{{.Name}}|{{.Node}}|{{.DesiredState}}|{{.CurrentState}}|{{.Error}}' $1 2>&1) || {
        say "    Swarm answers: $(tail -n 1 <<<"$tasks")"
        return 0
    }
    while IFS='|' read -r name node desired state error; do
        # Runs as it should, or has ended as it should.
        [[ $desired != Running || $state != Running* ]] || continue
        [[ $desired == @(Running|Ready) || $state == Running* || -n $error ]] || continue
        error=${error#\"} error=${error%\"}
        ((lines += 1, lines > 8)) || say "    ${name#*"${STACK}_"} on ${node:-no node}: $state," \
            "to be ${desired,,}${error:+: $error}"
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

# has_place ERROR UNREADY: whether Swarm's reason for not placing a task is no longer true. After a
# change of leader its scheduler may go on counting nodes as not available that are ready, and ports
# as taken that are free.
has_place() {
    local unready
    unready=$(grep -c . <<<"$2" || true)
    [[ $1 == *"no suitable node"* ]] || return 1
    [[ $1 =~ ([0-9]+)\ nodes?\ not\ available && ${BASH_REMATCH[1]} -gt $unready ]] ||
        [[ $unready == 0 && $1 == *"host-mode port already in use"* ]]
}

# repair: updates by force each service that has been stuck for STUCK_S (20) s, three times at most.
repair() {
    local name
    for name in "${!STUCK_SINCE[@]}"; do
        ((SECONDS - STUCK_SINCE[$name] >= ${STUCK_S:-20} && ${REPAIRED[$name]:-0} < 3)) || continue
        REPAIRED[$name]=$((${REPAIRED[$name]:-0} + 1))
        unset "STUCK_SINCE[$name]"
        if has_way_back "$name"; then
            say "${name#"${STACK}_"}: not updated by force, as the update in progress could no" \
                "longer be rolled back; \`docker service rollback $name\` takes it back"
            continue
        fi
        say "${name#"${STACK}_"}: updated by force, as Swarm does not place a task although there" \
            "is a place"
        retried "$DOCKER" service update --quiet --detach --force "$name" >/dev/null || true
    done
}

# has_way_back SERVICE: whether an update is in progress to another image, or with other secrets,
# that Swarm would roll back to the previous ones. A forced update would replace these.
has_way_back() {
    local specs
    specs=$(look service inspect "$1" --format '{{with .UpdateStatus}}{{.State}}{{end}}
{{json .Spec.TaskTemplate.ContainerSpec}}
{{with .PreviousSpec}}{{json .TaskTemplate.ContainerSpec}}{{end}}' 2>/dev/null) || return 0
    mapfile -t specs <<<"$specs"
    [[ ${specs[0]} == updating && ${specs[1]} != "${specs[2]:-}" ]]
}

# --- changing

# update_service SERVICE FLAG…: changes the stack's service and awaits Swarm's verdict. Fails when
# Swarm has rolled it back, or does not accept it and says why.
update_service() {
    local service=$1
    shift
    retried "$DOCKER" service update --quiet --detach --with-registry-auth "$@" \
        "${STACK}_$service" >/dev/null || return 1
    await_services "${WAIT_S:-300}" "${STACK}_$service"
    ! is_rolled_back "$service"
}

# old_tasks_end SERVICE: waits until the tasks that are to go have gone. They drain, and count until then.
# After the grace period, what is still listed is on a host that does not answer, and nobody reaches it.
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

# is_rolled_back SERVICE: whether that is how its last update has ended.
is_rolled_back() {
    local state
    state=$(service_field "$1" '{{with .UpdateStatus}}{{.State}}{{end}}') || exit 1
    [[ $state == rollback_completed ]]
}

# why_rolled_back SERVICE: what became of its last tasks.
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

# secret_names: of all secrets of the Swarm.
secret_names() {
    retried "$DOCKER" secret ls --format '{{.Name}}'
}

# create_secret NAME VALUE: without the value in a command line.
create_secret() {
    printf %s "$2" | "$DOCKER" secret create "$1" - >/dev/null
}

# random_value: 256 bits, in characters that need no quoting anywhere.
random_value() {
    head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n'
}

# make_secret NAME: a new random one, unless it exists.
make_secret() {
    local names value
    names=$(secret_names)
    if grep -qxF -e "$1" <<<"$names"; then
        echo "$1 exists"
    else
        value=$(random_value)
        retried create_secret "$1" "$value" || die "$1 cannot be made"
        echo "$1 made"
    fi
}

# certificate NAME…: a new key and a certificate for these host names, which is its own authority, in one
# PEM. Valid for ten years.
certificate() {
    local names
    names=$(printf ',DNS:%s' "$@")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj /CN=pathcount -addext "subjectAltName=${names#,}" -keyout - 2>/dev/null
}

# make_certificate NAME: a secret with a certificate for pgBackRest's servers, unless it exists.
make_certificate() {
    local names value
    names=$(secret_names)
    if grep -qxF -e "$1" <<<"$names"; then
        echo "$1 exists"
    elif ! value=$(certificate repository "${HA_MEMBERS[@]/#/postgres-}"); then
        say "$1 not made: openssl is missing or older than 1.1.1. Only --archive needs it."
    else
        retried create_secret "$1" "$value" || die "$1 cannot be made"
        echo "$1 made"
    fi
}

# remove_secret NAME: says so where there was one.
remove_secret() {
    ! retried "$DOCKER" secret rm "$1" >/dev/null 2>&1 || echo "$1 removed"
}

# newest NAMES SECRET: its newest version among the names of secrets.
newest() {
    sed -n "s/^${STACK}_$2_v\([0-9][0-9]*\)$/\1/p" <<<"$1" | sort -n | tail -n 1
}

# secrets_of SERVICE: a line for each secret that it has: file and version. Nothing when the service
# does not exist.
secrets_of() {
    local files
    files=$(service_field "$1" "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}$(
    )"$'{{.File.Name}} {{.SecretName}}\n{{end}}')
    sed -n 's/^\([^ ]*\) .*_v\([0-9][0-9]*\)$/\1 \2/p' <<<"$files"
}

# secrets_of_members: the same of the three servers together, of each secret the newest version, as a rotation
# may have been interrupted.
secrets_of_members() {
    local member
    for member in "${HA_MEMBERS[@]}"; do
        secrets_of "postgres-$member"
    done | sort -k 2,2nr | awk '!seen[$1]++'
}

# version_of FILE SECRETS: of what secrets_of has said; nothing when the file is not among them.
version_of() {
    sed -n "s/^$1 //p" <<<"$2"
}

# choose VARIABLE VALUE…: sets it to the first that is something, what it is before all.
choose() {
    local value
    for value in "${!1:-}" "${@:2}"; do
        [[ -z $value ]] || break
    done
    export "$1=$value"
}

# The versions to deploy: what the variables say, or what runs, so that a rotation is not undone, or
# the newest there is, or the first. A previous secret that is the current one is none.
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

# ledger_container: the container of PostgreSQL, of three servers the primary, on the engine that answers
# here. Where it is about to run here, waits for it; a clear end when the database runs elsewhere.
ledger_container() {
    local found primary
    found=$(container_of postgres) || die "no Docker Engine answers here"
    if [[ -z $found ]]; then
        found=$(member_here)
        if [[ -n $found ]]; then
            primary=$("$DOCKER" exec "$found" ha primary) || die "the database has no primary now"
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

# runs_elsewhere SERVICE: ends the command unless its task is to run on this host.
runs_elsewhere() {
    local where
    where=$(node_of_service "$1")
    [[ -n $where && $where == "$("$DOCKER" info --format '{{.Name}}')" ]] ||
        die "the database does not run on this host${where:+, but on $where}:" \
            "run this there, or with DOCKER_HOST=ssh://${where:-ITS-HOST}"
}

# node_of_service SERVICE: the name of the node that its task is to run on; nothing when there is none.
node_of_service() {
    "$DOCKER" service ps --filter desired-state=running --format '{{.Node}}' \
        "${STACK}_$1" 2>/dev/null | head -n 1 || true
}

# container_of SERVICE: its containers on the engine that answers here.
container_of() {
    "$DOCKER" ps --quiet --filter "label=com.docker.swarm.service.name=${STACK}_$1"
}

# member_here: the container of one of the three servers on the engine that answers here, if there is one.
member_here() {
    local name
    for name in "${HA_MEMBERS[@]}"; do
        container_of "postgres-$name" || return 1
    done | head -n 1
}

# need_member: the same, or the end of the command.
need_member() {
    local found
    found=$(member_here) || die "no Docker Engine answers here"
    [[ -n $found ]] || die "no database server runs on this host: run this on one that has the label" \
        "$HA_LABEL, or with DOCKER_HOST=ssh://THAT-HOST"
    echo "$found"
}

# What await_members waits for: etcd's three members, and three servers that run, one of them a synchronous
# standby.
members_are_well() {
    local container known
    missing="swarm/status says more"
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

# each_server COMMAND…: runs it with the name of each server added, one after the other: first one that does
# not run, as it may lack what the command gives it, and the primary last, after a switchover. The primary may
# become another one meanwhile: it is asked for before each turn.
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

# ledger_psql CONTAINER [ARGUMENT…]: psql on the ledger, as the superuser, by the server's own
# socket; an error in the SQL is an error of the command.
ledger_psql() {
    local container=$1
    shift
    "$DOCKER" exec --interactive "$container" psql --no-psqlrc --quiet --tuples-only --no-align \
        --set=ON_ERROR_STOP=1 --username=postgres --dbname=pathcount "$@"
}
