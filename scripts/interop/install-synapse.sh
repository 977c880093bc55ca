#!/usr/bin/env bash
# Installs Debian's matrix-synapse (unstable) into a folder, for interoperation.ts. Nothing outside the folder changes.
# Needs root and debootstrap. Usage: install-synapse.sh /path/to/folder
#
# DEBIAN_MIRROR is another archive than Debian's own. One that is a snapshot of an earlier day needs
# APT_OPTIONS='-o Acquire::Check-Valid-Until=false'.
set -euo pipefail

root=${1:?usage: install-synapse.sh /path/to/folder}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

if [ ! -x "$root/usr/bin/apt-get" ]; then
  debootstrap --variant=minbase unstable "$root" "$mirror"
fi
# No service is to start in there.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# debootstrap itself does not resolve virtual packages, apt does.
export DEBIAN_FRONTEND=noninteractive APT_OPTIONS="${APT_OPTIONS:-}"
chroot "$root" sh -c 'apt-get $APT_OPTIONS update -qq && apt-get $APT_OPTIONS install -qq -y --no-install-recommends matrix-synapse'
chroot "$root" python3 -c 'import synapse; print("matrix-synapse", synapse.__version__)'
