#!/bin/sh
# deb.sh - Debian packages of freshet in build/deb, VERSION is the Makefile's.
#
# debian/ is laid beside the sources here alone, in a copy of them. lintian has nothing to say about what comes out, or
# it fails.
set -eu
cd "$(dirname "$0")/../.."
deb=$PWD/build/deb
tree=$deb/freshet-$VERSION

rm -rf "$deb"
mkdir -p "$tree"
tar -c --exclude=./build --exclude=./.git --exclude=__pycache__ . | tar -x -C "$tree"
cp -r config/packaging/debian "$tree/debian"
cat >"$tree/debian/changelog" <<END
freshet ($VERSION-1) unstable; urgency=medium

  * The release $VERSION.

 -- $(sed -n 's/^Maintainer: //p' config/packaging/debian/control)  $(LC_ALL=C date -R -r config/packaging/debian/control)
END
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign)
lintian --fail-on error,warning "$deb"/*.changes
ls "$deb"/*.deb
