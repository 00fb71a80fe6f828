"""What README and docs name is there: files, headings, commands with their options, targets of make."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer

from inferometer_compose.commands.declared import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *(ROOT / folder / "README.md" for folder in ("compose", "tools")),
    )
)
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
FOLDERS = "alerts|benchmarks|compose|dashboards|docs|examples|exporters|instrumentation|requirements|tests|tools"
LINK = re.compile(r"]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
FENCE = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
# A command begins and ends where a shell would begin and end it; a remark is none of it.
COMMAND = re.compile(r"(?:^|\$ |&& |\w=\S+ |``|bin/)[ ]*inferometer ((?:[^\n`|;&#]|\|(?=[a-z]))*)", re.MULTILINE)
PATH = re.compile(rf"(?:{FOLDERS})/[\w./-]*\w")
WORD = re.compile(r"[a-z][a-z-]*")
OPTION = re.compile(r"--?[a-z][a-z-]*")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Headings as GitHub makes them addresses."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


def code_of(text: str) -> Iterator[str]:
    """What stands as code: blocks line by line, and spans."""
    for block in FENCE.findall(text):
        yield from block.splitlines()[1:-1]
    yield from CODE.findall(FENCE.sub("", text))


def commands(text: str) -> Iterator[str]:
    for code in code_of(text):
        for found in COMMAND.finditer(code):
            yield found.group(1).strip()


def wrong(command: str) -> str:
    """What of a command does not exist; empty where all of it does. A word that is no command is an argument."""
    at, words = typer.main.get_command(app), command.split()
    while words and hasattr(at, "commands"):
        word = words[0].rstrip(".,:)")
        if word not in at.commands:
            if at.name and not WORD.fullmatch(word):
                break
            return f"{word!r} is no command" if WORD.fullmatch(word) else ""
        at, words = at.commands[word], words[1:]
    known = {option for parameter in at.params for option in parameter.opts} | {"--help", "-h", "--version"}
    for word in words:
        if word == "--":
            break
        for option in OPTION.findall(word) if word.startswith(("-", "[-")) else ():
            if option not in known:
                return f"{at.name} has no {option}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_leads_to_a_file_and_to_a_heading_of_it(page):
    broken = []
    for target, anchor in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(f"{target}#{anchor}" if anchor else target)

    assert broken == []


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=name_of)
def test_each_command_that_is_named_exists_with_its_options(page):
    text = page.read_text(encoding="utf-8")
    # Of an example the first words say how to start it.
    found = commands(text) if page.suffix == ".md" else (one.group(1) for one in COMMAND.finditer(text.split('"""')[1]))

    assert {command: fault for command in found if (fault := wrong(command))} == {}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_path_and_each_target_of_make_that_is_named_exists(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    missing = []
    for code in code_of(page.read_text(encoding="utf-8")):
        if found := re.match(r"(?:\$ )?make ([a-z-]+)", code):
            missing += [found.group(0)] * (found.group(1) not in targets)
        if PATH.fullmatch(code) and not any(ROOT.glob(code)):
            missing.append(code)

    assert missing == []


def test_each_page_of_the_docs_is_in_their_index():
    index = ROOT / "docs" / "README.md"
    named = {target for target, _ in LINK.findall(index.read_text(encoding="utf-8"))}

    assert named == {page.name for page in (ROOT / "docs").glob("*.md")} - {index.name}


def test_commands_are_found_in_blocks_and_in_sentences():
    text = "Say `inferometer cost idle`.\n```console\n$ inferometer slo gate && inferometer trace 1  # remark\n```\n"

    assert list(commands(text)) == ["slo gate", "trace 1", "cost idle"]
    assert len(list(commands((ROOT / "README.md").read_text(encoding="utf-8")))) > 10


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("trace --slowest 3", ""),
        ("cost idle --since 7d", ""),
        ("run -- uvicorn --no-such-option", ""),
        ("cost idel", "'idel' is no command"),
        ("explain", "'explain' is no command"),
        ("cost idle --sinse 7d", "idle has no --sinse"),
        ("recorder info", "'info' is no command"),
    ],
)
def test_a_command_that_does_not_exist_would_be_found(command, fault):
    assert wrong(command) == fault
