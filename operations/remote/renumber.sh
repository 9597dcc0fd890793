# Give the user USER and the group of that name the number NUMBER, and with it all that is theirs in FOLDERS. The files
# go first: what is interrupted is begun anew, as long as the user has the old number. None of their processes may run,
# so nobody changes meanwhile what is found; links are not followed, and no other file system is entered.
# usage: USER NUMBER FOLDER...
set -eu
user=$1 number=$2
shift 2
uid=$(id -u "$user") gid=$(getent group "$user" | cut -d : -f 3)
for folder; do
    if [ ! -d "$folder" ]; then continue; fi
    find "$folder" -xdev -uid "$uid" -exec chown -h "$number" '{}' +
    find "$folder" -xdev -gid "$gid" -exec chgrp -h "$number" '{}' +
done
groupmod --gid "$number" "$user"
usermod --uid "$number" --gid "$number" "$user"
