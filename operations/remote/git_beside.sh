# The distribution's git in a folder of this run, for a host that has none: 45 MB, with perl 90, of which a checkout once
# needs this. The functions are for git_checkout.sh.

# bring_git FOLDER: unpack git there, with the libraries that this host lacks. It sets $git, and what it runs with.
bring_git() {
    echo "source: the host has no git: unpacking the distribution's for this run"
    root=$1
    rm -rf "$root"
    begin_debs
    trap 'rm -rf "$root"; end_debs' EXIT
    read_lists
    run apt-get -q -s --no-install-recommends -o Dir::Log::Planner=/dev/null install git
    # What apt would install, short of what is not run here: a few of git's commands are perl, and none has to be read about.
    needs=$(sed -n 's/^Inst \([a-z0-9.+-]*\) .*/\1/p' "${scratch:?}/log" | grep -vE '^(git-man|libc6|libc-bin|(lib)?perl.*|.*-perl)$') ||
        fail "apt says that git is installed, but there is no program of that name: apt-get install --reinstall git"
    # shellcheck disable=SC2086 # the names are words of [a-z0-9.+-]
    fetch_debs $needs
    mkdir -m 755 "$root"
    for deb in "$scratch"/debs/*.deb; do run dpkg-deb -x "$deb" "$root"; done
    rm -rf "$scratch/debs" "$root/usr/share/doc" "$root/usr/share/locale"
    cd /
    # shellcheck disable=SC2034 # for git_checkout.sh
    git=$root/usr/bin/git
    # shellcheck disable=SC2034
    libraries=$(find "$root/usr/lib" "$root/lib" -maxdepth 1 -name '*-linux-gnu*' 2>/dev/null | paste -s -d :)
}
