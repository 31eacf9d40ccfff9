printf 'a\nb\nc\n' >list
said=$(sh "$here/src/first.sh" 2 list | tr '\n' ' ')
[ "$said" = "a b " ] || { echo "the first 2 lines are: $said"; exit 1; }
said=$(sh "$here/src/first.sh" 9 list | tr '\n' ' ')
[ "$said" = "a b c " ] || { echo "the first 9 of 3 lines are: $said"; exit 1; }
