#!/bin/sh
# Builds the pinned rqlited into build/rqlited of this repository, once: nothing happens when it is already there and
# newer than the pin. It needs Go and a C compiler (SQLite is compiled in).
#
# usage: deploy/rqlited/build.sh [OUTPUT]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../build/rqlited}

if [ -x "$out" ] && [ "$out" -nt "$here/go.mod" ] && [ "$out" -nt "$here/go.sum" ]; then
	exit 0
fi
command -v "${CC:-cc}" >/dev/null || {
	echo "rqlited needs a C compiler; install gcc (Debian: apt-get install gcc libc6-dev) and run this again" >&2
	exit 1
}

cd "$here"
version=$(go list -m -f '{{.Version}}' github.com/rqlite/rqlite/v8)
echo "building rqlited $version into $out (a few minutes the first time)" >&2
mkdir -p "$(dirname "$out")"
CGO_ENABLED=1 go build -trimpath -ldflags "-X github.com/rqlite/rqlite/v8/cmd.Version=$version" \
	-o "$out.$$" github.com/rqlite/rqlite/v8/cmd/rqlited
mv "$out.$$" "$out"
