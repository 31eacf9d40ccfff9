#!/bin/sh
# Prints the first N lines of a file.
n=$1
file=$2

i=1
while [ "$i" -lt "$n" ]; do
    IFS= read -r line || break
    printf '%s\n' "$line"
    i=$((i + 1))
done <"$file"
