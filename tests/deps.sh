#!/bin/sh
# deps.sh - installs the Debian packages that freshet is built, shown and checked with.
#
#   tests/deps.sh build    compilers, libraries, an authority and clients: `make` and `make demo`
#   tests/deps.sh check    these, and what `make check` runs: sanitizers, Kafka's Java, pytest
#   tests/deps.sh faults   these, and what `make faults` runs: packet filters, another clock
#   tests/deps.sh bench    those of check, and what `make bench-checker` runs: plots, and other resolvers
#
# Asks nothing and installs only what is missing; when nothing is, it is done in a blink. Needs
# root, or sudo without a password; otherwise it prints the command for someone who has that.
# The packages of servers start them on port 53: not if they come from here.
set -eu

libraries="libc-ares-dev librdkafka-dev libevent-dev uthash-dev libldns-dev libjansson-dev
    libcyaml-dev libyaml-dev libssl-dev libxxhash-dev libidn2-dev
    libseccomp-dev liburcu-dev libknot-dev"
build="make gcc libc6-dev pkg-config $libraries
    knot knot-dnsutils bind9-dnsutils bind9-host iproute2 util-linux python3 python3-dnspython"
check="$build libcmocka-dev dnsperf python3-pytest python3-pytest-xdist python3-kafka python3-venv
    clang clang-format libclang-rt-dev llvm valgrind strace libc6-dbg universal-ctags spin
    bind9 bind9-utils nsd unbound pdns-server pdns-backend-sqlite3
    python3-jsonschema python3-confluent-kafka golang-go golang-github-confluentinc-confluent-kafka-go-dev"

servers="knot nsd pdns-server unbound pdns-recursor dnsdist knot-resolver bind9 dnsmasq"
faults="$check nftables faketime"
bench="$check python3-yaml python3-matplotlib unbound pdns-recursor dnsdist
    knot-resolver bind9 dnsmasq"

policy=/usr/sbin/policy-rc.d
policy_is_ours=

fail() {
    echo "deps.sh: $*" >&2
    exit 1
}

# The words of $1 that are no installed package, each on a line.
missing_packages() {
    # dpkg-query fails when it does not know one of them; it still lists the others.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $1 2>/dev/null |
        sed -n 's/^installed //p') || true
    for package in $1; do
        case "
$installed
" in
        *"
$package
"*) ;;
        *) echo "$package" ;;
        esac
    done
}

choose_packages() {
    case $1 in
    build) wanted=$build ;;
    check | faults | bench)
        wanted=$check
        [ "$1" != faults ] || wanted=$faults
        [ "$1" != bench ] || wanted=$bench
        # Any Java and Maven on the path will do, not just Debian's.
        command -v java >/dev/null || wanted="$wanted default-jre-headless"
        command -v mvn >/dev/null || wanted="$wanted maven"
        ;;
    *) fail "usage: deps.sh build | check | faults | bench" ;;
    esac
    missing=$(missing_packages "$wanted")
}

find_root() {
    sudo=
    [ "$(id -u)" -eq 0 ] && return
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo="sudo -n"
        return
    fi
    echo "deps.sh: these packages are missing, and installing them takes root:" >&2
    echo "    apt-get install -y --no-install-recommends" $missing >&2
    exit 1
}

apt() {
    $sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q \
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
        -o Dpkg::Progress-Fancy=0 -o Dpkg::Options::=--force-confold "$@"
}

# Mirrors and other users of apt get in the way for a while: a few attempts, with pauses.
update_lists() {
    for pause in 5 15 30; do
        apt update && return
        sleep $pause
    done
    apt update || fail "apt-get update fails"
}

# Package lists are of use when they are a day old at most and know all that is wanted.
lists_are_fresh() {
    [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Release' -mtime -1 2>/dev/null)" ] &&
        apt-cache show --no-all-versions $missing >/dev/null 2>&1
}

install_missing() {
    lists_are_fresh || update_lists
    for pause in 5 15; do
        apt install -y --no-install-recommends $missing && return
        sleep $pause
        update_lists
    done
    apt install -y --no-install-recommends $missing || fail "apt-get install fails"
}

# invoke-rc.d and deb-systemd-invoke ask this file: 101 means "no action allowed". One that is
# already there is the administrator's, and decides.
forbid_services() {
    [ -e $policy ] && return
    policy_is_ours=yes
    printf '#!/bin/sh\n# Temporary: freshet, tests/deps.sh\nexit 101\n' |
        $sudo tee $policy >/dev/null
    $sudo chmod 755 $policy
}

allow_services() {
    [ -z "$policy_is_ours" ] || $sudo rm -f $policy
    policy_is_ours=
}

# A package enables its service for the next boot, whatever the policy says.
disable_service() {
    if command -v systemctl >/dev/null; then
        $sudo systemctl disable --quiet "$1.service" 2>/dev/null || true
        if [ -d /run/systemd/system ]; then
            $sudo systemctl stop --quiet "$1.service" || true
        fi
    elif command -v update-rc.d >/dev/null; then
        $sudo update-rc.d "$1" disable || true
    fi
}

# The servers that are missing, each on a line.
missing_servers() {
    for server in $servers; do
        case " $(echo $missing) " in
        *" $server "*) echo "$server" ;;
        esac
    done
}

install_without_services() {
    trap allow_services EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    forbid_services
    install_missing
    for server in $(missing_servers); do disable_service "$server"; done
}

[ $# -eq 1 ] || fail "usage: deps.sh build | check | faults | bench"
command -v dpkg-query >/dev/null || fail "not a Debian system: install the equivalents of $check"
choose_packages "$1"
[ -n "$missing" ] || exit 0
echo "deps.sh: missing:" $missing
find_root
if [ -n "$(missing_servers)" ]; then install_without_services; else install_missing; fi
choose_packages "$1"
[ -z "$missing" ] || fail "still missing:" $missing
echo "deps.sh: all there"
