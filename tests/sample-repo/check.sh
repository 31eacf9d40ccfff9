#!/bin/sh
# Runs the checks: all of them, or the ones that are named. Exits 1 if one fails.
set -u
cd "$(dirname "$0")" || exit 2
here=$PWD
export here
failed=0

run() {
    work=$(mktemp -d) || exit 2
    if (cd "$work" && sh "$here/checks/$1.sh") >"$work/.said" 2>&1; then
        echo "ok   $1"
    else
        echo "FAIL $1"
        sed 's/^/     /' "$work/.said"
        failed=1
    fi
    rm -rf "$work"
}

if [ $# -eq 0 ]; then
    for check in checks/*.sh; do
        name=${check#checks/}
        run "${name%.sh}"
    done
else
    for name in "$@"; do
        run "$name"
    done
fi
exit $failed
