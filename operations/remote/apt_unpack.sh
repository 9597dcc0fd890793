# Unpack some files of packages without installing them: apt-unpack DEST PACKAGE... -- PATH...
# PATHs are relative to the root the packages were made for. DEST is replaced as a whole, with a record in DEST/.unpacked.
set -eu

dest=$1
shift
packages=
while [ "$1" != -- ]; do
    packages="$packages $1"
    shift
done
shift

begin_debs
trap 'rm -rf "$dest.new"; end_debs' EXIT
read_lists
# shellcheck disable=SC2086 # the names are words of [a-z0-9.+-]
fetch_debs $packages

rm -rf "$dest.new"
mkdir -p "${scratch:?}/root" "$dest.new"
for deb in "$scratch"/debs/*.deb; do
    run dpkg-deb -x "$deb" "$scratch/root"
    # shellcheck disable=SC2016 # dpkg-deb fills these in, not the shell
    dpkg-deb -W --showformat='package ${Package} ${Version}\n' "$deb" >>"$dest.new/.unpacked"
done
cd "$scratch/root"
for path in "$@"; do
    if [ ! -e "$path" ]; then
        echo "$path is in none of:$packages" >&2
        exit 1
    fi
    # --parents: below DEST as below the root. Owners are root's: dpkg-deb ran as root.
    cp -a --parents "$path" "$dest.new"
    echo "path $path" >>"$dest.new/.unpacked"
done
rm -rf "$dest"
mv "$dest.new" "$dest"
echo "apt: unpacked$packages"
