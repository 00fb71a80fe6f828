#!/usr/bin/env bash
# Builds the real programs that the tests, `make demo` and the benchmarks run, into .tools/bin.
#
#   tools/build.sh              build what is missing or whose pin changed
#   tools/build.sh --missing    the same
#   tools/build.sh NAME...      only these (prometheus promtool alertmanager amtool jaeger otelcol thanos k6 ghz kubeconform kustomize)
#   tools/build.sh --list       name, version and state of each; builds nothing
#
# Versions are in tools/versions.json, module sums in tools/<program>/go.sum.
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
die() { printf 'tools/build.sh: %s\n' "$*" >&2; exit 1; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
out=$root/.tools
temporary=
trap '[ -z "$temporary" ] || rm -f "$temporary"' EXIT

mode=build
wanted=" "
for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
    --list) mode=list ;;
    --missing) ;;
    -*) usage >&2; die "unknown option $argument" ;;
    *) wanted="$wanted$argument " ;;
  esac
done

command -v python3 > /dev/null || die "python3 is needed to read tools/versions.json, and is not on PATH"

# One line per binary: name, version, directory, package, -X flags, build tags, what asks for its version, hash of all
# that decides the result.
plan=$(python3 "$here/plan.py" "$wanted") || exit 1

state() { # NAME HASH
  if [ ! -x "$out/bin/$1" ]; then echo missing
  elif [ "$(cat "$out/stamps/$1" 2> /dev/null)" != "$2" ]; then echo outdated
  else echo ready
  fi
}

say() { printf '%-13s %-9s %s\n' "$1" "$2" "$3"; }

if [ "$mode" = list ]; then
  while IFS=$'\t' read -r name version _ _ _ _ _ hash; do
    say "$name" "$version" "$(state "$name" "$hash")"
  done <<< "$plan"
  exit 0
fi

needed=
while IFS=$'\t' read -r name _ _ _ _ _ _ hash; do
  [ "$(state "$name" "$hash")" = ready ] || needed="$needed $name"
done <<< "$plan"

if [ -n "$needed" ]; then
  command -v go > /dev/null || die "Go is not on PATH and is needed to build:$needed. Install Go 1.26 or newer (https://go.dev/dl/)"
  mkdir -p "$out/bin" "$out/stamps" "$out/log" "$out/build"
  if command -v flock > /dev/null; then
    exec 9> "$out/build.lock"
    flock -n 9 || { echo "tools/build.sh: another build is running; waiting for it"; flock 9; }
  fi
fi

# The same result whatever the caller's Go settings are; static, so that the files run in any Linux image.
export CGO_ENABLED=0 GOWORK=off
unset GOOS GOARCH GOEXPERIMENT

build() { # NAME DIRECTORY PACKAGE FLAGS TAGS
  local folder=$here/$2
  local flags="-s -w"
  local tags=$5
  [ "$4" = - ] || flags="$flags $4"
  [ "$tags" != - ] || tags=
  if [ "$2" = collector ]; then
    (cd "$here/ocb" && nice -n 10 go build -mod=readonly -buildvcs=false -trimpath -o "$out/build/ocb" go.opentelemetry.io/collector/cmd/builder) || return 1
    folder=$out/build/collector
    rm -rf "$folder"
    (cd "$out/build" && ./ocb --config "$here/collector/builder.yaml" --skip-get-modules --skip-compilation) || return 1
    cp "$here/collector/go.mod" "$here/collector/go.sum" "$folder/" || return 1
  fi
  (cd "$folder" && nice -n 10 go build -mod=readonly -buildvcs=false -trimpath -tags "$tags" -ldflags "$flags" -o "$temporary" "$3")
}

while IFS=$'\t' read -r name version directory package flags tags ask hash; do
  if [ "$(state "$name" "$hash")" = ready ]; then
    say "$name" "$version" "up to date"
    continue
  fi
  started=$SECONDS
  temporary=$out/bin/.$name.$$
  log=$out/log/$name.log
  if ! build "$name" "$directory" "$package" "$flags" "$tags" > "$log" 2>&1 < /dev/null; then
    tail -n 20 "$log" >&2
    die "building $name $version failed after $((SECONDS - started)) s; the whole output is in .tools/log/$name.log"
  fi
  reported=$("$temporary" "$ask" 2>&1 < /dev/null) || die "$name was built, but \`$name $ask\` fails: $reported"
  case $reported in
    *"$version"*) ;;
    *) die "$name was built, but reports \"$(head -n 1 <<< "$reported")\" and not $version" ;;
  esac
  mv -f "$temporary" "$out/bin/$name"
  temporary=
  echo "$hash" > "$out/stamps/$name"
  say "$name" "$version" "built in $((SECONDS - started)) s"
done <<< "$plan"
