"""What a check found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a rule, and which check says so."""

    where: str
    check: str
    says: str

    def __str__(self) -> str:
        return f"{self.where}: {self.check}: {self.says}"
