# chroot.sh - chroots of Debian releases, for the scripts that work in them; read by `.`, in the top folder.
#
# Each release is a chroot in build/portability/RELEASE, made by debootstrap from the mirror that this machine's own
# apt uses, and kept. Mounts and processes are in namespaces of the run, so they are gone with it however it ends.
# Needs root, debootstrap and unshare.
home=$PWD/build/portability

fail() {
    echo "$(basename "$0" .sh): $*" >&2
    exit 1
}

# Of 12, and of clean-12.
name_of() {
    case $1 in
    *12) echo bookworm ;;
    *13) echo trixie ;;
    *) fail "unknown release $1: 12 or 13" ;;
    esac
}

# The mirror that the host's packages come from.
mirror() {
    apt-get indextargets --format '$(SITE) $(COMPONENT) $(RELEASE)' 'Created-By: Packages' |
        awk '$2 == "main" && $3 !~ /security/ {print $1; exit}'
}

# The whole chroot or none of it: half of one is named otherwise.
make_chroot() {
    root=$home/$1
    [ -d "$root" ] && return
    command -v debootstrap >/dev/null || fail "needs debootstrap"
    site=$(mirror)
    [ -n "$site" ] || fail "apt knows no mirror: run apt-get update"
    rm -rf "$root.part"
    mkdir -p "$root.part"
    debootstrap --variant=minbase "$(name_of "$1")" "$root.part" "$site"
    echo force-unsafe-io >"$root.part/etc/dpkg/dpkg.cfg.d/unsafe-io" # it can be made again
    mv "$root.part" "$root"
}

# What git knows, with its times, and nothing else; what was built there stays.
copy_sources() {
    root=$home/$1
    rm -rf "$root/freshet.new"
    mkdir -p "$root/freshet.new"
    git ls-files -z | tar -c --null -T - | tar -x -C "$root/freshet.new"
    [ ! -d "$root/freshet/build" ] || mv "$root/freshet/build" "$root/freshet.new/build"
    rm -rf "$root/freshet"
    mv "$root/freshet.new" "$root/freshet"
}

# inside RELEASE COMMAND: in the chroot, with namespaces of its own for mounts and processes.
inside() {
    root=$home/$1
    kafka=${FRESHET_KAFKA_HOME:-$PWD/build/kafka}
    mkdir -p "$kafka" "$root/kafka"
    unshare --mount --pid --fork --kill-child sh -euc '
        root=$1
        mount --bind "$root" "$root" # unshare inside wants a root that is a mount
        mount -t proc proc "$root/proc"
        mount --rbind --make-rslave /dev "$root/dev"
        mount --rbind --make-rslave /sys "$root/sys"
        mount -t tmpfs tmpfs "$root/tmp"
        mount --bind "$2" "$root/kafka"
        for file in resolv.conf hosts; do
            touch "$root/etc/$file"
            mount --bind "/etc/$file" "$root/etc/$file"
        done
        exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" FRESHET_KAFKA_HOME=/kafka \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd /freshet && $3"
        ' sh "$root" "$kafka" "$2"
}

# step RELEASE NAME COMMAND...: one line on the terminal, and what it said in a file.
step() {
    release=$1 name=$2 log=$home/$1.$2.log
    shift 2
    printf '  Debian %s  %-13s' "$release" "$name"
    begin=$(date +%s)
    if "$@" >"$log" 2>&1; then
        printf 'ok      %4d s  %s\n' $(($(date +%s) - begin)) "$(summary "$name" "$log")"
    else
        printf 'FAILED  %4d s  %s\n' $(($(date +%s) - begin)) "$log"
        tail -n 15 "$log" | sed 's/^/      /'
        return 1
    fi
}

# each_release [RELEASE...]: check_release, which the script has, of each of them, or of all; and the end.
each_release() {
    [ "$(id -u)" -eq 0 ] || fail "needs root"
    mkdir -p "$home"
    failed=0
    for each in ${*:-12 13}; do
        name_of "$each" >/dev/null
        check_release "$each" || failed=1
    done
    exit $failed
}
