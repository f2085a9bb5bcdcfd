"""Makes the environment of the race: `python install.py .venv-peers`, run by argrad's own Python.

The new environment sees the packages of the one that runs this script (torch, cvxpy, argrad: many
gigabytes that need no second copy) and has the peers of requirements.txt besides, in the versions
given there. With `--device cuda` it has those of requirements-gpu.txt, for the CUDA that torch is
built for; without a card nothing is installed, and the exit code is 2. What pip says about a peer
that cannot be installed is kept in `peers.json` in the environment, for the race to print. Running
it again installs only what is missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import card

REQUIREMENTS = {
    "cpu": Path(__file__).with_name("requirements.txt"),
    "cuda": Path(__file__).with_name("requirements-gpu.txt"),
}
REPORT = "peers.json"
# pip takes the build tools from the environment: qpth's setup.py imports numpy.
BUILD_TOOLS = ["setuptools", "wheel"]
# Their declared dependencies exclude the numpy that the others need; they run with it all the same.
WITHOUT_DEPENDENCIES = {"qpth"}


def requirements(device: str) -> list[str]:
    """The pinned peers, one `name==version` each."""
    text = REQUIREMENTS[device].read_text()
    if device == "cuda":
        text = text.replace("CUDA_MAJOR", cuda_major())
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def cuda_major() -> str:
    """Of the CUDA that torch is built for: the others share its libraries, and its driver."""
    import torch

    return torch.version.cuda.partition(".")[0]


def make_environment(path: Path) -> Path:
    """A virtual environment at `path` that also sees this one's packages; returns its Python."""
    python = path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(path, with_pip=True)
    scheme = sysconfig.get_path("purelib", vars={"base": str(path), "platbase": str(path)})
    # addsitedir, not a bare path, so that editable installs (.pth files) there count too.
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (Path(scheme) / "argrad_environment.pth").write_text(line)
    return python


def pip_install(python: Path, *arguments: str) -> str | None:
    """Runs pip; None when it worked, else the end of what it said."""
    command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return None
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    return "\n".join(lines[-5:])


def main() -> None:
    """Installs every peer and says which ones are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", type=Path, help="where, e.g. .venv-peers")
    parser.add_argument("--device", choices=tuple(REQUIREMENTS), default="cpu")
    options = parser.parse_args()
    path, device = options.environment.absolute(), options.device
    if path == Path(sys.prefix):
        parser.error("the peers need an environment of their own: give another path")
    if device == "cuda":
        reason = card.missing() or card.missing_in_torch()
        if reason is not None:
            parser.error(f"nothing is installed: the race on a card needs one, and {reason}")
    python = make_environment(path)
    failure = pip_install(python, *BUILD_TOOLS)
    if failure:
        print(f"build tools: {failure}", file=sys.stderr)
    report = {}
    for peer in requirements(device):
        print(f"{peer} ... ", end="", flush=True)
        alone = ["--no-deps"] if peer.partition("==")[0] in WITHOUT_DEPENDENCIES else []
        report[peer] = pip_install(python, "--no-build-isolation", *alone, peer)
        print("installed" if report[peer] is None else f"not installed\n{report[peer]}")
    (path / REPORT).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
