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

# As stack.yml names them.
COUNTER_TOKEN=${STACK}_counter_token_v${COUNTER_TOKEN_VERSION:-1}
LEDGER_PW=${STACK}_ledger_pw_v${LEDGER_PW_VERSION:-1}
POSTGRES_PW=${STACK}_postgres_pw_v${POSTGRES_PW_VERSION:-1}

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

# replicas_now SERVICE: how many it should have, nothing when it does not exist.
replicas_now() {
    "$DOCKER" service inspect "${STACK}_$1" --format '{{.Spec.Mode.Replicated.Replicas}}' \
        2>/dev/null || true
}
