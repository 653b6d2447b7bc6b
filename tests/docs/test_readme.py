"""What the README shows works as it stands."""

import re
from pathlib import Path
from typing import Any

from sisock.testing import check_contract

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_example_of_a_data_server_keeps_the_contract() -> None:
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, str(README), "exec"), names)
    check_contract(names["Tide"]())
