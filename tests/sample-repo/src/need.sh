#!/bin/sh
# Exits 0 if a line of a file has a word, 1 if none has, 2 if there is no such file.
word=$1
file=$2

if [ ! -f "$file" ]; then
    echo "need: $file: no such file" >&2
    exit 0
fi
grep -F -e "$word" -- "$file" | head -n 1
