# shellcheck shell=bash
# Sourced by the commands beside it: what they agree on, and how they wait.
# shellcheck disable=SC2034 # what is not used here is used there
set -euo pipefail

SWARM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$SWARM_DIR")
DOCKER=${DOCKER:-docker}
export STACK=${STACK:-pathcount}
export REGISTRY=${REGISTRY:-pathcount} TAG=${TAG:-latest}
IMAGES=(counter-svc render-svc)
NODE_LABEL=pathcount.ledger

# As stack.yml calls them, and swarm/monitoring.yml the last.
SECRETS=(counter_token ledger_pw postgres_pw grafana_pw)

die() {
    echo "$(basename "$0"): $*" >&2
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
    # After a manager has come or gone the others choose a leader, for seconds; until then nothing can
    # be asked or changed.
    wait_until "${LEADER_S:-60}" "a leader of the Swarm" has_leader
}

has_leader() {
    "$DOCKER" node ls --quiet >/dev/null 2>&1
}

# wait_until SECONDS WHAT COMMAND…: until the command succeeds, asked again every POLL_S (0.5) s; a
# clear end when it does not.
wait_until() {
    local seconds=$1 what=$2 deadline
    shift 2
    deadline=$((SECONDS + seconds))
    until "$@"; do
        ((SECONDS < deadline)) || die "$what: not within $seconds s"
        sleep "${POLL_S:-0.5}"
    done
}

# settled [SERVICE…]: whether they, or all services of the stack, have every replica that they
# should have, of what was asked for last.
settled() {
    local lines service replicas names=("$@")
    lines=$("$DOCKER" stack services "$STACK" --format '{{.Name}} {{.Replicas}}') || return 1
    [[ -n $lines ]] || return 1
    while read -r service replicas _; do
        [[ ${#names[@]} == 0 || " ${names[*]} " == *" $service "* ]] || continue
        [[ ${replicas%%/*} == "${replicas##*/}" ]] || return 1
        case $("$DOCKER" service inspect "$service" \
            --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}') in
        updating | rollback_started) return 1 ;;
        esac
    done <<<"$lines"
}

# update_service SERVICE FLAG…: fails when Swarm has rolled it back, or says itself what is wrong.
update_service() {
    local service=$1 status=0
    shift
    # It waits for the end of the update, and fails when that was a roll-back.
    timeout "${WAIT_S:-300}" "$DOCKER" service update --quiet --with-registry-auth "$@" \
        "${STACK}_$service" >/dev/null || status=$?
    [[ $status != 124 ]] || die "no verdict on $service within ${WAIT_S:-300} s"
    return $status
}

# why_rolled_back SERVICE: what became of its last tasks, on standard error.
why_rolled_back() {
    "$DOCKER" service ps --no-trunc --filter desired-state=shutdown "${STACK}_$1" \
        --format '{{.Node}}: {{.Image}} {{.CurrentState}} {{.Error}}' | head -n 5 >&2
}

# secret_name SECRET VERSION, as in stack.yml.
secret_name() {
    echo "${STACK}_$1_v$2"
}

# make_secret NAME: a new random one, unless it exists.
make_secret() {
    if "$DOCKER" secret inspect "$1" >/dev/null 2>&1; then
        echo "$1 exists"
    else
        # 256 bits, in characters that need no quoting anywhere.
        head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n' |
            "$DOCKER" secret create "$1" - >/dev/null
        echo "$1 made"
    fi
}

# secret_versions SECRET: those that exist, the newest last.
secret_versions() {
    "$DOCKER" secret ls --filter "name=${STACK}_$1_v" --format '{{.Name}}' |
        sed -n "s/^${STACK}_$1_v\([0-9][0-9]*\)$/\1/p" | sort -n
}

# version_in_use SERVICE FILE: of the secret that the service has as this file; nothing when it does
# not exist or has none.
version_in_use() {
    local each='{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.File.Name}} {{.SecretName}}'
    "$DOCKER" service inspect "${STACK}_$1" --format "$each"$'\n{{end}}' 2>/dev/null |
        sed -n "s/^$2 .*_v\([0-9][0-9]*\)$/\1/p" || true
}

# choose VARIABLE VALUE…: sets it to the first that is something, what it is before all.
choose() {
    local value
    for value in "${!1:-}" "${@:2}"; do
        [[ -z $value ]] || break
    done
    export "$1=$value"
}

newest() {
    secret_versions "$1" | tail -n 1
}

# The versions to deploy: what the variables say, or what runs, so that a rotation is not undone, or
# the newest there is, or the first. A previous secret that is the current one is none.
choose_versions() {
    choose COUNTER_TOKEN_VERSION \
        "$(version_in_use counter-svc counter_token)" "$(newest counter_token)" 1
    choose COUNTER_TOKEN_PREVIOUS_VERSION \
        "$(version_in_use counter-svc counter_token_previous)" "$COUNTER_TOKEN_VERSION"
    choose LEDGER_PW_VERSION "$(version_in_use counter-svc ledger_pw)" "$(newest ledger_pw)" 1
    choose LEDGER_PW_PREVIOUS_VERSION \
        "$(version_in_use counter-svc ledger_pw_previous)" "$LEDGER_PW_VERSION"
    choose LEDGER_PW_FIRST_VERSION "$(version_in_use postgres ledger_pw)" "$LEDGER_PW_VERSION"
    choose POSTGRES_PW_VERSION "$(version_in_use postgres postgres_pw)" "$(newest postgres_pw)" 1
}

# replicas_now SERVICE: how many it should have, nothing when it does not exist.
replicas_now() {
    "$DOCKER" service inspect "${STACK}_$1" --format '{{.Spec.Mode.Replicated.Replicas}}' \
        2>/dev/null || true
}

# ledger_container: the container of PostgreSQL on the engine that answers here; a clear end when the
# database runs elsewhere.
ledger_container() {
    local found where
    found=$("$DOCKER" ps --quiet --filter "label=com.docker.swarm.service.name=${STACK}_postgres") ||
        die "no Docker Engine answers here"
    [[ -n $found ]] || {
        where=$("$DOCKER" service ps --filter desired-state=running --format '{{.Node}}' \
            "${STACK}_postgres" 2>/dev/null | head -n 1) || true
        die "the database does not run on this host${where:+, but on $where}:" \
            "run this there, or with DOCKER_HOST=ssh://${where:-ITS-HOST}"
    }
    head -n 1 <<<"$found"
}

# ledger_psql CONTAINER [ARGUMENT…]: psql on the ledger, as the superuser, by the server's own socket;
# an error in the SQL is an error of the command.
ledger_psql() {
    local container=$1
    shift
    "$DOCKER" exec --interactive "$container" psql --no-psqlrc --quiet --tuples-only --no-align \
        --set=ON_ERROR_STOP=1 --username=postgres --dbname=pathcount "$@"
}
