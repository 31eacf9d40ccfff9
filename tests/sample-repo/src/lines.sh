#!/bin/sh
# Prints how many lines all files of a folder have together.
folder=$1

total=0
for file in "$folder"/*; do
    n=$(cat $file | wc -l) || exit 1
    total=$((total + n))
done
echo "$total"
