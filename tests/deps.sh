#!/bin/sh
# deps.sh - installs the Debian packages that freshet is built, shown and checked with.
#
#   tests/deps.sh build    compilers, libraries, an authority and clients: `make` and `make demo`
#   tests/deps.sh check    these, and what `make check` runs: sanitizers, Kafka's Java, pytest
#   tests/deps.sh faults   these, and what `make faults` runs: packet filters, another clock
#   tests/deps.sh package  these of build, and what makes Debian packages of it: `make deb`
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
    mandoc zsh fish python3-yaml python3-jsonschema python3-confluent-kafka golang-go golang-github-confluentinc-confluent-kafka-go-dev"

package="$build build-essential debhelper lintian"

servers="knot nsd pdns-server unbound pdns-recursor dnsdist knot-resolver bind9 dnsmasq"
faults="$check nftables faketime"
bench="$check python3-matplotlib unbound pdns-recursor dnsdist
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
    package) wanted=$package ;;
    check | faults | bench)
        wanted=$check
        [ "$1" != faults ] || wanted=$faults
        [ "$1" != bench ] || wanted=$bench
        # Any Java and Maven on the path will do, not just Debian's.
        command -v java >/dev/null || wanted="$wanted default-jre-headless"
        command -v mvn >/dev/null || wanted="$wanted maven"
        ;;
    *) fail "usage: deps.sh build | check | faults | package | bench" ;;
    esac
    missing=$(missing_packages "$wanted")
}

# find_root WHAT: the words of this call, for who has it.
find_root() {
    sudo=
    [ "$(id -u)" -eq 0 ] && return
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo="sudo -n"
        return
    fi
    echo "deps.sh: installing what is missing takes root, and no server among it is started:" >&2
    echo "    sudo tests/deps.sh $1" >&2
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

# The names under which a package's servers are known to whoever starts them: pdns-server's is pdns, bind9's named.
units_of() {
    dpkg-query -L "$1" | sed -nE 's,.*/systemd/system/([^/]+\.(service|socket|target|timer|path))$,\1,p'
}

# links_to UNIT: what would start it, under whatever name: an alias, an instance, somebody who wants it.
links_to() {
    find /etc/systemd/system -type l \( -lname "*/$1" -o -name "$1" \) ! -lname /dev/null 2>/dev/null
}

disable_unit() {
    links_to "$1" | $sudo xargs -r rm -f
    if [ -d /run/systemd/system ]; then
        case $1 in
        *@.*) ;;
        *) $sudo systemctl stop --quiet "$1" || true ;;
        esac
    fi
}

# Those that a package wants at boot by a link of its own, which only a mask outdoes (knot-resolver's kresd.target).
wanted_by_package() {
    dpkg-query -L "$1" | sed -nE 's,.*/systemd/system/[^/]+\.wants/([^/]+)$,\1,p'
}

# A package enables its services for the next boot, whatever the policy says.
disable_services() {
    for unit in $(units_of "$1"); do disable_unit "$unit"; done
    for unit in $(wanted_by_package "$1"); do $sudo ln -sf /dev/null "/etc/systemd/system/$unit"; done
    for script in $(dpkg-query -L "$1" | sed -n 's,^/etc/init\.d/,,p'); do
        $sudo update-rc.d "$script" disable || true
    done
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
    for server in $(missing_servers); do disable_services "$server"; done
    [ ! -d /run/systemd/system ] || $sudo systemctl daemon-reload
}

[ $# -eq 1 ] || fail "usage: deps.sh build | check | faults | package | bench"
command -v dpkg-query >/dev/null || fail "not a Debian system: install the equivalents of $check"
choose_packages "$1"
[ -n "$missing" ] || exit 0
echo "deps.sh: missing:" $missing
find_root "$1"
if [ -n "$(missing_servers)" ]; then install_without_services; else install_missing; fi
choose_packages "$1"
[ -z "$missing" ] || fail "still missing:" $missing
echo "deps.sh: all there"
