"""For build.sh: one line per binary of versions.json, after checking that the pins agree with each other."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECIPE = "2"  # raise when the build commands in build.sh change what comes out


class PinError(Exception):
    """The pins contradict each other or cannot be read."""


def inputs_of(program: str, folder: Path) -> list[bytes]:
    """Read the files that decide what a program's build brings."""
    paths = [folder / "go.mod", folder / "go.sum"]
    if program == "collector":
        paths += [folder / "builder.yaml", HERE / "ocb/go.mod", HERE / "ocb/go.sum"]
    return [path.read_bytes() for path in paths]


def check(program: str, version: str, build: dict[str, Any], texts: list[bytes]) -> None:
    """Raise PinError where versions.json, go.mod and builder.yaml disagree."""
    module, module_version = build["module"], build["module_version"]
    pin = rf"^\s*(require\s+)?{re.escape(module)}\s+{re.escape(module_version)}(\s|$)"
    if not re.search(pin, texts[0].decode(), re.MULTILINE):
        raise PinError(
            f"tools/{build['dir']}/go.mod does not require {module} {module_version}, which tools/versions.json names"
        )
    says = rf"^\s*version: {re.escape(version)}\s*$"
    if program == "collector" and not re.search(says, texts[2].decode(), re.MULTILINE):
        raise PinError(f"tools/collector/builder.yaml does not say version: {version}, which tools/versions.json names")
    reported = list(build["set"].values()) or [module_version]
    if any(value.removeprefix("v") != version for value in reported):
        raise PinError(
            f"version {version} in tools/versions.json differs from what the binary would report: {reported[0]}"
        )


def lines_of(program: str, entry: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return name, version, folder, package, -X flags, build tags, how it says its version, and hash of each binary."""
    build, version = entry["build"], entry["version"]
    texts = inputs_of(program, HERE / build["dir"])
    check(program, version, build, texts)
    flags = " ".join(f"-X {name}={value}" for name, value in build["set"].items()) or "-"
    tags = ",".join(build.get("tags", ())) or "-"
    digest = hashlib.sha256("\0".join([RECIPE, version, json.dumps(build, sort_keys=True)]).encode())
    for text in texts:
        digest.update(b"\0" + text)
    lines: list[tuple[str, ...]] = []
    for binary, path in build["binaries"].items():
        package = "." if program == "collector" else "/".join(part for part in (build["module"], path) if part)
        ask = build.get("ask", "--version")
        lines.append((binary, version, build["dir"], package, flags, tags, ask, digest.hexdigest()))
    return lines


def main() -> int:
    """Print the plan for the binaries named in the first argument, or for all."""
    wanted = sys.argv[1].split() if len(sys.argv) > 1 else []
    lines: list[tuple[str, ...]] = []
    program = "versions.json"
    try:
        for program, entry in json.loads((HERE / "versions.json").read_text())["programs"].items():
            if "build" in entry:
                lines += lines_of(program, entry)
    except KeyError as error:
        print(f"tools/build.sh: {program}: tools/versions.json lacks {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError, PinError) as error:
        print(f"tools/build.sh: {program}: {error}", file=sys.stderr)
        return 1
    names = [line[0] for line in lines]
    unknown = [name for name in wanted if name not in names]
    if unknown:
        print(f"tools/build.sh: no program named {' or '.join(unknown)}; there are {', '.join(names)}", file=sys.stderr)
        return 1
    for line in lines:
        if not wanted or line[0] in wanted:
            print("\t".join(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
