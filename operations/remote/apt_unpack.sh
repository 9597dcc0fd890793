# Unpack some files of packages without installing them: apt-unpack DEST PACKAGE... -- PATH...
# PATHs are relative to the root the packages were made for. DEST is replaced as a whole, with a record in DEST/.unpacked.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

dest=$1
shift
packages=
while [ "$1" != -- ]; do
    packages="$packages $1"
    shift
done
shift

scratch=$(mktemp -d)
had_lists=no
if ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then had_lists=yes; fi

leave_as_found() {
    unset APT_CONFIG
    rm -rf "$scratch" "$dest.new"
    if [ "$had_lists" = no ]; then
        apt-get clean
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/lib/apt/periodic/update-success-stamp
    fi
}
trap leave_as_found EXIT

read_lists
mkdir "$scratch/debs" "$scratch/root"
chmod 755 "$scratch"
chown _apt "$scratch/debs"
cd "$scratch/debs"
# apt checks each file against the sha256 in the distribution's signed index.
# shellcheck disable=SC2086 # the names are words of [a-z0-9.+-]
run apt-get -q download $packages

rm -rf "$dest.new"
mkdir -p "$dest.new"
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
