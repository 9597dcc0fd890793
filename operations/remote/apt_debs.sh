# Files of packages without their installation: for the scripts after this one, which follows apt_run.sh.

# begin_debs: $scratch is a folder of this run; when it ends, apt is as it was found. An image keeps none of apt's lists, a
# workstation its own.
begin_debs() {
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C
    scratch=$(mktemp -d)
    had_lists=no
    if ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then had_lists=yes; fi
    trap end_debs EXIT
}
end_debs() {
    unset APT_CONFIG
    rm -rf "$scratch"
    if [ "$had_lists" = no ]; then
        apt-get clean
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/lib/apt/periodic/update-success-stamp
    fi
}

# fetch_debs PACKAGE...: into $scratch/debs, each checked against the sha256 in the distribution's signed index.
fetch_debs() {
    mkdir "$scratch/debs"
    chmod 755 "$scratch"
    chown _apt "$scratch/debs"
    cd "$scratch/debs" || exit
    run apt-get -q download "$@"
}
