# The beginning of what root writes: into folders that are root's alone, which are entered element by element.
set -eu

# enter FOLDER [make]: go there, and make what is missing if asked to. One line and the end of the script unless nobody
# but root (or who runs this) can change what is in it, or which folder it is: in somebody's own folder a link could be
# laid at any name. Groups of the system count as root's: Ubuntu's /var/log is syslog's too.
enter() {
    cd /
    left=${1#/}
    while [ -n "$left" ]; do
        element=${left%%/*}
        case "$left" in */*) left=${left#*/} ;; *) left= ;; esac
        if [ -z "$element" ]; then continue; fi
        if [ "${2:-}" = make ] && [ ! -e "$element" ] && [ ! -L "$element" ]; then mkdir -m 755 -- "./$element"; fi
        cd -P -- "./$element"
        if [ -z "$(kept "$left")" ]; then
            echo "$1: $(pwd) is not root's alone; what root writes there could be led elsewhere" >&2
            exit 1
        fi
    done
}

# kept LEFT: says something where this folder is such a one. On the way (something is LEFT), one like /tmp will do: there
# only root can exchange what is root's.
kept() {
    alone='! -perm -002 ( ! -perm -020 -o ! -gid +999 )'
    if [ -n "$1" ]; then alone="( $alone -o -perm -1000 )"; fi
    # shellcheck disable=SC2086 # words of find
    find . -maxdepth 0 '(' -uid 0 -o -uid "$(id -u)" ')' $alone
}
