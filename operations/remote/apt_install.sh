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

# A run that was killed may have left packages unpacked.
run dpkg --configure -a
echo "apt: reading package lists"
run apt-get -q update
echo "apt: fetching $# packages and what they need"
run apt-get -q install -y --no-install-recommends --download-only "$@"
echo "apt: $(grep -oE 'Need to get .*|[0-9]+ upgraded, [0-9]+ newly installed' "$scratch/log" | tr '\n' ';' | sed 's/;$//')"
# A file that was there before its package (a supervisord.conf of the box's own) stays: there is nobody to be asked.
run apt-get -q install -y --no-install-recommends --no-download -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
# An image's layers keep whole seconds, and fontconfig's cache notes when each folder changed to the nanosecond: every
# program of an image would read all fonts anew when it starts, in 0.2 s.
if command -v fc-cache >/dev/null; then
    find /usr/share/fonts -type d | while read -r folder; do touch -d "@$(stat -c %Y "$folder")" "$folder"; done
    fc-cache -f
fi
echo "apt: installed"
