#!/bin/sh
# What the pages are tried with: a browser, and axe-core (package.json) once, again only when its lock is newer.
set -eu
cd "$(dirname "$0")"

# Debian's, where this may install it.
if ! command -v chromium >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing chromium (once)"
        apt-get install -y --no-install-recommends chromium >/dev/null 2>&1 ||
            { apt-get update >/dev/null 2>&1 && apt-get install -y --no-install-recommends chromium >/dev/null 2>&1; } ||
            echo "left out: the pages in a real browser, because chromium cannot be installed here"
    else
        echo "left out: the pages in a real browser, because chromium is not on this machine (apt install chromium)"
    fi
fi

if [ -f node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
    echo "left out: axe, because npm is not on this machine"
    exit 0
fi
if npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm-ci.log 2>&1; then
    rm -f npm-ci.log
    # npm may keep the time stamps of its cache; what counts is that the installation is newer than the lock.
    touch node_modules/.package-lock.json
else
    echo "left out: axe, because npm could not install it: tests/browser/npm-ci.log says why"
fi
