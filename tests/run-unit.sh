#!/bin/sh
# Runs unit test programs, as many at a time as there are cores; cmocka prints each one's summary. Fails if any failed.
cd "$(dirname "$0")/.." || exit 1
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/tests/sanitize/tsan.supp"

if [ "$1" = --one ]; then
    output=$("$2" 2>&1)
    status=$?
    # cmocka's own lines per test only when something is wrong
    if [ $status = 0 ]; then
        echo "$output" | grep -E '^\[  PASSED  \]' | sed "s|\$| ($2)|"
        exit 0
    fi
    echo "$output"
    echo "FAILED: $2 (exit status $status)"
    exit 1
fi
printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" tests/run-unit.sh --one
