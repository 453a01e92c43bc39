#!/bin/sh
# Holds the arrows of the architecture: who may include whom, and which library belongs where.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

# complain WHAT FILES...: the rule that was broken, with the lines that break it.
complain() {
    [ -z "$2" ] && return
    printf 'layers: %s\n%s\n' "$1" "$2"
    failed=1
}

# may FOLDER OTHERS: FOLDER includes only headers of itself and of OTHERS.
may() {
    allowed=$(echo "$1 $2" | sed 's/  */|/g; s/|$//')
    complain "$1/ may include only: $1 $2" "$(
        grep -nE '^#include "' "$1"/*.[ch] "$1"/*/*.[ch] 2>/dev/null | grep -vE "#include \"($allowed)/")"
}

# within FOLDER OTHERS: of its layer's headers, a family includes only those of its own and of OTHERS.
within() {
    layer=${1%%/*}
    allowed=$(echo "$1 $2" | sed 's/  */|/g; s/|$//')
    complain "$1/ may include of $layer/ only: $1 $2" "$(
        grep -nE "^#include \"$layer/" "$1"/*.[ch] | grep -vE "#include \"($allowed)/")"
}

# includes FOLDER PATTERN: pairs "file file" of the folder's includes of its own headers, among files that match.
includes() {
    grep -rE '^#include "' --include="$2" "$1" | sed -nE "s,^([^:]*):#include \"($1/[^\"]*)\".*,\1 \2,p"
}

# circle FOLDER PAIRS: the members of a circle among the pairs, if there is one.
circle() {
    echo "$2" | awk 'NF && $1 != $2' | sort -u | tsort 2>&1 >/dev/null | sed -n "s,^tsort: \($1/\),  \1,p"
}

# No header includes itself by way of others.
no_circle_of_headers() {
    complain "a circle of headers in $1/" "$(circle "$1" "$(includes "$1" '*.h')")"
}

# Nor does a file's .c or .h need another whose .c or .h needs it: either could be read first.
no_circle_of_files() {
    complain "a circle of files in $1/" "$(circle "$1" "$(includes "$1" '*.[ch]' | sed 's/\.[ch]\b//g')")"
}

# only LIBRARY PATTERN WHERE: files outside WHERE do not include the library's headers.
only() {
    complain "$1 belongs in $3 only" "$(
        grep -rnE "^#include [<\"]($2)" --include='*.[ch]' dns cache zone invalidation daemon origin resolver cli config |
            grep -vE "^$3")"
}

may dns ""
may cache "dns"
may zone "dns"
may invalidation "cache zone dns"
may daemon "cache zone dns config"
may origin "daemon invalidation cache zone dns config"
may resolver "daemon invalidation cache zone dns config"
may config ""
may cli "invalidation zone dns config"

# The query itself, messages in and out, the program.
within resolver/answer ""
within resolver/net "resolver/answer"
within resolver/daemon "resolver/answer resolver/net"

for folder in dns cache zone invalidation daemon origin resolver config cli; do
    no_circle_of_headers $folder
done
for folder in dns zone daemon origin resolver cli; do
    no_circle_of_files $folder
done

# What judges from outside shares no code with what it judges; bench/common/freshet_* is for those that measure
# inside a process of freshet's own. How the scheduler is asked for short slices decides nothing.
for outside in common checker propagation throughput; do
    complain "bench/$outside/ may include only: bench/$outside bench/common" "$(
        grep -nE '^#include "' bench/$outside/*.[ch] | grep -vE '^bench/common/freshet_' |
            grep -vE "#include \"(bench/$outside/|bench/common/[^f]|bench/common/f[^r]|daemon/sched\.h)")"
done

only librdkafka 'librdkafka/|rdkafka' 'invalidation/'
only c-ares 'ares' 'resolver/net/forward\.c'
only libevent 'event2/|event\.h' '(daemon|resolver/(net|daemon)|origin)/'
only libcyaml 'cyaml' 'config/'
only ldns 'ldns/' 'dns/'
only libdnssec 'libdnssec/' 'dns/tsig\.c'
only libidn2 'idn2' 'cli/'
only liburcu 'urcu' 'zone/retired\.c'
only libzscanner 'libzscanner/' 'zone/file\.c'
only libseccomp 'seccomp\.h' 'daemon/sandbox\.c'

# Below resolver/ the time is an argument; the feed thread is the one exception.
complain "only resolver/ and the Kafka threads read clocks" "$(
    grep -nE '\b(clock_gettime|gettimeofday|time) *\(' dns/*.c cache/*.c zone/*.[ch] invalidation/*.c config/*.c |
        grep -vE '^invalidation/(feed|outlet|publish|tail|kafka|client|group|watermarks|dev_broker|streamed_load)\.c')"

# A machine that sleeps stops CLOCK_MONOTONIC: it is for waits that a library makes, and for the service manager.
complain "moments are of MONO_CLOCK (cache/stamp.h)" "$(
    grep -rn 'CLOCK_MONOTONIC\b' --include='*.[ch]' cache invalidation daemon origin resolver | grep -vE \
        '^(cache/stamp\.h|invalidation/(outlet|publish|tail|watermarks)\.c|resolver/daemon/daemon\.c|daemon/systemd\.c)')"

# The same holds for the query itself, which sends nothing either: addresses are all it knows of sockets.
complain "resolver/answer/ has no clock and no socket" "$(
    grep -nE '\b(clock_gettime|gettimeofday|time|mono_now|micro_now|socket|connect|recv[a-z]*|send(to|m?msg)|poll|select)\(' \
        resolver/answer/*.[ch]
    grep -nE '^#include "daemon/' resolver/answer/*.[ch]
    grep -nE '^#include <(sys/socket|sys/time|poll|sys/epoll|sys/select|time)\.h>' resolver/answer/*.[ch])"

# Nor has what decides in origin/; its outer part is named here.
complain "origin/ has clocks, sockets and loops in its outer part only" "$(
    grep -nE '\b(clock_gettime|gettimeofday|time|mono_now|socket|connect|recv[a-z]*|send(to|m?msg))\(|include <event2/' \
        origin/*.[ch] |
        grep -vE '^origin/(captures|dial|follow|freshet_origin|listen|parts|primaries|recall|roster|serve|service|snapshots|status|turns|webhook)\.[ch]:')"

[ $failed = 0 ] && echo "layers: ok"
exit $failed
