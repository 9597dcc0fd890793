# Install the packages named by the arguments. Prints a line for each package set up.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

scratch=$(mktemp -d)
had_lists=no
if ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then had_lists=yes; fi
own_policy=no
policy='#!/bin/sh
# Only while visomaster packages are installed.
exit 101'

leave_as_found() {
    unset APT_CONFIG
    rm -rf "$scratch"
    if [ "$own_policy" = yes ]; then rm -f /usr/sbin/policy-rc.d; fi
    if [ "$had_lists" = no ]; then
        apt-get clean
        # The stamp tells apt.packages(cache_time=...) that lists are fresh: without lists it must go too.
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/lib/apt/periodic/update-success-stamp
        rm -f /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
    fi
}
trap leave_as_found EXIT

# One of ours that is there already was left by a run that was killed.
if [ ! -e /usr/sbin/policy-rc.d ] || [ "$(cat /usr/sbin/policy-rc.d)" = "$policy" ]; then
    # supervisor's package would start its daemon while an image is made.
    printf '%s\n' "$policy" >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    own_policy=yes
fi

# COMMAND... with options for apt-get install. A file that was there before its package (a supervisord.conf of the box's own)
# stays, as do the packages of others: there is nobody to be asked.
installing() {
    "$@" -q -y --no-remove --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold
}

# A run that was killed may have left packages unpacked, which dpkg sets up, or half unpacked, or without what they need:
# at these dpkg fails. apt refuses to begin before dpkg was called.
whole=yes
attempt dpkg --configure -a || whole=no
echo "apt: reading package lists"
read_lists
if [ "$whole" = no ]; then
    echo "apt: repairing what an interrupted installation left"
    # With no names: apt gives up where the repair needs packages that were not named. It fails at those to be unpacked anew.
    installing attempt apt-get install --fix-broken || true
    # shellcheck disable=SC2016 # dpkg-query fills these in, not the shell
    broken=$(dpkg-query -W -f '${db:Status-Eflag} ${binary:Package}\n' | sed -n 's/^reinstreq //p')
    # shellcheck disable=SC2086 # the names are words of [a-z0-9.+:-]
    if [ -n "$broken" ]; then installing run apt-get install --reinstall $broken; fi
fi
echo "apt: fetching $# packages and what they need"
installing run apt-get install --download-only "$@"
echo "apt: $(grep -oE 'Need to get .*|[0-9]+ upgraded, [0-9]+ newly installed' "$scratch/log" | paste -sd ';' - | sed 's/;/; /g')"
installing run apt-get install --no-download "$@"
# An image's layers keep whole seconds, and fontconfig's cache notes when each folder changed to the nanosecond: every
# program of an image would read all fonts anew when it starts, in 0.2 s.
if command -v fc-cache >/dev/null; then
    find /usr/share/fonts -type d | while read -r folder; do touch -d "@$(stat -c %Y "$folder")" "$folder"; done
    fc-cache -f
fi
echo "apt: installed"
