#!/bin/sh
# Prints which day of the year a date YYYY-MM-DD is; exits 1 if there is no such day.
date=$1

year=${date%%-*}
rest=${date#*-}
month=${rest%%-*}
day=${rest#*-}

leap=0
if [ $((year % 4)) -eq 0 ]; then
    leap=1
fi

number=0
m=1
for length in 31 $((28 + leap)) 31 30 31 30 31 31 30 31 30 31; do
    if [ "$m" -eq "$month" ]; then
        if [ "$day" -lt 1 ] || [ "$day" -gt "$length" ]; then
            exit 1
        fi
        echo $((number + day))
        exit 0
    fi
    number=$((number + length))
    m=$((m + 1))
done
exit 1
