# git_checkout.sh URL COMMIT FOLDER USER: bring FOLDER to COMMIT; files that git does not track stay.
set -eu
url=$1 commit=$2 folder=$3 user=$4 root='' libraries=''

# git runs what a repository's configuration says, as that user: it gets no variable but those that lead to a server.
# shellcheck disable=SC2013 # each line is one word
for name in $(awk 'BEGIN { for (name in ENVIRON) if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/) print name }'); do
    case "$name" in PATH | *_proxy | *_PROXY | SSL_CERT_FILE | SSL_CERT_DIR | GIT_SSL_CAINFO) ;; *) unset "$name" ;; esac
done
become() {
    setsid --wait setpriv --reuid "$user" --regid "$user" --init-groups env HOME="$folder" GIT_TERMINAL_PROMPT=0 \
        ${root:+"LD_LIBRARY_PATH=$libraries" "GIT_EXEC_PATH=$root/usr/lib/git-core" "GIT_TEMPLATE_DIR=$root/usr/share/git-core/templates"} "$@"
}
as_user() { become "$git" -C "$folder" "$@"; }
fail() { echo "source: $1" >&2; exit 1; }
# Why git has ended, of what it $said, as one line: whichever program has the reason (git, ssh, the server), less advice.
of_git() {
    status=$?
    found=$(printf '%s\n' "$said" | tr -d '\r' | sed -E '
        s/^(remote: )?(fatal: |error: |remote: )//; s/[[:space:]]+$//; /^$/d; /^Another git process/,$d
        /^(hint: |warning: |Please make sure|and the repository exists|To add an exception|[[:space:]]+git config )/d' |
        awk '!seen[$0]++' | head -n 3 | cut -c -300)
    help=
    case "$said" in
        *'dubious ownership'*)
            owned=$(printf '%s\n' "$said" | sed -n "s/.*repository at '\(.*\)'.*/\1/p" | head -n 1)
            help=": run \`git config --system --add safe.directory $owned\` on the host" ;;
        *'Another git process'*) help=" Remove it if no other git is at work" ;;
    esac
    printf '%s' "${found:-git ended with status $status}$help" | tr '\n' ';' | sed 's/;/; /g'
}
# whole: all of the commit is here. One that was cut off is there itself, and git checks it out without what is missing.
whole() { as_user rev-list --quiet --objects --no-walk "$commit^{commit}" 2>/dev/null; }

enter "$(dirname "$folder")"
install -d -o "$user" -g "$user" -m 755 "$folder"
cd /
git=$(command -v git) || bring_git "$(dirname "$folder")/.visomaster-git"
said=$(as_user init -q 2>&1) || fail "$folder: $(of_git)"
if ! whole; then
    echo "source: fetching $commit from $url"
    # A server that speaks the smart protocol sends the one commit; an older or plain one needs the branches whole.
    as_user fetch -q --depth 1 "$url" "$commit" 2>/dev/null ||
        said=$(as_user fetch -q --tags "$url" '+refs/heads/*:refs/remotes/origin/*' 2>&1) ||
        fail "cannot fetch from $url: $(of_git)"
    whole || fail "commit $commit not found in $url"
fi
# What the program keeps is linked to elsewhere (visomaster_host/kept): where this commit or the next has files of its own,
# they come back first. They are no local change then, and the program's next start takes along what is new of them.
# shellcheck disable=SC2016 # for the inner shell
said=$(become sh -ec 'cd -- "$1"
    test -f .visomaster/linked || exit 0
    : >.visomaster/stays
    : >.visomaster/returns
    while IFS= read -r path; do
        if test -L "$path" && { "$2" ls-tree HEAD -- "$path"; "$2" ls-tree "$3" -- "$path"; } | grep -q .; then to=returns; else to=stays; fi
        printf "%s\n" "$path" >>".visomaster/$to"
    done <.visomaster/linked
    mv -f .visomaster/stays .visomaster/linked
    while IFS= read -r path; do
        rm -- "$path"
        if "$2" ls-tree HEAD -- "$path" | grep -q .; then "$2" checkout -q HEAD -- "$path"; fi
    done <.visomaster/returns
    rm .visomaster/returns' unlink "$folder" "$git" "$commit" 2>&1) || fail "$folder cannot be brought to $commit: $(of_git)"
said=$(as_user -c advice.detachedHead=false checkout -q --detach "$commit" 2>&1) || {
    case "$said" in
        *'would be overwritten'*) fail "$folder has local changes that $commit would overwrite: move them aside and run again" ;;
        *) fail "$folder cannot be brought to $commit: $(of_git)" ;;
    esac
}
echo "source: at $commit"
