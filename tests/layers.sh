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

# only LIBRARY PATTERN WHERE: files outside WHERE do not include the library's headers.
only() {
    complain "$1 belongs in $3 only" "$(
        grep -rnE "^#include [<\"]($2)" --include='*.[ch]' dns cache invalidation resolver cli config |
            grep -vE "^$3")"
}

may dns ""
may cache "dns"
may invalidation "cache dns"
may resolver "invalidation cache dns config"
may config ""
may cli "invalidation dns config"

# What judges from outside shares no code with what it judges; bench/common/freshet_* is for those that measure
# inside a process of freshet's own. How the scheduler is asked for short slices decides nothing.
for outside in common checker propagation throughput; do
    complain "bench/$outside/ may include only: bench/$outside bench/common" "$(
        grep -nE '^#include "' bench/$outside/*.[ch] | grep -vE '^bench/common/freshet_' |
            grep -vE "#include \"(bench/$outside/|bench/common/[^f]|bench/common/f[^r]|resolver/daemon/sched\.h)")"
done

only librdkafka 'librdkafka/|rdkafka' 'invalidation/'
only c-ares 'ares' 'resolver/net/forward\.c'
only libevent 'event2/|event\.h' 'resolver/'
only libcyaml 'cyaml' 'config/'
only ldns 'ldns/' 'dns/'

# Below resolver/ the time is an argument; the feed thread is the one exception.
complain "only resolver/ and the Kafka threads read clocks" "$(
    grep -nE '\b(clock_gettime|gettimeofday|time) *\(' dns/*.c cache/*.c invalidation/*.c config/*.c |
        grep -vE '^invalidation/(feed|publish|tail|kafka|watermarks|dev_broker)\.c')"

[ $failed = 0 ] && echo "layers: ok"
exit $failed
