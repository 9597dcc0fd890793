# Say what is known of the user USER, and who has the number NUMBER, each on a line that begins with its name:
# `entry` as getent has it, `group` the main one's name, `home` the owner of the home folder where that is one, `busy`
# where a process of theirs runs, `uid` and `gid` the user and the group of that number.
# usage: USER NUMBER
set -eu
user=$1 number=$2

if entry=$(getent passwd "$user"); then
    echo "entry $entry"
    echo "group $(id -gn "$user")"
    home=$(echo "$entry" | cut -d : -f 6)
    if [ -d "$home" ]; then echo "home $(stat -L -c %U -- "$home")"; fi
    find /proc -maxdepth 1 -name '[0-9]*' -uid "$(id -u "$user")" 2>/dev/null | sed -n '1s/.*/busy yes/p'
fi
getent passwd "$number" | sed 's/^\([^:]*\):.*/uid \1/'
getent group "$number" | sed 's/^\([^:]*\):.*/gid \1/'
