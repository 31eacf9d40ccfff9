expect() {
    got=$(sh "$here/src/day.sh" "$1")
    [ "$got" = "$2" ] || { echo "$1 is day '$got', not '$2'"; exit 1; }
}
expect 2023-12-31 365
expect 2024-12-31 366
expect 2024-03-01 61
expect 2023-09-08 251
expect 1900-12-31 365
expect 2023-02-29 ""
