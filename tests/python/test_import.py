"""What `import flag_gems` may cost, in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys

PROBE = """
import json, sys, time
import torch
started = []
sys.addaudithook(lambda event, args: started.append(event) if event in
    ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn") else None)
t = time.perf_counter()
import flag_gems
seconds = time.perf_counter() - t
print(json.dumps({"seconds": seconds, "started": started, "cuda": torch.cuda.is_initialized()}))
"""


def probe(env, code=PROBE):
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout.splitlines()[-1]), out.stderr


def test_import_is_cheap(subprocess_env):
    found, stderr = probe(subprocess_env)
    best = min(found["seconds"], *(probe(subprocess_env)[0]["seconds"] for _ in range(2)))
    assert best <= 0.3, f"{best:.3f} s"
    assert found["started"] == []
    assert not found["cuda"], "import initialised CUDA"
    assert stderr == ""


def test_import_loads_no_compiler_stack(subprocess_env):
    code = """
import json, sys
import torch
before = set(sys.modules)
import flag_gems
databases = [name for name in ("libsqlite3", "libpq.") if name in open("/proc/self/maps").read()]
print(json.dumps([sorted(set(sys.modules) - before), databases]))
"""
    (loaded, databases), _ = probe(subprocess_env, code)
    assert databases == [] and "flag_gems.tune" not in loaded
    assert not [
        m for m in loaded if m.split(".")[0] in ("yaml", "triton", "sympy") or m.startswith(("torch._dynamo", "torch._inductor"))
    ]


def test_missing_extension_is_a_clear_error(subprocess_env, tmp_path):
    """The package without its extension: the import warns, use raises ImportError, both with the remedy."""
    import shutil
    from pathlib import Path

    import flag_gems

    shutil.copytree(Path(flag_gems.__file__).parent, tmp_path / "flag_gems", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    code = """
import json, warnings
with warnings.catch_warnings(record=True) as w:
    warnings.simplefilter("always")
    import flag_gems
said = []
for use in (lambda: flag_gems.enable(), lambda: __import__("flag_gems.c_operators")):
    try:
        use()
    except ImportError as e:
        said.append(str(e))
flag_gems.disable()
print(json.dumps([[str(x.message) for x in w], said, flag_gems.device]))
"""
    (warned, said, _), _ = probe({**subprocess_env, "PYTHONPATH": str(tmp_path)}, code)
    assert len(warned) == 1 and len(said) == 2
    assert all("pip install" in text and "_C" in text for text in warned + said)
