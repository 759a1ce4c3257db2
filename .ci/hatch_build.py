"""What a wheel carries beside the package: recipes and the named core of checkpoints. An editable install has none."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIMIT = 40_000_000  # bytes of checkpoints in a wheel


class Bundle(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        root = Path(self.root)
        folders = [root / "checkpoints" / name for name in self.config["core"]]
        size = sum(file.stat().st_size for folder in folders for file in folder.iterdir())
        if size > LIMIT:
            raise ValueError(f"the core checkpoints take {size} bytes, more than {LIMIT}; name fewer in pyproject.toml")
        build_data["force_include"][str(root / "recipes")] = "seqzoo/_bundled/recipes"
        for path in [root / "checkpoints" / "index.json", *folders]:
            build_data["force_include"][str(path)] = f"seqzoo/_bundled/checkpoints/{path.name}"
