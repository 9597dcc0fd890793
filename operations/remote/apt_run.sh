# The beginning of the scripts that use apt: `run COMMAND...` needs $scratch, a folder, and ends the script with the reason
# when the command fails. On a fresh box the platform's own apt may be at work, or that of a run which lost its controller:
# they are waited for. apt's own waiting covers dpkg's lock alone.
patience=300
run() {
    while :; do
        status=0
        "$@" >"${scratch:?}/log" 2>&1 || status=$?
        if [ "$status" -eq 0 ]; then return; fi
        if [ "$patience" -eq 0 ] || ! grep -qE 'Could not get lock|locked by another process' "$scratch/log"; then
            reason=$(grep -E '^(E:|dpkg(-deb)?: error)' "$scratch/log" || tail -n 3 "$scratch/log")
            echo "${reason:-E: $1 ended with status $status}" >&2
            exit 1
        fi
        patience=$((patience - 1))
        sleep 1
    done
}
