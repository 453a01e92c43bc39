#!/bin/sh
# portability.sh [RELEASE...] - builds freshet, checks it and runs the demo on other Debian releases: 12 and 13.
#
#   tests/portability.sh                  both
#   tests/portability.sh 13               that one
#   STEPS="build unit" tests/portability.sh   some of: build unit sanitized instructions fuzz integration newest demo (all)
#
# Each release is a chroot in build/portability/RELEASE, made by debootstrap from the mirror that this machine's own
# apt uses, and kept: a second run only copies the sources anew and builds what has changed. Mounts and processes are
# in namespaces of the run, so they are gone with it however it ends. What each step said is in
# build/portability/RELEASE.STEP.log. Needs root, debootstrap and unshare.
#
# What a chroot cannot do: it has no service manager, and shares the host's kernel. Tests of units by systemd's own
# tools skip there, and say so at the end of integration. Of `make check` the model is left to the host: libraries do
# not matter to it. Lint says that it is left to Debian 12, as each clang-format has a taste of its own; instructions
# are held against their baseline there alone, as it is of one compiler.
set -eu
cd "$(dirname "$0")/.."
all_steps="build unit sanitized instructions fuzz integration newest demo"
steps=${STEPS:-$all_steps}
home=$PWD/build/portability

fail() {
    echo "portability: $*" >&2
    exit 1
}

name_of() {
    case $1 in
    12) echo bookworm ;;
    13) echo trixie ;;
    *) fail "unknown release $1: 12 or 13" ;;
    esac
}

# The mirror that the host's packages come from.
mirror() {
    apt-get indextargets --format '$(SITE) $(COMPONENT) $(RELEASE)' 'Created-By: Packages' |
        awk '$2 == "main" && $3 !~ /security/ {print $1; exit}'
}

# The whole chroot or none of it: half of one is named otherwise.
make_chroot() {
    root=$home/$1
    [ -d "$root" ] && return
    command -v debootstrap >/dev/null || fail "needs debootstrap"
    site=$(mirror)
    [ -n "$site" ] || fail "apt knows no mirror: run apt-get update"
    rm -rf "$root.part"
    mkdir -p "$root.part"
    debootstrap --variant=minbase "$(name_of "$1")" "$root.part" "$site"
    echo force-unsafe-io >"$root.part/etc/dpkg/dpkg.cfg.d/unsafe-io" # it can be made again
    mv "$root.part" "$root"
}

# What git knows, with its times, and nothing else; what was built there stays.
copy_sources() {
    root=$home/$1
    rm -rf "$root/freshet.new"
    mkdir -p "$root/freshet.new"
    git ls-files -z | tar -c --null -T - | tar -x -C "$root/freshet.new"
    [ ! -d "$root/freshet/build" ] || mv "$root/freshet/build" "$root/freshet.new/build"
    rm -rf "$root/freshet"
    mv "$root/freshet.new" "$root/freshet"
}

# inside RELEASE COMMAND: in the chroot, with namespaces of its own for mounts and processes.
inside() {
    root=$home/$1
    kafka=${FRESHET_KAFKA_HOME:-$PWD/build/kafka}
    mkdir -p "$kafka" "$root/kafka"
    unshare --mount --pid --fork --kill-child sh -euc '
        root=$1
        mount --bind "$root" "$root" # unshare inside wants a root that is a mount
        mount -t proc proc "$root/proc"
        mount --rbind --make-rslave /dev "$root/dev"
        mount --rbind --make-rslave /sys "$root/sys"
        mount -t tmpfs tmpfs "$root/tmp"
        mount --bind "$2" "$root/kafka"
        for file in resolv.conf hosts; do
            touch "$root/etc/$file"
            mount --bind "/etc/$file" "$root/etc/$file"
        done
        exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" FRESHET_KAFKA_HOME=/kafka \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd /freshet && $3"
        ' sh "$root" "$kafka" "$2"
}

command_of() {
    case $1 in
    chroot | sources) echo true ;;
    packages) echo "tests/deps.sh check" ;;
    build) echo "make -j$(nproc) all" ;;
    unit) echo "make -j$(nproc) layers lint unit" ;;
    sanitized) echo "make -j$(nproc) unit-sanitized" ;;
    instructions) echo "make instructions" ;;
    fuzz) echo "make -j$(nproc) fuzz" ;;
    integration) echo "make -j$(nproc) integration PYTEST_ARGS=-rfs" ;;
    newest) echo "make -j$(nproc) integration-newest PYTEST_ARGS=-rfs" ;;
    demo) echo "make demo" ;;
    *) fail "unknown step $1: one of $all_steps" ;;
    esac
}

# step RELEASE NAME COMMAND...: one line on the terminal, and what it said in a file.
step() {
    release=$1 name=$2 log=$home/$1.$2.log
    shift 2
    printf '  Debian %s  %-13s' "$release" "$name"
    begin=$(date +%s)
    if "$@" >"$log" 2>&1; then
        printf 'ok      %4d s  %s\n' $(($(date +%s) - begin)) "$(summary "$name" "$log")"
    else
        printf 'FAILED  %4d s  %s\n' $(($(date +%s) - begin)) "$log"
        tail -n 15 "$log" | sed 's/^/      /'
        return 1
    fi
}

summary() {
    case $1 in
    unit | sanitized) echo "$(grep -c PASSED "$2") programs" ;;
    integration | newest) grep -E '[0-9]+ passed' "$2" | tail -n 1 ;;
    demo) sed -n 's/^ *\(stub\) *\([0-9.]* ms until\).*/\1: \2 it answers anew/p' "$2" ;;
    esac
}

check_release() {
    step "$1" chroot make_chroot "$1" || return 1
    step "$1" sources copy_sources "$1" || return 1
    step "$1" packages inside "$1" "$(command_of packages)" || return 1
    bad=0
    for what in $steps; do
        step "$1" "$what" inside "$1" "$(command_of "$what")" || bad=1
        [ "$what" != build ] || [ $bad -eq 0 ] || return 1
    done
    return $bad
}

[ "$(id -u)" -eq 0 ] || fail "needs root"
for what in $steps; do command_of "$what" >/dev/null; done
mkdir -p "$home"
failed=0
for release in ${*:-12 13}; do
    name_of "$release" >/dev/null
    check_release "$release" || failed=1
done
exit $failed
