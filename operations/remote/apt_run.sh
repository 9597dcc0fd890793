# The beginning of the scripts that use apt. Both functions need $scratch, a folder, for what the command prints.

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
    reason=$(grep -E '^(E:|dpkg(-deb)?: error)' "$scratch/log" || tail -n 3 "$scratch/log")
    echo "${reason:-E: $1 failed}" >&2
    exit 1
}
