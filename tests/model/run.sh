#!/bin/sh
# Verifies the models of freshet's protocol with Spin: exhaustively as they are, then with one rule
# broken at a time.
#
#   tests/model/run.sh            every case; then "N passed, N failed"
#   tests/model/run.sh --large    the larger sizes: up to half an hour, and 4 GB
#   tests/model/run.sh --update   also writes counterexamples/ anew
#   tests/model/run.sh NAME       the cases of that name: in full, or a part of it
#
# A case passes when Spin went through all states without an error; a mutation when Spin finds the
# promise broken that it should, by the counterexample that is committed; a situation when it occurs.
# MODEL_JOBS cases run at a time, 2 by default.
set -u
cd "$(dirname "$0")/../.." || exit 1
model=$PWD/tests/model
build=build/model
depth=20000   # of the search: pan says when it is not enough
memory=4000   # MB, likewise

# What is verified: verify | model | name | size | how it is compiled. `COLLAPSE` takes a third of the memory,
# and twice the time.
one="-DTIERS=1"
two="-DTIERS=2 -DQUERIES_PARENT=0 -DJOBS=1"
quick="-DSETTLE=2 -DLIFE=1 -DRRSET_TTL=2"
cases() {
    cat <<END
verify|freshet|one-tier|$one -DQUERIES_PARENT=3 -DCLIENTS=3 -DCHANGES=2 -DEXPIRY=1 -DLAG=1|
verify|freshet|one-tier-gaps-and-repeats|$one -DQUERIES_PARENT=2 -DCHANGES=2 -DDUPLICATES=1 -DDROPS=1 -DSLOW_PUBLISHER=1|
verify|freshet|one-tier-two-partitions|$one -DPARTITIONS=2 -DQUERIES_PARENT=2 -DCHANGES=2 -DDROPS=1|
verify|freshet|two-tiers|$two -DQUERIES_CHILD=2 -DCHANGES=2|-DCOLLAPSE
verify|freshet|two-tiers-two-partitions|$two -DPARTITIONS=2 -DQUERIES_CHILD=3 -DCHANGES=1|
verify|freshet|two-tiers-quiet-partitions|$two -DPARTITIONS=2 -DHORIZON=1 -DQUERIES_CHILD=3 -DCHANGES=1|
verify|freshet|two-tiers-thinned-checkpoints|$two -DTHIN=2 -DQUERIES_CHILD=2 -DCHANGES=2 -DSETS=0|
verify|freshet|two-tiers-cold-start|$two -DCOLD_START=1 -DHORIZON=1 -DQUERIES_CHILD=2 -DCHANGES=1|
verify|freshet|two-tiers-cold-start-two-partitions|$two -DCOLD_START=1 -DPARTITIONS=2 -DQUERIES_CHILD=2 -DCHANGES=1|
verify|freshet|two-tiers-gaps|$two -DDROPS=1 -DQUERIES_CHILD=3 -DCHANGES=1|
verify|freshet|two-tiers-parent-starts-anew|$two -DANEW=1 -DQUERIES_CHILD=2 -DCHANGES=1|
verify|freshet|two-tiers-parent-starts-anew-two-partitions|$two -DANEW=1 -DPARTITIONS=2 -DHORIZON=1 -DQUERIES_CHILD=2 -DCHANGES=1|-DCOLLAPSE
verify|freshet|two-tiers-lagging-authority|$two -DQUERIES_CHILD=3 -DCHANGES=1 -DLAG=1 -DEXPIRY=1|
verify|freshet|two-tiers-fetches-side-by-side|-DTIERS=2 -DQUERIES_PARENT=0 -DJOBS=2 -DQUERIES_CHILD=3 -DCHANGES=1 -DSLOW_PUBLISHER=1|
verify|freshet|two-tiers-parent-has-clients|-DTIERS=2 -DJOBS=1 -DQUERIES_PARENT=1 -DQUERIES_CHILD=2 -DCHANGES=1|
verify|freshet|three-tiers|-DTIERS=3 -DJOBS=1 -DQUERIES_PARENT=0 -DQUERIES_CHILD=2 -DCHANGES=1|-DCOLLAPSE
verify|feed|transactions|-DPLAIN_MESSAGES=1 -DTRANSACTIONS=1|
verify|feed|transactions-cold-start|-DPLAIN_MESSAGES=1 -DTRANSACTIONS=1 -DCOLD_START=1 -DLOSSES=0|
verify|feed|gaps|-DPLAIN_MESSAGES=2 -DTRANSACTIONS=0 -DDROPS=1|
verify|order|clocks-in-step|-DCHANGES=3 -DFETCHES=2 -DAHEAD=1|
verify|order|clock-ahead|-DCHANGES=3 -DFETCHES=2 -DAHEAD=4|
verify|order|clock-behind-two-partitions|-DCHANGES=3 -DFETCHES=1 -DBEHIND=2 -DTICKS=4 -DLOG_ORDER=1|
verify|order|gap|-DCHANGES=2 -DFETCHES=2 -DAHEAD=1 -DGAPS=1|
verify|order|nested-zone-glue|-DCHANGES=2 -DFETCHES=1 -DAHEAD=1 -DGLUE=1|
verify|order|nested-zone-cut|-DCHANGES=2 -DFETCHES=1 -DAHEAD=1 -DCUTS=1|
verify|settle|one-change|-DCHANGES=1|
verify|settle|two-changes|-DCHANGES=2|
verify|settle|cold-start|-DCOLD_START=3|
verify|settle|local-record|-DLOCAL=1|
verify|settle|forwarder|-DFORWARDER=1|
verify|settle|forwarder-cold-start|-DFORWARDER=1 -DCOLD_START=1 $quick|
verify|zones|scopes|-DCHANGES=3|
verify|origins|two-turns|-DVERSIONS=2 -DGRANTS=2|
verify|origins|two-snapshots|-DVERSIONS=2 -DGRANTS=2 -DSNAPSHOTS=2|
verify|origins|three-turns|-DVERSIONS=3 -DGRANTS=3|
mutate|freshet|stamp-on-arrival|P2_no_late_fill|$one -DQUERIES_PARENT=2 -DCHANGES=1
mutate|freshet|position-after-lookup|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=1
mutate|freshet|proof-after-lookup|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=1 -DHORIZON=1
mutate|freshet|flag-not-stamp|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=1 -DPARTITIONS=2
mutate|freshet|checkpoint-after|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=1
mutate|freshet|checkpoint-late|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=1
mutate|freshet|checkpoint-rounds-up|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=2 -DTHIN=2 -DSETS=0
mutate|freshet|unnamed-ignored|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=1 -DHORIZON=1
mutate|freshet|base-ignored|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=1 -DCOLD_START=1
mutate|freshet|base-not-named|P3_no_reimport|$two -DQUERIES_CHILD=2 -DCHANGES=1 -DCOLD_START=1 -DHORIZON=1
mutate|freshet|passed-on-with-position|P3_no_reimport|-DTIERS=3 -DJOBS=1 -DQUERIES_PARENT=0 -DQUERIES_CHILD=2 -DCHANGES=1
mutate|freshet|no-position-believed|P3_no_reimport|$two -DANEW=1 -DQUERIES_CHILD=2 -DCHANGES=1
mutate|freshet|since-not-yet|P3_no_reimport|$two -DANEW=1 -DQUERIES_CHILD=2 -DCHANGES=1
mutate|freshet|no-gap-rule|P5_gap_invalidates|$one -DQUERIES_PARENT=2 -DCHANGES=1 -DDROPS=1
mutate|freshet|invalidate-first|P5_gap_invalidates|$one -DQUERIES_PARENT=2 -DCHANGES=2 -DDROPS=1
mutate|freshet|history-only|P8_no_old_data_installed|$one -DQUERIES_PARENT=1 -DCHANGES=2 -DDUPLICATES=1 -DDROPS=2
mutate|feed|no-lease|P5_live_within_lease|-DPLAIN_MESSAGES=1 -DTRANSACTIONS=0
mutate|feed|stable-end|P5_live_within_lease|-DPLAIN_MESSAGES=1 -DTRANSACTIONS=1 -DLOSSES=0
mutate|feed|base-at-end|P5_nothing_skipped|-DPLAIN_MESSAGES=0 -DTRANSACTIONS=1 -DCOLD_START=1
mutate|feed|read-uncommitted|aborted_never_applied|-DPLAIN_MESSAGES=0 -DTRANSACTIONS=1
mutate|order|repeated-is-dropped|P1_evicted_means_gone|-DCHANGES=2
mutate|order|over-newer|P8_no_old_data_installed|-DCHANGES=2
mutate|order|over-evicted|P8_no_old_data_installed|-DCHANGES=1 -DCUTS=1
mutate|order|asked-not-arrived|P8_no_old_data_installed|-DCHANGES=2
mutate|order|no-tolerance|P8_no_old_data_installed|-DCHANGES=2 -DAHEAD=1
mutate|order|equal-is-in-order|P8_no_old_data_installed|-DCHANGES=2
mutate|order|future-installs|P8_no_old_data_installed|-DCHANGES=2 -DAHEAD=4
mutate|order|elsewhere-installs|P8_no_old_data_installed|-DCHANGES=2 -DBEHIND=2 -DTICKS=5 -DLOG_ORDER=1
mutate|order|outer-glue|P8_no_old_data_installed|-DCHANGES=1 -DGLUE=1
mutate|order|late-fill-leaves|P8_never_back|-DCHANGES=2 -DFETCHES=2
mutate|settle|no-settle|P4_old_is_provisional|-DTIERS=1
mutate|settle|by-arrival|P4_old_is_provisional|-DTIERS=1
mutate|settle|cold-is-settled|P4_old_is_provisional|-DTIERS=1 -DCOLD_START=1
mutate|settle|not-carried|P4_old_is_provisional|-DTIERS=2
mutate|settle|min-ttl|P4_old_is_gone|-DTIERS=1
mutate|settle|held|P4_old_is_gone|-DTIERS=1
mutate|settle|revived|P4_old_is_gone|-DTIERS=1
mutate|settle|local-not-flagged|P4_local_is_gone|-DLOCAL=1
mutate|settle|cache-believed|P4_old_is_provisional|-DTIERS=1 -DFORWARDER=1
mutate|settle|window-by-rest|P4_old_is_provisional|-DTIERS=1 -DFORWARDER=1
mutate|settle|window-no-settle|P4_old_is_provisional|-DTIERS=1 -DFORWARDER=1
mutate|settle|held-unvouched|P4_old_is_gone|-DTIERS=1 -DFORWARDER=1 -DCOLD_START=1
mutate|settle|min-ttl-second-hand|P4_old_is_provisional|-DFORWARDER=1 -DCOLD_START=1 $quick
mutate|settle|second-hand-lost|P4_old_is_provisional|-DFORWARDER=1 -DCOLD_START=1 $quick
mutate|zones|existence-stops|P1_evicted_means_gone|-DCHANGES=1
mutate|zones|subtree-stops|P1_evicted_means_gone|-DCHANGES=1
mutate|zones|cut-is-a-record|P1_evicted_means_gone|-DCHANGES=1
mutate|zones|below-ignored|P1_evicted_means_gone|-DCHANGES=1
mutate|zones|serial-ignored|P1_evicted_means_gone|-DCHANGES=1
mutate|zones|all-in-one-zone|P1_evicted_means_gone|-DCHANGES=1
mutate|zones|newest-of-inner|P1_evicted_means_gone|-DCHANGES=1
mutate|zones|whole-by-question|P1_evicted_means_gone|-DCHANGES=1
mutate|origins|no-fence|P12_no_fork|-DSNAPSHOTS=0
mutate|origins|read-first|P12_no_fork|-DSNAPSHOTS=0
mutate|origins|open-commits|P12_no_fork|-DSNAPSHOTS=0
mutate|origins|early-answer|P12_none_lost|-DSNAPSHOTS=0
mutate|origins|snapshot-no-fence|P11_snapshot_and_rest|-DDEATHS=0
mutate|origins|part-no-fence|P11_snapshot_whole|-DDEATHS=0 -DSNAPSHOTS=2 -DVERSIONS=1
reach|freshet|1|a fetch is superseded|$one -DQUERIES_PARENT=2 -DCHANGES=1
reach|freshet|2|a waiter is asked again for|$one -DQUERIES_PARENT=2 -DCHANGES=2
reach|freshet|3|a late answer is not cached|$one -DQUERIES_PARENT=1 -DCHANGES=1
reach|freshet|4|a parent is behind to the last|$two -DQUERIES_CHILD=1 -DCHANGES=1
reach|freshet|5|a set is installed|$one -DQUERIES_PARENT=1 -DCHANGES=1
reach|freshet|6|a parent starts anew below a change|$two -DANEW=1 -DQUERIES_CHILD=1 -DCHANGES=1
reach|freshet|7|a gap while an answer is held|$two -DQUERIES_CHILD=1 -DCHANGES=1 -DDROPS=1
reach|freshet|8|of a parent behind, what is untouched is kept|$two -DQUERIES_CHILD=1 -DCHANGES=1 -DPARTITIONS=2
reach|feed|1|live again after a loss|-DPLAIN_MESSAGES=1 -DTRANSACTIONS=0
reach|feed|2|live behind a commit marker|-DPLAIN_MESSAGES=0 -DTRANSACTIONS=1
reach|feed|3|live beyond an aborted set|-DPLAIN_MESSAGES=1 -DTRANSACTIONS=1
reach|order|1|a publisher that has lost count starts over|-DCHANGES=2
reach|order|2|its next set installs|-DCHANGES=3 -DFETCHES=2
reach|order|3|of two publishers, the later set installs|-DCHANGES=2 -DAHEAD=1
reach|settle|1|a child keeps the old by its parent's flag alone|-DTIERS=2
reach|settle|2|the old of a forwarder outlives settle|-DFORWARDER=1
reach|origins|1|a deposed one is refused|-DSNAPSHOTS=0
reach|origins|2|another one goes on from there|-DSNAPSHOTS=0
reach|origins|3|a deposed one is refused the commit|-DSNAPSHOTS=0
reach|origins|4|a snapshot and the rest are read|-DDEATHS=0
reach|origins|5|a deposed one is refused the rest of a snapshot|-DDEATHS=0 -DVERSIONS=1
reach|zones|1|an answer outlives a change of something else|-DCHANGES=1
END
}

large_cases() {
    cat <<END
verify|freshet|two-tiers-two-partitions-large|$two -DPARTITIONS=2 -DQUERIES_CHILD=2 -DCHANGES=2|-DCOLLAPSE
verify|freshet|two-tiers-quiet-partitions-large|$two -DPARTITIONS=2 -DHORIZON=1 -DQUERIES_CHILD=1 -DCHANGES=2|-DCOLLAPSE
verify|freshet|two-tiers-cold-start-large|$two -DCOLD_START=1 -DPARTITIONS=2 -DHORIZON=1 -DQUERIES_CHILD=2 -DCHANGES=1|-DCOLLAPSE
verify|freshet|three-tiers-two-partitions-large|-DTIERS=3 -DPARTITIONS=2 -DJOBS=1 -DQUERIES_PARENT=0 -DQUERIES_CHILD=2 -DCHANGES=1|-DCOLLAPSE
verify|feed|transactions-large|-DPLAIN_MESSAGES=2 -DTRANSACTIONS=1 -DLOSSES=0|-DCOLLAPSE
verify|order|nested-zone-large|-DCHANGES=2 -DFETCHES=2 -DAHEAD=1 -DCUTS=1 -DGLUE=1|-DCOLLAPSE
verify|settle|forwarder-cold-start-large|-DFORWARDER=1 -DCOLD_START=1|-DCOLLAPSE
verify|settle|forwarder-both-cold-large|-DFORWARDER=1 -DCOLD_START=3 $quick|-DCOLLAPSE
END
}

pass() {
    printf 'ok    %-37s %s\n' "$1" "$2"
}

fail() {
    printf 'FAIL  %-37s %s\n' "$1" "$2"
}

# compile NAME MODEL MODEL-FLAGS C-FLAGS: build/model/NAME/pan
compile() {
    directory=$build/$1
    rm -rf "$directory" && mkdir -p "$directory" && cp "$model"/*.pml "$directory" || return 1
    (cd "$directory" && spin -a $3 "$2.pml" && gcc $4 -DSAFETY -DMEMLIM=$memory -o pan pan.c) \
        >"$directory/compile" 2>&1 && [ -x "$directory/pan" ]
}

uncompiled() {
    fail "$1" "does not compile: see $directory/compile"
}

# The number in front of $1 in pan's output.
number() {
    sed -n "s/^ *\([0-9.e+]*\)[ 	]*$1.*/\1/p" "$directory/out" | tail -n 1
}

# What pan says of its search, in one line, and the size.
figures() {
    deepest=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' "$directory/out")
    seconds=$(sed -n 's/.*elapsed time \([0-9.]*\).*/\1/p' "$directory/out")
    echo "$(number 'states, stored') states, depth $deepest, $(number 'total actual') MB, $seconds s;" \
        "$(echo "$1" | sed 's/-D//g')"
}

# The promise that pan found broken, if any.
broken() {
    sed -n 's/.*assertion violated (*\([A-Za-z0-9_]*\).*/\1/p' "$directory/out" | head -n 1
}

incomplete='Search not completed|search depth too small|truncated|MEMLIM bound|invalid end state'

# verify MODEL NAME SIZE C-FLAGS: all states, no error.
verify() {
    compile "$1-$2" "$1" "$3" "-O2 $4" || { uncompiled "$1: $2"; return; }
    (cd "$directory" && nice ./pan -m$depth -w24 >out 2>&1)
    if [ -n "$(broken)" ]; then
        fail "$1: $2" "breaks $(broken): see $directory/out"
    elif grep -aE "$incomplete" "$directory/out" | grep -avq '	invalid end states	+'; then
        fail "$1: $2" "the search is incomplete or stuck: see $directory/out"
    elif grep -aq '^Full statespace' "$directory/out" && grep -aq 'errors: 0$' "$directory/out"
    then
        pass "$1: $2" "$(figures "$3")"
    else
        fail "$1: $2" "see $directory/out"
    fi
}

# Breadth first: the counterexample found is a shortest one.
search() {
    compile "$1-$2" "$1" "$3" "-O1 -DBFS" || return 1
    (cd "$directory" && nice ./pan -w22 >out 2>&1)
    (cd "$directory" && spin -t -T $3 "$1.pml" 2>&1 | sed -n 's/^ *\([-A-Z] .*\)/\1/p' >trail)
}

# mutate MODEL NAME PROMISE SIZE: the promise is broken, as counterexamples/NAME.txt tells.
mutate() {
    search "$1" "$2" "-DMUTATE_$(echo "$2" | tr a-z- A-Z_) $4 -DHARM_ONLY" ||
        { uncompiled "$1: $2"; return; }
    committed=$model/counterexamples/$2.txt
    [ "${update:-no}" = yes ] && write_counterexample "$committed" "$3" "$1"
    if [ "$(broken)" != "$3" ]; then
        fail "$1: $2" "should break $3, breaks $(broken)"
    elif ! grep -av '^#' "$committed" | cmp -s - "$directory/trail"; then
        fail "$1: $2" "breaks $3, but not as $committed tells (--update?)"
    else
        pass "$1: $2" "breaks $3 in $(wc -l <"$directory/trail") lines"
    fi
}

# The comment of the file stays.
write_counterexample() {
    {
        if [ -f "$1" ]; then grep -a '^#' "$1"; else echo "# Breaks $2 ($3.pml)."; fi
        cat "$directory/trail"
    } >"$1.new" && mv "$1.new" "$1"
}

# reach MODEL NUMBER WORDS SIZE: the situation occurs.
reach() {
    search "$1" "situation-$2" "-DREACH=$2 $4" || { uncompiled "$1: $3"; return; }
    if [ -s "$directory/trail" ] && grep -aq 'assertion violated' "$directory/out"; then
        pass "$1: $3" "reached in $(wc -l <"$directory/trail") lines"
    else
        fail "$1: $3" "never happens"
    fi
}

if [ "${1:-}" = --case ]; then # one line of the above
    IFS='|' read -r what a b c d <<END
$2
END
    $what "$a" "$b" "$c" "$d"
    exit 0
fi

command -v spin >/dev/null || {
    echo "model: spin is not installed (tests/deps.sh check)" >&2
    exit 1
}
wanted=
list=cases
case ${1:-} in
--update) export update=yes ;;
--large) list=large_cases ;;
?*) wanted=$1; list="eval cases; large_cases" ;;
esac
mkdir -p $build
$list | grep -- "$wanted" | xargs -r -d '\n' -n 1 -P "${MODEL_JOBS:-2}" "$model/run.sh" --case |
    tee $build/verdicts
passed=$(grep -c '^ok ' $build/verdicts)
failed=$(grep -vc '^ok ' $build/verdicts)
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
