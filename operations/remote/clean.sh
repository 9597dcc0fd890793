# How every command begins on a host: sh -c TEXT-OF-THIS clean MARK PATH KEPT COMMAND
# What the login, sudo, an image or the person's shell has set is no default of a command: it gets this PATH, a fixed umask,
# locale and folder, and of variables those whose names are among KEPT. Between two lines that begin with MARK, on both
# streams, is what the command itself prints; the second one tells its exit status.
mark=$1 PATH=$2 kept=" PATH HOME $3 " command=$4
# Before the first program that would heed them.
unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT
# shellcheck disable=SC2013 # each line is one word
for name in $(awk 'BEGIN { for (name in ENVIRON) if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/) print name }'); do
    case "$kept" in *" $name "*) ;; *) unset "$name" ;; esac
done
if [ "$(id -u)" = 0 ]; then HOME=/root; fi
export PATH HOME LANG=C.UTF-8
umask 022
cd /

mark() {
    printf '\n%s %s\n' "$mark" "$1"
    printf '\n%s %s\n' "$mark" "$1" >&2
}
mark begins
sh -c "$command"
status=$?
mark "$status"
exit "$status"
