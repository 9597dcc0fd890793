#!/bin/bash
# What the platform runs in the place of an image's ENTRYPOINT, as /.launch, in its SSH and (with the argument `jupyter`)
# Jupyter modes, as far as its documentation tells: what is missing is installed, root's key comes from the environment,
# and /root/onstart.sh runs at every start of the container.
set -eu

# A deploy may begin while this still installs: then each waits for the other's locks.
need() {
    for _ in $(seq 120); do
        if command -v "$1" >/dev/null; then return; fi
        if apt-get -qq update; then
            DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$2" >/dev/null || echo "apt is busy"
        fi
        sleep 1
    done
    return 1
}

need sshd openssh-server
install -d -m 0700 /root/.ssh
echo "$SSH_PUBLIC_KEY" >/root/.ssh/authorized_keys
install -d /run/sshd
ssh-keygen -A >/dev/null
/usr/sbin/sshd

if [ "${1:-ssh}" = jupyter ]; then
    need python3 python3
    # A stand-in for the notebook server: its name, its port, its token.
    cat >/usr/local/bin/jupyter-notebook <<'SERVER'
#!/usr/bin/python3
import http.server


class Notebook(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if "token=jupyter-token" in self.path else 403)
        self.end_headers()
        self.wfile.write(b"notebook\n")


http.server.HTTPServer(("0.0.0.0", 8080), Notebook).serve_forever()
SERVER
    chmod 755 /usr/local/bin/jupyter-notebook
    setsid jupyter-notebook >/dev/null 2>&1 &
fi

test ! -e /root/onstart.sh || bash /root/onstart.sh >>/var/log/onstart.log 2>&1 || echo "onstart.sh: status $?" >&2

trap exit TERM
while :; do
    sleep 3600 &
    wait $!
done
