#!/bin/sh
# tests/data/grafana/board.schema.json: a JSON Schema of a classic dashboard, made of Grafana's own packages on npm
# (Apache-2.0, versions in package.json). Needs node 20 or newer; only this script does, tests read what it wrote.
#   tools/grafana_schema/make.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out="$here/../../tests/data/grafana"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/board.ts" "$work"
cd "$work"
npm install --no-audit --no-fund --no-package-lock --ignore-scripts --legacy-peer-deps --silent
printf '{"compilerOptions":{"strict":true,"moduleResolution":"node","module":"esnext","target":"es2022","skipLibCheck":true},"files":["board.ts"]}' > tsconfig.json
npx ts-json-schema-generator --path board.ts --tsconfig tsconfig.json --type Board --no-type-check --no-top-ref \
  --expose none --jsDoc none --minify > schema.json
mkdir -p "$out"
python3 "$here/shared.py" schema.json "$out/board.schema.json"
