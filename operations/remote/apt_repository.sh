# Trust an apt repository, if its key is the expected one: NAME KEY-URL FINGERPRINT SOURCES
# The description (SOURCES, deb822) is written last: a repository without its key is never there.
set -eu
name=$1 key_url=$2 fingerprint=$3 sources=$4
key="/etc/apt/keyrings/$name.asc"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "apt: fetching the key of $name"
if ! curl --fail --silent --show-error --location --retry 3 --max-time 60 --output "$scratch/key" "$key_url" 2>"$scratch/log"; then
    echo "E: the key of $name could not be fetched: $(cat "$scratch/log")" >&2
    exit 1
fi
# Every key of the file would be trusted, so there must be one alone.
found=$(gpg --batch --homedir "$scratch" --with-colons --show-keys "$scratch/key" 2>/dev/null | awk -F: '$1 == "pub" { want = 1 } $1 == "fpr" && want { print $10; want = 0 }')
if [ "$found" != "$fingerprint" ]; then
    echo "E: the key of $name: expected the fingerprint $fingerprint, got $(echo "${found:-no key}" | tr '\n' ' ')" >&2
    exit 1
fi
install -d -m 755 /etc/apt/keyrings
install -m 644 "$scratch/key" "$key"
printf '%s' "$sources" >"$scratch/sources"
install -m 644 "$scratch/sources" "/etc/apt/sources.list.d/$name.sources"
echo "apt: $name is trusted"
