printf 'one\ntwo\n' >list
expect() {
    wanted=$1
    shift
    sh "$here/src/need.sh" "$@" >/dev/null 2>&1
    got=$?
    [ "$got" -eq "$wanted" ] || { echo "need $*: exit code $got, not $wanted"; exit 1; }
}
expect 0 two list
expect 2 two nowhere
expect 1 three list
