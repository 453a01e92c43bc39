#!/bin/sh
# packages.sh [RELEASE...] - freshet's Debian packages, built on Debian 12 and 13, each in a chroot that has what builds
# take, and lived with in one that has nothing: installed, upgraded, removed, purged (tests/package-life.sh).
#
# The clean chroot is only looked through: what is installed lies on top of it, in memory. What each step said is in
# build/portability/RELEASE.STEP.log. Needs root, debootstrap and unshare.
set -eu
cd "$(dirname "$0")/.."
. tests/chroot.sh

summary() {
    case $1 in
    deb) echo "$(grep -c '\.deb$' "$2") packages, nothing to say for lintian" ;;
    life) tail -n 1 "$2" ;;
    esac
}

inside_clean() {
    scratch=$home/clean-$1.scratch
    mkdir -p "$scratch"
    unshare --mount --pid --fork --kill-child sh -euc '
        mount -t tmpfs scratch "$2"
        mkdir "$2/changes" "$2/work" "$2/root"
        root=$2/root
        mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/changes,workdir=$2/work" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind --make-rslave /dev "$root/dev"
        cp /etc/resolv.conf /etc/hosts "$root/etc/"
        cp -r "$3" "$root/debs"
        cp tests/package-life.sh "$root/debs/"
        exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh /debs/package-life.sh
        ' sh "$home/clean-$1" "$scratch" "$home/$1/freshet/build/deb"
}

check_release() {
    step "$1" chroot make_chroot "$1" && step "$1" sources copy_sources "$1" &&
        step "$1" deb inside "$1" "make -j$(nproc) deb" &&
        step "$1" clean make_chroot "clean-$1" && step "$1" life inside_clean "$1"
}

each_release "$@"
