"""What a container does once before the others: gives new volumes to those who use them, and makes a password."""

import argparse
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER_MODE = 0o700
PASSWORD_MODE = 0o400
PASSWORD_BYTES = 24
"""192 bits of the operating system's randomness."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A path and the number of the user who is to have it."""

    owner: int
    path: Path

    @classmethod
    def parse(cls, text: str) -> "Owned":
        """Read ``UID:PATH``.

        Raises:
            argparse.ArgumentTypeError: for anything else.
        """
        owner, colon, path = text.partition(":")
        if not colon or not owner.isdecimal() or not path.startswith("/"):
            message = f"{text!r} is not UID:/PATH, such as 10001:/var/lib/inferometer"
            raise argparse.ArgumentTypeError(message)
        return cls(int(owner), Path(path))


def give(folder: Owned) -> None:
    """Make a folder its owner's alone.

    Raises:
        OSError: where that is not allowed.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    os.chown(folder.path, folder.owner, folder.owner)
    folder.path.chmod(FOLDER_MODE)


def make_password(file: Owned) -> bool:
    """Write a password that nobody chose, where there is none; whether one was written.

    The file is whole or not there: it gets its name when it is written.

    Raises:
        OSError: where that is not allowed.
    """
    if file.path.exists():
        return False
    beside = file.path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PASSWORD_MODE)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(secrets.token_urlsafe(PASSWORD_BYTES))
        opened.flush()
        os.fchown(descriptor, file.owner, file.owner)
        os.fsync(descriptor)
    beside.rename(file.path)
    return True


def main() -> None:
    """Do what the arguments say, then say how the password is read; the password itself is not printed."""
    parser = argparse.ArgumentParser(prog="prepare", description=__doc__)
    parser.add_argument("--folder", type=Owned.parse, action="append", default=[], metavar="UID:PATH")
    parser.add_argument("--password", type=Owned.parse, metavar="UID:PATH")
    arguments = parser.parse_args()
    for folder in arguments.folder:
        give(folder)
    if arguments.password is not None:
        made = make_password(arguments.password)
        sys.stdout.write(
            f"{'made' if made else 'kept'} the password of Grafana's user admin; "
            f"docker compose exec grafana cat {arguments.password.path}\n"
        )


if __name__ == "__main__":
    main()
