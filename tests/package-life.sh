#!/bin/sh
# package-life.sh - in a clean chroot, beside the packages: what a package's life has, and that it leaves nothing.
# Started by tests/packages.sh.
set -eu
cd "$(dirname "$0")"
names="freshet freshetd freshet-origin"

fail() {
    echo "packages: $*" >&2
    exit 1
}

apt() {
    apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"
}

# All that is freshet's in the file system, but for what dpkg and apt remember, and these packages.
ours() {
    find / -xdev \( -path /proc -o -path /debs -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache/apt -o -path /var/log \) \
        -prune -o -name '*freshet*' -print
}

installed() {
    apt install --no-install-recommends $(find "$PWD" -name '*.deb' ! -name '*dbgsym*')
    for user in freshet freshet-origin; do
        [ "$(getent passwd $user | cut -d: -f7)" = /usr/sbin/nologin ] || fail "no user $user"
    done
    [ -z "$(find /etc/systemd/system -lname '*freshet*')" ] || fail "a service would start at boot"
    for program in freshet freshetd freshet-origin; do $program --version; done
    for page in man1/freshet.1.gz man8/freshetd.8.gz man8/freshet-origin.8.gz; do
        # A chroot may be told to leave manuals away.
        grep -qs path-exclude=/usr/share/man /etc/dpkg/dpkg.cfg.d/* || [ -e /usr/share/man/$page ] || fail "no $page"
    done
    [ "$(dpkg-query -W -f '${Conffiles}' freshetd | sed 's/ [0-9a-f]*$//; s/ *//')" = /etc/freshet/freshet.yaml ] || fail conffile
}

# As its unit does: as its user, with what is in /etc, and with port 53 as the one power.
served() {
    unit=$(dpkg-query -L freshetd | grep '/freshet\.service$')
    for key in ExecStartPre ExecStart; do
        grep -q "^$key=/usr/sbin/freshetd .*--config=/etc/freshet/freshet.yaml" "$unit" || fail "$key"
    done
    mkdir -p /run/freshet
    chown freshet: /run/freshet
    sed -i '/^feed:/,/^tiers:/{/^tiers:/!d}; s/^    # local:/    local: [nas.lan. 60 IN A 192.0.2.77]/' /etc/freshet/freshet.yaml
    unshare --net sh -euc '
        ip link set lo up
        as="setpriv --reuid=freshet --regid=freshet --clear-groups --no-new-privs --inh-caps=-all,+net_bind_service \
            --ambient-caps=-all,+net_bind_service"
        $as freshetd --check --config=/etc/freshet/freshet.yaml
        $as freshetd --config=/etc/freshet/freshet.yaml &
        tries=0
        until host -t A nas.lan 127.0.0.1 | grep -q "has address 192.0.2.77"; do
            tries=$((tries + 1))
            [ $tries -lt 30 ] || exit 1
            sleep 0.3
        done
        freshet status --control /run/freshet/control.sock
        kill $!
        wait $!
    ' || fail "the installed resolver does not answer"
    rm -r /run/freshet
}

# The next version of each package: with another default configuration.
next_versions() {
    for deb in *.deb; do
        dpkg-deb -R "$deb" next
        sed -i 's/^Version: .*/&+next/' next/DEBIAN/control
        for file in next/etc/freshet/*.yaml; do
            [ ! -e "$file" ] || echo "# The next version has this line." >>"$file"
        done
        dpkg-deb --root-owner-group -b next "$deb"
        rm -r next
    done
}

upgraded() {
    cp /etc/freshet/freshet.yaml mine
    mkdir -p /etc/systemd/system/multi-user.target.wants # what `systemctl enable` does
    ln -s /lib/systemd/system/freshet.service /etc/systemd/system/multi-user.target.wants/
    next_versions
    apt install --no-install-recommends $(find "$PWD" -name '*.deb' ! -name '*dbgsym*')
    for name in $names; do
        dpkg-query -W -f '${Version}' $name | grep -q '+next$' || fail "$name is the old one"
    done
    cmp mine /etc/freshet/freshet.yaml || fail "the configuration was not kept"
    grep -q "next version" /etc/freshet/freshet.yaml.dpkg-dist || fail "the new default is nowhere"
    grep -q "next version" /etc/freshet/origin.yaml || fail "what nobody has changed is an old one"
    [ -L /etc/systemd/system/multi-user.target.wants/freshet.service ] || fail "not enabled any more"
}

gone() {
    apt remove $names
    [ -e /etc/freshet/freshet.yaml ] || fail "removed with its configuration"
    [ ! -e /usr/sbin/freshetd ] || fail "removed, and still there"
    apt purge $names
    left=$(ours)
    [ -z "$left" ] || fail "purged, and still there:
$left"
}

apt-get -q update
apt install --no-install-recommends iproute2 bind9-host
[ -z "$(ours)" ] || fail "the chroot is not clean"
for what in installed served upgraded gone; do
    echo "== $what"
    $what
done
echo "installed, served, upgraded, removed, purged"
