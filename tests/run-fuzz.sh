#!/bin/sh
# run-fuzz.sh SECONDS TARGET...: each fuzz target for that long, from its committed corpus, two at a time.
# New inputs go to build/fuzz/corpus, findings to build/fuzz/findings.
cd "$(dirname "$0")/.." || exit 1
seconds=$1
shift
mkdir -p build/fuzz/findings

run() {
    mkdir -p "build/fuzz/corpus/$1"
    dictionary=
    [ -f "tests/fuzz/$1.dict" ] && dictionary="-dict=tests/fuzz/$1.dict"
    if ! "build/fuzz/fuzz_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        $dictionary -artifact_prefix="build/fuzz/findings/$1-" "build/fuzz/corpus/$1" "tests/fuzz/corpus/$1" \
        > "build/fuzz/$1.log" 2>&1; then
        tail -n 60 "build/fuzz/$1.log"
        echo "fuzz $1: FAILED"
        return 1
    fi
    echo "fuzz $1: ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$1.log") inputs in $seconds s"
}

failed=0
while [ $# -gt 0 ]; do
    run "$1" & first=$!
    second=
    if [ $# -gt 1 ]; then
        run "$2" & second=$!
        shift
    fi
    shift
    wait $first || failed=1
    [ -z "$second" ] || wait $second || failed=1
done
exit $failed
