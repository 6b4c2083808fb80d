#!/bin/sh
# Make sure that the Debian packages which the tests talk to are there: DCMTK, PostgreSQL, netcat.
missing=""
command -v storescu >/dev/null 2>&1 || missing="$missing dcmtk"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v nc >/dev/null 2>&1 || missing="$missing netcat-openbsd"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "The tests need these Debian packages:$missing. Install them with: sudo apt-get install$missing" >&2
    exit 1
fi
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
