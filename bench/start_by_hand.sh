#!/bin/sh
# The programs of a desktop with a portal, started as one would try them by hand; see bench/start.py.
export DISPLAY=:1 LANG=C.UTF-8 X11VNC_AVOID_WINDOWS=never
unpacked=/usr/local/lib/visomaster/debian
www=/tmp/www
mkdir $www
cat >/tmp/Caddyfile <<END
{
	admin off
	auto_https off
}
:11111 {
	respond /health ok
	handle_path /vnc/websockify {
		reverse_proxy 127.0.0.1:6080
	}
	handle_path /vnc/* {
		root * $unpacked/usr/share/novnc
		file_server
	}
	root * $www
	file_server
}
END
if command -v Xtigervnc >/dev/null; then
	Xtigervnc $DISPLAY -geometry 1920x1080 -depth 24 -nolisten tcp -rfbport 5900 -localhost -SecurityTypes None -ac &
else
	Xvfb $DISPLAY -screen 0 1920x1080x24 -nolisten tcp &
fi
caddy run --config /tmp/Caddyfile --adapter caddyfile &
PYTHONPATH=$unpacked/usr/lib/python3/dist-packages python3 -m websockify 127.0.0.1:6080 127.0.0.1:5900 &
until xdpyinfo -queryExtensions >/dev/null 2>&1; do sleep 0.02; done
desktop=/usr/local/lib/visomaster/desktop/usr
LD_LIBRARY_PATH=$desktop/lib/x86_64-linux-gnu $desktop/bin/fluxbox -rc /etc/visomaster/fluxbox/init &
command -v Xtigervnc >/dev/null || x11vnc -forever -shared -localhost -nopw -rfbport 5900 -noipv6 -rfbportv6 -1 -q &
(cd /app/VisoMaster && exec /opt/conda/envs/visomaster/bin/python main.py) &
until xwininfo -name 'VisoMaster Sandbox' >/dev/null 2>&1; do sleep 0.05; done
touch $www/ready
wait
