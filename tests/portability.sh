#!/bin/sh
# portability.sh [RELEASE...] - builds freshet, checks it and runs the demo on other Debian releases: 12 and 13.
#
#   tests/portability.sh                  both
#   tests/portability.sh 13               that one
#   STEPS="build unit" tests/portability.sh   some of: build unit sanitized instructions fuzz integration newest demo (all)
#
# Each release is a chroot (tests/chroot.sh): a second run only copies the sources anew and builds what has changed.
# What each step said is in build/portability/RELEASE.STEP.log. Needs root, debootstrap and unshare.
#
# What a chroot cannot do: it has no service manager, and shares the host's kernel. Tests of units by systemd's own
# tools skip there, and say so at the end of integration. Of `make check` the model is left to the host: libraries do
# not matter to it. Lint says that it is left to Debian 12, as each clang-format has a taste of its own; instructions
# are held against their baseline there alone, as it is of one compiler.
set -eu
cd "$(dirname "$0")/.."
all_steps="build unit sanitized instructions fuzz integration newest demo"
steps=${STEPS:-$all_steps}
. tests/chroot.sh

command_of() {
    case $1 in
    chroot | sources) echo true ;;
    packages) echo "tests/deps.sh check && ! ls /etc/rc2.d/S* /etc/systemd/system/multi-user.target.wants/*" ;;
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

summary() {
    case $1 in
    unit | sanitized) echo "$(grep -c PASSED "$2") programs" ;;
    integration | newest) grep -E '[0-9]+ passed' "$2" | tail -n 1 ;;
    demo) sed -nE 's/^ *stub +([0-9.]+ ms until).*192\.0\.2\.2$/stub: \1 it answers anew/p' "$2" ;;
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

for what in $steps; do command_of "$what" >/dev/null; done
each_release "$@"
