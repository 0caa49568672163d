"""User settings: files of operator names, the folder of tuned configurations."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path

# The C++ path is the only path; the names are part of the public interface.
has_c_extension = True
use_c_extension = True

_tune_cache_dir: str | None = None
_yaml_cache: dict[tuple, tuple[str, ...]] = {}


def get_default_enable_config(vendor_name: str | None = None, arch_name: str | None = None) -> list[Path]:
    """Candidates for the file behind ``include="default"``, best first; the first that exists is used."""
    backends = Path(__file__).resolve().parent / "runtime" / "backend"
    found = []
    if vendor_name:
        if arch_name:
            found.append(backends / f"_{vendor_name}" / arch_name / "enable_configs.yaml")
        found.append(backends / f"_{vendor_name}" / "enable_configs.yaml")
    found.append(backends / "enable_configs.yaml")
    return found


def names_from_yaml(path: str | os.PathLike, key: str) -> tuple[str, ...]:
    """The list under ``key`` ("include" or "exclude") of a YAML mapping. Problems are warnings and give no names."""
    path = Path(path).expanduser()
    try:
        st = path.stat()
    except OSError as e:
        warnings.warn(f"flag_gems: can't read the operator list {path}: {e.strerror}", stacklevel=5)
        return ()
    at = (str(path), key, st.st_mtime_ns, st.st_size)
    if at not in _yaml_cache:
        import yaml  # here: nobody without a YAML file should pay its import

        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
            warnings.warn(f"flag_gems: can't read the operator list {path}: {e}", stacklevel=5)
            return ()
        names = data.get(key) if isinstance(data, dict) else None
        if data is not None and not isinstance(data, dict) or not isinstance(names, (list, tuple, str, type(None))):
            warnings.warn(f"flag_gems: {path} must be a mapping with lists named 'include' or 'exclude'", stacklevel=5)
            return ()
        _yaml_cache[at] = (names,) if isinstance(names, str) else tuple(str(n) for n in names or ())
    return _yaml_cache[at]


def names_from(setting: str | os.PathLike | Iterable[str], key: str) -> tuple[str, ...]:
    """Operator names of a user's setting: an iterable, "default", the path of a YAML file, or names parted by commas."""
    if isinstance(setting, (str, os.PathLike)):
        text = os.fspath(setting)
        if text == "default":
            from .runtime import device

            for path in get_default_enable_config(device.vendor_name, device.arch_name):
                if Path(path).is_file():
                    return names_from_yaml(path, key)
            return ()
        if text.endswith((".yaml", ".yml")) or os.sep in text:
            return names_from_yaml(text, key)
        return tuple(n for n in re.split(r"[\s,;]+", text) if n)
    names = tuple(setting)
    for n in names:
        if not isinstance(n, str):
            raise TypeError(f"flag_gems: operator names are strings, got {n!r}")
    return names


def set_tune_cache_dir(path: str | os.PathLike | None, stacklevel: int = 3) -> None:
    """Uses the folder of tuned configurations from now on. A folder that can't be trusted or read is a warning and isn't used."""
    global _tune_cache_dir
    if path is None:
        return
    text = os.path.abspath(os.path.expanduser(os.fspath(path)))
    why = _unusable(text)
    if why:
        warnings.warn(f"flag_gems: tune_cache_dir {text} {why}; kernels run untuned", stacklevel=stacklevel)
        return
    from . import pretune

    for problem in pretune.use_folder(text):
        warnings.warn(f"flag_gems: tune_cache_dir: {problem}", stacklevel=stacklevel)
    _tune_cache_dir = text


def tune_cache_dir() -> str | None:
    return _tune_cache_dir


def _unusable(path: str) -> str | None:
    try:
        st = os.stat(path)
    except OSError as e:
        return f"can't be used: {e.strerror}"
    if not stat.S_ISDIR(st.st_mode):
        return "isn't a folder"
    if not os.access(path, os.R_OK | os.X_OK):
        return "isn't readable"
    # What lies there is run as code, so nobody else may be able to write it.
    if hasattr(os, "geteuid") and st.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    if st.st_mode & stat.S_IWOTH and not st.st_mode & stat.S_ISVTX:
        return "is writable by everyone"
    return None
