mkdir notes
printf 'a\nb\n' >notes/one
printf 'c\n' >'notes/two words'
said=$(sh "$here/src/lines.sh" notes)
[ "$said" -eq 3 ] || { echo "3 lines are counted as $said"; exit 1; }
