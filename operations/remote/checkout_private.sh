# checkout_private.sh FOLDER [heal]: name what git knows of the checkout in FOLDER and others cannot read, or let them. What
# the program keeps beside it is its user's own business. Nothing for a plain folder, and for a link.
set -eu
cd -- "$1"
test -d .git || exit 0
if [ "${2:-}" = heal ]; then act='-exec chmod go+rX {} +'; else act=-print; fi

# private TYPE BITS: those of the paths on standard input, each ended by NUL, that lack BITS. One may be gone.
private() {
    # shellcheck disable=SC2016 # for the inner shell
    sed -z 's|^|./|' | xargs -0 -r sh -c 'type=$1 bits=$2 act=$3; shift 3
        find "$@" -maxdepth 0 -type "$type" ! -perm "-$bits" $act 2>/dev/null; true' private "$1" "$2" "$act"
}
{
    printf '.\0.git\0'
    git -c safe.directory='*' ls-tree -rdz --name-only HEAD
} | private d 055
git -c safe.directory='*' ls-files -z | private f 044
