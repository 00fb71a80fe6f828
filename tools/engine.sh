#!/usr/bin/env bash
# Installs, where they are missing, a Docker engine and what makes a base image for it: Debian's packages, as root.
set -euo pipefail

packages=()
command -v dockerd > /dev/null || packages+=(docker.io)
command -v debootstrap > /dev/null || packages+=(debootstrap)
command -v iptables > /dev/null || packages+=(iptables)
[ ${#packages[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
  printf 'tools/engine.sh: missing: %s; only root can install them: sudo apt-get install %s\n' "${packages[*]}" "${packages[*]}" >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
