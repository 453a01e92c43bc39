#!/bin/sh
# Runs unit test programs one after another; cmocka prints each one's summary. Fails if any failed.
cd "$(dirname "$0")/.." || exit 1
failed=0
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/tests/sanitize/tsan.supp"
for test in "$@"; do
    output=$("$test" 2>&1)
    status=$?
    # cmocka's own lines per test only when something is wrong
    if [ $status = 0 ]; then
        echo "$output" | grep -E '^\[  PASSED  \]' | sed "s|\$| ($test)|"
    else
        echo "$output"
        echo "FAILED: $test (exit status $status)"
        failed=1
    fi
done
exit $failed
