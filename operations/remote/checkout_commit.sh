# checkout_commit.sh FOLDER: print the commit that the checkout in FOLDER is at, as git would, which need not be there:
# gitrepository-layout(5). Nothing where it is no checkout, or one without a commit.
if ! test -d "$1/.git/objects" || ! test -d "$1/.git/refs"; then exit 0; fi
cd -- "$1/.git" || exit
head=$(head -n 1 HEAD 2>/dev/null) || exit 0
case "$head" in
    'ref: '*)
        name=${head#ref: }
        head=$(head -n 1 -- "$name" 2>/dev/null) ||
            head=$(NAME=$name awk '$2 == ENVIRON["NAME"] { print $1 }' packed-refs 2>/dev/null) || exit 0 ;;
esac
printf '%s\n' "$head"
