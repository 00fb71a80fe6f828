"""Names that engines' newest sources write (tests/data/engine_names): each is mapped, or somebody says why not."""

from pathlib import Path

import pytest

from inferometer_exporters.engines.reading import read

FOLDER = Path(__file__).parents[1] / "data/engine_names"
FILES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_name_of_a_current_version_is_unknown(file):
    names = file.read_text().split()
    engine = next(one for one in ("llm-d-epp", "litellm", "sglang", "triton", "vllm") if file.stem.startswith(one))
    # A source names a counter without the ending that it has on a page.
    page = "".join(f"# TYPE {name}{end} untyped\n{name}{end} 1\n" for name in names for end in ("", "_total"))
    unknown = set(read(page.encode(), engine).unknown)

    assert len(names) > 20
    assert [name for name in names if {name, f"{name}_total"} <= unknown] == []
    assert "vllm:brand_new" in read(b"# TYPE vllm:brand_new gauge\nvllm:brand_new 1\n", "vllm").unknown
