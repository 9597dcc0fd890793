# Print who is in the way of a host's services: `program NAME FILE` for each supervisor program in FOLDER that is not one
# of ours (PREFIX*.conf), and `port NUMBER PROCESS COMMAND` for each of PORTS on which somebody else listens.
# usage: FOLDER PREFIX USERS PORTS (the last two are lists in one argument; a socket of one of USERS is ours)
set -eu
folder=$1 prefix=$2 users=$3 ports=$4

for file in "$folder"/*.conf; do
    case "$file" in "$folder/$prefix"* | "$folder/*.conf") continue ;; esac
    sed -n "s|^\[program:\([^]]*\)\].*|program \1 $file|p" "$file"
done

# The process that holds the socket with the inode $2, as seen by the user $1 it belongs to: in a container root may not
# look into the processes of others.
holder() {
    as_owner=
    if [ "$1" != 0 ] && [ "$(id -u)" = 0 ]; then
        as_owner="setpriv --reuid $1 --regid $(id -g "$1" 2>/dev/null || echo "$1") --clear-groups"
    fi
    $as_owner find /proc/[0-9]*/fd -lname "socket:\[$2\]" 2>/dev/null | head -n 1 | cut -d / -f 3
}

ours=" "
for user in $users; do
    ours="$ours$(id -u "$user" 2>/dev/null || echo none) "
done

for port in $ports; do
    # The kernel's own table: a bare box has neither ss nor Python yet. 0A is LISTEN.
    cat /proc/net/tcp* | awk -v end=":$(printf '%04X' "$port")\$" '$4 == "0A" && $2 ~ end { print $8, $10 }' |
        while read -r uid inode; do
            case "$ours" in *" $uid "*) continue ;; esac
            process=$(holder "$uid" "$inode")
            # One line, whatever the command holds.
            printf 'port %s %s %s\n' "$port" "${process:-0}" "$(tr '\0\n\r' '   ' <"/proc/${process:-self}/cmdline")"
        done
done
