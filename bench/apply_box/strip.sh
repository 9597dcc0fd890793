#!/bin/sh
# A box before its first run: what the deploy writes is gone, what it would have to download stays.
set -eu
cd /
rm -rf etc/visomaster/fluxbox etc/visomaster/host.json etc/visomaster/models.json etc/visomaster/supervisord.conf \
    etc/supervisor/conf.d/visomaster-* etc/profile.d/visomaster.sh etc/default/locale \
    usr/local/lib/visomaster/visomaster_host usr/local/share/visomaster usr/local/bin/visomaster-* \
    app/VisoMaster/Install_Guide.ipynb var/log/portal workspace
