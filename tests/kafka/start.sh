#!/bin/sh
# start.sh - one Kafka node (KRaft, broker and controller in one) in the foreground.
#
#   tests/kafka/start.sh --fetch                       only bring the jars to build/kafka/VERSION
#   tests/kafka/start.sh DIR PORT CONTROLLER_PORT      run on 127.0.0.1:PORT, everything below DIR
#   tests/kafka/start.sh DIR PORT CONTROLLER_PORT FILE with the properties in FILE, which win
#
# FRESHET_KAFKA_VERSION is Kafka's, 3.9.2 unless set: any of Maven Central from 3.3 on. FRESHET_KAFKA_HEAP is the most memory of the heap, 512m unless set.
# The shell becomes the java process (exec): killing the started pid ends the broker. A second start
# in the same DIR finds the data of the first. Jars come from Maven Central once per version and pom.xml.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home=${FRESHET_KAFKA_HOME:-$here/../../build/kafka}
version=${FRESHET_KAFKA_VERSION:-3.9.2}
libs=$home/$version
stamp=$libs/pom.stamp

fail() {
    echo "start.sh: $*" >&2
    exit 1
}

# Under the lock, so two runs at once fetch once. The stamp comes last: half a download is none.
fetch() {
    cmp -s "$here/pom.xml" "$stamp" && return 0
    command -v mvn >/dev/null || fail "needs mvn: run 'make deps'"
    mkdir -p "$home"
    exec 9>"$home/lock"
    flock 9
    if ! cmp -s "$here/pom.xml" "$stamp"; then
        echo "start.sh: fetching Kafka $version into $libs" >&2
        rm -rf "$libs"
        try mvn -q -B -ntp -Dstyle.color=never -f "$here/pom.xml" -Dkafka.version="$version" \
            dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs" >&2
        cp "$here/pom.xml" "$stamp"
    fi
    exec 9>&-
}

# Three attempts: the registry is on the other side of a network.
try() {
    for pause in 2 5 0; do
        "$@" && return 0
        sleep $pause
    done
    fail "could not fetch the jars: $*"
}

write_properties() {
    cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://${FRESHET_KAFKA_ADVERTISED:-127.0.0.1}:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
num.network.threads=2
num.io.threads=2
background.threads=2
num.recovery.threads.per.data.dir=1
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=2097152
log.initial.task.delay.ms=100
END
    # Of a property given twice, the last one counts.
    [ -z "$extra" ] || cat "$extra" >>"$dir/server.properties"
}

java_kafka() {
    echo -Xms64m -Xmx${FRESHET_KAFKA_HEAP:-512m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -XX:-UsePerfData \
        -Djava.awt.headless=true -Dlog4j.configuration="file:$here/log4j.properties"
}

[ "${1-}" = --fetch ] && [ $# -eq 1 ] && { fetch; exit 0; }
[ $# -eq 3 ] || [ $# -eq 4 ] || fail "usage: start.sh --fetch | start.sh DIR PORT CONTROLLER_PORT [FILE]"
dir=$1 port=$2 controller_port=$3 extra=${4-}
command -v java >/dev/null || fail "needs java: run 'make deps'"
fetch
mkdir -p "$dir/data"
write_properties
if [ ! -f "$dir/data/meta.properties" ]; then
    # A cluster id is 16 bytes in base64url; any will do for a node that meets no other.
    # shellcheck disable=SC2046
    java $(java_kafka) -cp "$libs/*" kafka.tools.StorageTool format \
        -t ZnJlc2hldC10ZXN0cy0wMQ -c "$dir/server.properties"
fi
# shellcheck disable=SC2046
exec java $(java_kafka) -cp "$libs/*" kafka.Kafka "$dir/server.properties"
