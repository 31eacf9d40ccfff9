#!/bin/sh
# Copies a file into a folder, which is made.
file=$1
folder=$2

mkdir -p $folder && cp $file $folder/
