# sh login.sh: make of a rented box one whose owner has set up all that ever kept a deploy from working.
set -eu

# Programs of the distribution's names that are none of its own, first on PATH, also where an image puts its own.
mkdir /opt/foreign /opt/packages
printf '#!/bin/sh\necho foreign\nexit 1\n' >/opt/foreign/python3
chmod 755 /opt/foreign/python3
for name in git find stat awk sha256sum curl; do cp /opt/foreign/python3 "/opt/foreign/$name"; done
cp /opt/foreign/python3 /usr/local/bin/python3
echo 'raise SystemExit("foreign")' >/opt/foreign/json.py

# Sources of packages that nobody signed, that are not there, that are none.
echo 'deb file:/opt/packages ./' >/etc/apt/sources.list.d/unsigned.list
printf 'Types: deb\nURIs: file:/opt/no-such-folder\nSuites: stable\nComponents: main\n' >/etc/apt/sources.list.d/gone.sources
echo 'dab nonsense' >>/etc/apt/sources.list

# A login that talks, and leaves its settings to whatever runs in it.
cat - "$HOME/.bashrc" >"$HOME/.bashrc.new" 2>/dev/null <<'END' || true
echo 'Welcome to your rented box'
echo 'port 5901 3 hello'
printf 'Bienvenue \340 bord' >&2
trap 'echo bye; exit 0' EXIT
umask 077
cd /proc
export PATH="/opt/foreign:$PATH"
export LC_ALL=de_DE.UTF-8 LANGUAGE=fr TMPDIR=/nonexistent
export PIP_TARGET=/opt/t PIP_CONSTRAINT=/nonexistent PIP_REQUIRE_VIRTUALENV=true PIP_NO_BINARY=:all:
export PYTHONPATH=/opt/foreign PYTHONSTARTUP=/nonexistent PYTHONHOME=/nonexistent
export LD_PRELOAD=/nonexistent.so GIT_DIR=/nonexistent TAR_OPTIONS=--nonsense POSIXLY_CORRECT=1
sh() { echo foreign; }
END
mv "$HOME/.bashrc.new" "$HOME/.bashrc"

# No file transfer.
sed -i '/^Subsystem/d' /etc/ssh/sshd_config
kill -HUP "$(cat /run/sshd.pid)"
