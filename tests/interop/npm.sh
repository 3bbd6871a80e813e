#!/bin/sh
# The judges of npm (package.json) that `make test` asks, a FLO full node among them: installed once, again only when the
# lock is newer than what is installed.
set -eu
cd "$(dirname "$0")"

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "left out: the judges from npm (a FLO full node and libraries), because node and npm are not on this machine"
    exit 0
fi
# A link leads to the installation of another checkout, which npm would empty.
if [ -L node_modules ]; then
    echo "tests/interop/node_modules is a link and stays as it is"
    exit 0
fi
if [ -f node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    exit 0
fi
echo "Installing the judges from npm into tests/interop/node_modules (once; builds native parts, takes minutes)"
# The native parts are built against the headers of the node that is here, not against downloaded ones.
prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
if [ -f "$prefix/include/node/node.h" ]; then
    npm_config_nodedir=$prefix
    export npm_config_nodedir
fi
if npm ci --no-audit --no-fund --loglevel=error >npm-ci.log 2>&1; then
    rm -f npm-ci.log
    # npm may keep the time stamps of its cache; what counts is that the installation is newer than the lock.
    touch node_modules/.package-lock.json
else
    echo "left out: the judges from npm, because they cannot be installed here: tests/interop/npm-ci.log says why"
fi
