# The beginning of the scripts that use apt. The functions need $scratch, a folder, for what the commands print.
left_out=

# attempt COMMAND...: its status. On a fresh box the platform's own apt may be at work, or that of a run which lost its
# controller: they are waited for. apt's own waiting covers dpkg's lock alone.
patience=300
attempt() {
    while :; do
        status=0
        "$@" >"${scratch:?}/log" 2>&1 || status=$?
        if [ "$status" -eq 0 ] || [ "$patience" -eq 0 ] || ! grep -qE 'Could not get lock|locked by another process' "$scratch/log"; then
            return "$status"
        fi
        patience=$((patience - 1))
        sleep 1
    done
}

# run COMMAND...: the script ends with the reason when the command fails.
run() {
    if attempt "$@"; then return; fi
    why=$(reason)
    echo "${why:-E: $1 failed}${left_out:+ (without $left_out)}" >&2
    exit 1
}

# reason: why the last command failed.
reason() {
    said=$(grep -E '^(E:|dpkg(-deb)?: error)' "$scratch/log" || tail -n 3 "$scratch/log")
    case "$said" in '' | *[Ss]pace*) place=$(full) ;; *) place= ;; esac
    if [ -n "$place" ]; then said="E: no space left on $place"; fi
    echo "$said"
}

# full: the first of the folders apt writes to where nothing can be written any more.
full() {
    for folder in /tmp /var/cache/apt /var/lib/apt /var/lib/dpkg /usr /etc; do
        if [ "$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print ($4 < 100) }')" = 1 ]; then
            echo "$folder"
            return
        fi
    done
}

# read_lists: apt-get update. An entry that its owner has broken (no signature, no such place, no such syntax, at odds with
# another one) does not keep the distribution's packages from us: it is named, and left out of what apt sees from here on.
read_lists() {
    if attempt apt-get -q update; then return; fi
    why=$(reason)
    mkdir "$scratch/parts" "$scratch/sources"
    printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\n' "$scratch/sources" >"$scratch/apt.conf"
    export APT_CONFIG="$scratch/apt.conf"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources \
        /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        take_entries "$file"
    done
    if [ -z "$(ls "$scratch/sources")" ]; then
        echo "${why:-E: apt-get failed}" >&2
        exit 1
    fi
}

# take_entries FILE: have apt see those entries of FILE with which it can still read its lists.
take_entries() {
    name=$(basename "$1")
    if ! [ -s "$1" ] || [ -e "$scratch/parts/$name" ]; then return; fi
    mkdir "$scratch/parts/$name"
    # An entry is a line, or a paragraph.
    case "$name" in *.list) split='BEGIN { RS = "\n" } /^[ \t]*(#|$)/ { next }' ;; *) split='BEGIN { RS = "" }' ;; esac
    awk -v to="$scratch/parts/$name" -v as="$name" "$split"' { print >sprintf("%s/%03d-%s", to, NR, as) }' "$1"
    for entry in "$scratch/parts/$name"/*; do
        if ! [ -e "$entry" ]; then continue; fi
        cp "$entry" "$scratch/sources/"
        if attempt apt-get -q update -o APT::Get::List-Cleanup=false; then continue; fi
        echo "apt: going on without an entry of $1: $(reason | head -n 1 | sed "s| in source list $scratch/.*||")"
        rm "$scratch/sources/$(basename "$entry")"
        case "$left_out" in *"$1"*) ;; *) left_out="${left_out:+$left_out, }$1" ;; esac
    done
}
