"""Which of a bill's costs counts."""

from enum import StrEnum


class Cost(StrEnum):
    """Which cost of a charge counts."""

    EFFECTIVE = "effective"
    """With purchases spread over what they are for: what the hours really cost."""
    BILLED = "billed"
    """As it stands in the invoice."""
    LIST = "list"
    """Before any discount."""
