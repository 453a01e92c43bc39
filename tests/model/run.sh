#!/bin/sh
# Verifies the model of freshet's protocol with Spin: exhaustively as it is, then with one rule
# broken at a time.
#
#   tests/model/run.sh            every case; then "N passed, N failed"
#   tests/model/run.sh --update   also writes counterexamples/ anew
#
# A case passes when Spin went through all states without an error; a mutation when Spin finds the
# promise
# broken that it should, by the counterexample that is committed; a situation when it occurs.
set -u
cd "$(dirname "$0")/../.." || exit 1
model=$PWD/tests/model
build=build/model
update=no
[ "${1:-}" = --update ] && update=yes
command -v spin >/dev/null || {
    echo "model: spin is not installed (tests/deps.sh check)" >&2
    exit 1
}
mkdir -p $build
passed=0
failed=0

pass() {
    passed=$((passed + 1))
    printf 'ok    %-34s %s\n' "$1" "$2"
}

fail() {
    failed=$((failed + 1))
    printf 'FAIL  %-34s %s\n' "$1" "$2"
}

uncompiled() {
    fail "$1" "does not compile: see $directory/compile"
}

# compile NAME MODEL-FLAGS C-FLAGS: build/model/NAME/pan
compile() {
    directory=$build/$1
    rm -rf "$directory" && mkdir -p "$directory" && cp "$model/freshet.pml" "$directory" || return 1
    (cd "$directory" && spin -a $2 freshet.pml && gcc $3 -DSAFETY -o pan pan.c) \
        >"$directory/compile" 2>&1 && [ -x "$directory/pan" ]
}

# The number in front of $1 in pan's output.
number() {
    sed -n "s/^ *\([0-9.e+]*\)[ 	]*$1.*/\1/p" "$directory/out" | tail -n 1
}

# What pan says of its search, in one line.
figures() {
    depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' "$directory/out")
    seconds=$(sed -n 's/.*elapsed time \([0-9.]*\).*/\1/p' "$directory/out")
    echo "$(number 'states, stored') states, depth $depth, $(number 'total actual') MB, $seconds s"
}

# The promise that pan found broken, if any.
broken() {
    sed -n 's/.*assertion violated (*\([A-Za-z0-9_]*\).*/\1/p' "$directory/out" | head -n 1
}

incomplete='Search not completed|search depth too small|truncated|MEMLIM bound|invalid end state'

# verify NAME FLAGS: all states, no error.
verify() {
    compile "$1" "$2" "-O2 -DMEMLIM=4000" || { uncompiled "$1"; return; }
    (cd "$directory" && nice ./pan -m20000 -w24 >out 2>&1)
    if [ -n "$(broken)" ]; then
        fail "$1" "breaks $(broken): see $directory/out"
    elif grep -aE "$incomplete" "$directory/out" | grep -avq '	invalid end states	+'; then
        fail "$1" "the search is incomplete or stuck: see $directory/out"
    elif grep -aq '^Full statespace' "$directory/out" && grep -aq 'errors: 0$' "$directory/out"
    then
        pass "$1" "$(figures)"
    else
        fail "$1" "see $directory/out"
    fi
}

# Breadth first: the counterexample found is a shortest one.
search() {
    compile "$1" "$2" "-O1 -DBFS -DMEMLIM=4000" || return 1
    (cd "$directory" && nice ./pan -w24 >out 2>&1)
    (cd "$directory" && spin -t -T $2 freshet.pml 2>&1 | sed -n 's/^ *\([-PC] .*\)/\1/p' >trail)
}

# mutate NAME PROMISE FLAGS: the promise is broken, as counterexamples/NAME.txt tells.
mutate() {
    flags="-DMUTATE_$(echo "$1" | tr a-z- A-Z_) $3"
    search "$1" "$flags -DHARM_ONLY" || { uncompiled "$1"; return; }
    committed=$model/counterexamples/$1.txt
    [ $update = yes ] && write_counterexample "$committed" "$2"
    if [ "$(broken)" != "$2" ]; then
        fail "$1" "should break $2, breaks $(broken)"
    elif ! grep -av '^#' "$committed" | cmp -s - "$directory/trail"; then
        fail "$1" "breaks $2, but not as $committed tells (--update?)"
    else
        pass "$1" "breaks $2 in $(wc -l <"$directory/trail") lines"
    fi
}

# The comment of the file stays.
write_counterexample() {
    {
        if [ -f "$1" ]; then grep -a '^#' "$1"; else echo "# Breaks $2."; fi
        cat "$directory/trail"
    } >"$1.new" && mv "$1.new" "$1"
}

# reach NUMBER WORDS FLAGS: the situation occurs.
reach() {
    search "situation-$1" "-DREACH=$1 $3" || { uncompiled "$2"; return; }
    if [ -s "$directory/trail" ] && grep -aq 'assertion violated' "$directory/out"; then
        pass "$2" "reached in $(wc -l <"$directory/trail") lines"
    else
        fail "$2" "never happens"
    fi
}

one="-DTIERS=1"
two="-DTIERS=2 -DQUERIES_PARENT=0"

verify one-tier "$one -DQUERIES_PARENT=3 -DCLIENTS=3 -DCHANGES=2 -DEXPIRY=1 -DLAG=1"
verify one-tier-gaps-and-repeats \
    "$one -DQUERIES_PARENT=2 -DCHANGES=2 -DDUPLICATES=1 -DDROPS=1 -DSLOW_PUBLISHER=1"
verify one-tier-lease "$one -DQUERIES_PARENT=0 -DCHANGES=2 -DDROPS=1 -DLEASE=3"
verify two-tiers "$two -DQUERIES_CHILD=2 -DCHANGES=2 -DJOBS=1"
verify two-tiers-fetches-side-by-side \
    "$two -DQUERIES_CHILD=3 -DCHANGES=1 -DJOBS=2 -DSLOW_PUBLISHER=1"
verify two-tiers-lagging-authority \
    "$two -DQUERIES_CHILD=3 -DCHANGES=1 -DJOBS=1 -DLAG=1 -DEXPIRY=1"
verify two-tiers-parent-has-clients "-DQUERIES_PARENT=1 -DQUERIES_CHILD=2 -DCHANGES=1 -DJOBS=1"
verify two-tiers-gaps "$two -DQUERIES_CHILD=3 -DCHANGES=1 -DJOBS=1 -DDROPS=1"

mutate stamp-on-arrival P2_no_late_fill "$one -DQUERIES_PARENT=2 -DCHANGES=1"
mutate position-after-lookup P3_no_reimport "$two -DQUERIES_CHILD=2 -DCHANGES=1 -DJOBS=1"
mutate one-position P3_no_reimport "$two -DQUERIES_CHILD=2 -DCHANGES=1 -DJOBS=1"
mutate no-gap-rule P5_gap_invalidates "$one -DQUERIES_PARENT=2 -DCHANGES=1 -DDROPS=1"
mutate invalidate-first P5_gap_invalidates "$one -DQUERIES_PARENT=2 -DCHANGES=2 -DDROPS=1"
mutate ledger-only P8_no_old_data_installed \
    "$one -DQUERIES_PARENT=1 -DCHANGES=2 -DDUPLICATES=1 -DDROPS=2"
mutate no-lease P5_live_within_lease "$one -DQUERIES_PARENT=0 -DCHANGES=1 -DLEASE=3"

reach 1 "a fetch is superseded" "$one -DQUERIES_PARENT=2 -DCHANGES=1"
reach 2 "a waiter is asked again for" "$one -DQUERIES_PARENT=2 -DCHANGES=2"
reach 3 "a late answer is not cached" "$one -DQUERIES_PARENT=1 -DCHANGES=1"
reach 4 "a parent is behind to the last" "$two -DQUERIES_CHILD=1 -DCHANGES=1 -DJOBS=1"
reach 5 "a set is installed" "$one -DQUERIES_PARENT=1 -DCHANGES=1"
reach 6 "live again after a loss" "$one -DQUERIES_PARENT=0 -DCHANGES=1 -DLEASE=3"
reach 7 "a gap while an answer is held" "$two -DQUERIES_CHILD=1 -DCHANGES=1 -DJOBS=1 -DDROPS=1"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
