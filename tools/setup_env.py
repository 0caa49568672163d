#!/usr/bin/env python3
"""Makes or completes the virtual environment: installs what is missing and nothing else.

usage: setup_env.py --venv DIR [--torch pinned|system] GROUP...

A GROUP is a file of requirements/. With --torch system the environment sees the packages of the Python that runs this
script; whatever that has, in any version, counts as present. Only the standard library is used.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
LINK = "flag_gems_dev.pth"  # makes src/ importable: the extension and the libraries are built into it

# Runs inside the environment: installed version, or nothing, for each name.
PROBE = """
import importlib.metadata as m, sys
for name in sys.argv[1:]:
    try: print(name, m.version(name))
    except m.PackageNotFoundError: pass
"""


def requirements(group: str) -> dict[str, str]:
    """name -> pinned version of requirements/<group>.txt"""
    pins = {}
    for line in (REQUIREMENTS / f"{group}.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, version = line.split("==")
            pins[name] = version
    return pins


def run(command: list[str]) -> None:
    print("+", " ".join(str(c) for c in command), flush=True)
    subprocess.run(command, check=True)


def make_venv(venv: Path, system: bool) -> None:
    python = venv / "bin" / "python"
    if not python.exists():
        command = [sys.executable, "-m", "venv", str(venv)]
        try:
            # pip of the system's Python is seen through the link below, and needs no ensurepip.
            run(command + (["--without-pip"] if system else []))
        except subprocess.CalledProcessError:
            shutil.rmtree(venv, ignore_errors=True)
            sys.exit("cannot make a virtual environment; on Debian: apt-get install python3-venv python3-dev")
    purelib = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True
    ).stdout.strip()
    lines = [str(ROOT / "src")]
    if system:
        # Not --system-site-packages: made from a virtual environment, that shows the packages of its base Python only.
        base = [p for p in sys.path if p and Path(p).name in ("site-packages", "dist-packages")]
        base = base or [sysconfig.get_path("purelib")]
        lines += [f"import site; site.addsitedir({p!r})" for p in base]
    link = Path(purelib) / LINK
    text = "\n".join(lines) + "\n"
    if not link.exists() or link.read_text() != text:
        link.write_text(text)


def missing(python: Path, pins: dict[str, str], exact: bool) -> list[str]:
    out = subprocess.run([str(python), "-c", PROBE, *pins], check=True, capture_output=True, text=True).stdout
    have = dict(line.split() for line in out.splitlines())
    # A local part (2.13.0+cpu) is another build of the same version.
    return [f"{n}=={v}" for n, v in pins.items() if n not in have or (exact and have[n].split("+")[0] != v)]


def needed_tools() -> dict[str, str]:
    """Of requirements/tools.txt, what this machine lacks."""
    pins = requirements("tools")
    if shutil.which("ninja"):
        del pins["ninja"]
    if shutil.which("cmake"):
        text = subprocess.run(["cmake", "--version"], capture_output=True, text=True).stdout
        found = re.search(r"(\d+)\.(\d+)", text)
        if found and (int(found[1]), int(found[2])) >= (3, 25):
            del pins["cmake"]
    return pins


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--venv", type=Path, required=True)
    ap.add_argument("--torch", choices=("pinned", "system"), default="pinned")
    ap.add_argument("groups", nargs="+")
    args = ap.parse_args()
    system = args.torch == "system"
    make_venv(args.venv, system)
    python = args.venv / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    if not system:
        pip += ["-c", str(REQUIREMENTS / "constraints.txt")]

    for group in args.groups:
        if group == "torch" and system:
            if missing(python, requirements("torch"), exact=False):
                sys.exit(f"TORCH=system, but {sys.executable} has no torch; name another one with PYTHON=...")
            continue
        pins = needed_tools() if group == "tools" else requirements(group)
        todo = missing(python, pins, exact=not system)
        if not todo:
            continue
        try:
            run(pip + (["--no-deps"] if group == "model" else []) + todo)
        except subprocess.CalledProcessError as e:
            names = ", ".join(todo)
            sys.exit(
                f"pip could not install {names} (status {e.returncode}). Without a network, install them by hand, or\n"
                f"point PIP_FIND_LINKS at a folder of wheels."
            )


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
