#!/bin/sh
# Make sure that what the tests talk to is there: DCMTK, Orthanc, dicom3tools, PostgreSQL, netcat, HAProxy, rsyslog, systemd's
# checks, Chromium, curl, Node.js (Debian packages), and a client from npm.
set -e
missing=""
command -v storescu >/dev/null 2>&1 || missing="$missing dcmtk"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v Orthanc >/dev/null 2>&1 || [ -x /usr/sbin/Orthanc ] || missing="$missing orthanc"
command -v dciodvfy >/dev/null 2>&1 || missing="$missing dicom3tools"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
command -v nc >/dev/null 2>&1 || missing="$missing netcat-openbsd"
command -v haproxy >/dev/null 2>&1 || [ -x /usr/sbin/haproxy ] || missing="$missing haproxy"
command -v rsyslogd >/dev/null 2>&1 || [ -x /usr/sbin/rsyslogd ] || missing="$missing rsyslog"
ls /usr/lib/*/rsyslog/lmnsd_ossl.so >/dev/null 2>&1 || missing="$missing rsyslog-openssl"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "The tests need these Debian packages:$missing. Install them with: sudo apt-get install$missing" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    case "$missing" in
    *orthanc*) # its package starts a server that takes images from everybody
        service orthanc stop >/dev/null 2>&1 || true
        update-rc.d orthanc disable >/dev/null 2>&1 || true
        ;;
    esac
    case "$missing" in
    *rsyslog*) # so does this one's, for this machine's own messages
        service rsyslog stop >/dev/null 2>&1 || true
        update-rc.d rsyslog disable >/dev/null 2>&1 || true
        ;;
    esac
fi
clients="$(dirname "$0")/clients"
if [ ! "$clients/node_modules/.package-lock.json" -nt "$clients/package.json" ]; then
    npm install --prefix "$clients" --no-package-lock --no-audit --no-fund --loglevel=error >/dev/null
    touch "$clients/node_modules/.package-lock.json"
fi
