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

# read_lists: apt-get update. A source that its owner has broken (no signature, no such place, no such syntax) does not
# keep the distribution's packages from us: it is named and left out of what apt sees from here on.
read_lists() {
    if attempt apt-get -q update; then return; fi
    why=$(reason)
    mkdir "$scratch/sources"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        if ! [ -s "$file" ]; then continue; fi
        if attempt apt-get -q update -o "Dir::Etc::sourcelist=$file" -o Dir::Etc::sourceparts=/dev/null -o APT::Get::List-Cleanup=false; then
            cp "$file" "$scratch/sources/"
        else
            echo "apt: going on without $file: $(reason | head -n 1)"
            left_out="${left_out:+$left_out, }$file"
        fi
    done
    if [ -z "$(ls "$scratch/sources")" ]; then
        echo "${why:-E: apt-get failed}" >&2
        exit 1
    fi
    printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\n' "$scratch/sources" >"$scratch/apt.conf"
    export APT_CONFIG="$scratch/apt.conf"
}
