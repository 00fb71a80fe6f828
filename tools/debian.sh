#!/usr/bin/env bash
# Installs Debian's packages that are missing, by the program that each is asked for:   tools/debian.sh chromium=chromium
#
#   tools/debian.sh PROGRAM=PACKAGE...
set -euo pipefail

packages=()
for pair in "$@"; do
  command -v "${pair%%=*}" > /dev/null || packages+=("${pair#*=}")
done
[ ${#packages[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
  printf 'tools/debian.sh: missing: %s; only root can install them: sudo apt-get install %s\n' "${packages[*]}" "${packages[*]}" >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
