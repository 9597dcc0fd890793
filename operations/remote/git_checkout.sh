# git_checkout.sh URL COMMIT FOLDER USER: bring FOLDER to COMMIT; files that git does not track stay.
set -eu
url=$1 commit=$2 folder=$3 user=$4
git=$(command -v git)

# git runs what a repository's configuration says, as that user: it gets no variable but those that lead to a server.
# shellcheck disable=SC2013 # each line is one word
for name in $(awk 'BEGIN { for (name in ENVIRON) if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/) print name }'); do
    case "$name" in PATH | *_proxy | *_PROXY | SSL_CERT_FILE | SSL_CERT_DIR | GIT_SSL_CAINFO) ;; *) unset "$name" ;; esac
done
as_user() { setsid --wait setpriv --reuid "$user" --regid "$user" --init-groups env HOME="$folder" GIT_TERMINAL_PROMPT=0 "$git" -C "$folder" "$@"; }
fail() { echo "source: $1" >&2; exit 1; }

enter "$(dirname "$folder")"
install -d -o "$user" -g "$user" -m 755 "$folder"
cd /
as_user init -q
if ! as_user cat-file -e "$commit^{commit}" 2>/dev/null; then
    echo "source: fetching $commit from $url"
    # A server that speaks the smart protocol sends the one commit; an older or plain one needs the branches whole.
    as_user fetch -q --depth 1 "$url" "$commit" 2>/dev/null ||
        said=$(as_user fetch -q --tags "$url" '+refs/heads/*:refs/remotes/origin/*' 2>&1) ||
        fail "cannot fetch from $url: $(printf '%s\n' "$said" | sed -n '/^fatal: /{s///p;q}')"
    as_user cat-file -e "$commit^{commit}" 2>/dev/null || fail "commit $commit not found in $url"
fi
as_user -c advice.detachedHead=false checkout -q --detach "$commit" ||
    fail "$folder has local changes that $commit would overwrite: move them aside and run again"
echo "source: at $commit"
