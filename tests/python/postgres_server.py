"""A PostgreSQL server of a test's own: a new data folder and socket folder, no network, gone afterwards."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path


def programs() -> str | None:
    """The folder of initdb and pg_ctl; Debian keeps it out of PATH."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb")]
    return os.path.dirname(os.path.realpath(found[-1])) if found[-1] else None


class Server:
    def __init__(self):
        self.bin = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="gems_pg_", dir="/tmp"))  # a socket's path has room for 107 bytes
        self.user = None
        if os.geteuid() == 0:  # the server refuses to run as root
            names = {u.pw_name for u in pwd.getpwall()}
            self.user = "postgres" if "postgres" in names else "nobody"
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        self.url = f"postgresql:///postgres?host={self.folder}&port=5432&user=gems"
        self._run(
            "initdb", "-U", "gems", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D", str(self.folder / "data")
        )
        self.start()

    def _run(self, program, *args):
        env = {**os.environ, "LC_ALL": "C.UTF-8"}
        out = subprocess.run(
            [f"{self.bin}/{program}", *args],
            user=self.user,
            cwd="/",
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=60,
        )
        assert out.returncode == 0, out.stderr.decode(errors="replace")

    def start(self):
        options = (
            f"-c listen_addresses='' -k {self.folder} -c fsync=off -c shared_buffers=2MB -c max_connections=40 -c autovacuum=off"
        )
        self._run("pg_ctl", "start", "-w", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-o", options)

    def stop(self):
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self.folder / "data"))

    def sessions(self) -> list[int]:
        """Processes of the server that serve a client."""
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        found = []
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                parent = int(Path(stat).read_text().rpartition(")")[2].split()[1])
                title = Path(stat).with_name("cmdline").read_bytes()
            except OSError:
                continue
            if parent == postmaster and b"[local]" in title:
                found.append(int(Path(stat).parent.name))
        return found

    def pause(self):
        for pid in self.sessions():
            os.kill(pid, signal.SIGSTOP)

    def remove(self):
        for pid in self.sessions() if (self.folder / "data" / "postmaster.pid").exists() else ():
            os.kill(pid, signal.SIGCONT)
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
