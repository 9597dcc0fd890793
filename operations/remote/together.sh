# Several questions asked in one command: sh -c TEXT-OF-THIS together MARK QUESTION…
# Each is a command as it would be alone. On both streams a line that begins with MARK ends what it printed, and tells its
# exit status.
mark=$1
shift
for question; do
    sh -c "$question" </dev/null
    status=$?
    printf '\n%s %s\n' "$mark" "$status"
    printf '\n%s %s\n' "$mark" "$status" >&2
done
