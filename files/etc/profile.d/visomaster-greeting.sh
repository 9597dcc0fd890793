# What somebody who logs in is greeted with: on a terminal alone, so that scp, sftp, rsync and `ssh HOST COMMAND` get
# nothing that they did not ask for. Every shell that logs in reads this: no more than dash knows, and no program is run.
case $- in
    *i*)
        if [ -t 1 ] && ! [ -e "${HOME:-/}/.hushlogin" ]; then
            visomaster_sudo=''
            if ! [ -w /etc/visomaster ]; then visomaster_sudo='sudo '; fi
            printf '\nThis is a VisoMaster desktop.\n'
            printf '  %-28s %s\n' \
                visomaster-ready 'is it ready, and what is missing' \
                "${visomaster_sudo}visomaster-credentials" 'where to open it, the password or token' \
                'ls /workspace/in' 'videos go in there; results come out in /workspace/out'
            echo
            unset visomaster_sudo
        fi
        ;;
esac
