"""Fetch the few assets the web application carries, and check that they are the ones we looked at.

    python tools/vendor_assets.py            fetch, verify and write them
    python tools/vendor_assets.py --check    verify what is in the tree; exit 1 where a file was changed

Each package is fetched by the ordinary npm client and refused unless its SHA-512 is the one written here. No
Node is needed to run Charthouse: only these files are served, and each lies beside its licence.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "src/charthouse/web/static/web/vendor"
MANIFEST = VENDOR / "MANIFEST.txt"


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package: the files taken from it, ``{path in the package: path under vendor/}``."""

    name: str
    version: str
    licence: str
    integrity: str
    files: dict[str, str]


PACKAGES = (
    Package(
        name="htmx.org",
        version="4.0.1",
        licence="0BSD",
        integrity="sha512-oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==",
        files={
            "dist/htmx.min.js": "htmx/htmx.min.js",
            "LICENSE": "htmx/LICENSE",
        },
    ),
    Package(
        name="@fontsource-variable/inter",
        version="5.3.0",
        licence="OFL-1.1",
        integrity="sha512-OupL48va4JNofb97w6NYeF9S7W/kHNKM0Er8Dem5nqi4jeOLrVJDoE8tZEpnMJmtkvNbB1EIPPwHcdkF6b1oUA==",
        files={
            "files/inter-latin-wght-normal.woff2": "inter/inter-latin.woff2",
            "files/inter-latin-ext-wght-normal.woff2": "inter/inter-latin-ext.woff2",
            "LICENSE": "inter/LICENSE",
        },
    ),
)


def fetch(package: Package, folder: Path) -> Path:
    """The package's archive in ``folder``; SystemExit with a reason when its digest is another."""
    wanted = f"{package.name}@{package.version}"
    result = subprocess.run(
        ["npm", "pack", wanted, "--silent", "--pack-destination", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    archive = folder / result.stdout.strip().splitlines()[-1]
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != package.integrity:
        raise SystemExit(
            f"{wanted} has the digest {digest}, not the one written in {Path(__file__).name}: "
            "nothing was taken from it. Look at what changed before you write the new digest there."
        )
    return archive


def take(package: Package, archive: Path) -> None:
    """Write the package's files under vendor/."""
    with tarfile.open(archive) as opened:
        for inside, outside in package.files.items():
            member = opened.extractfile(f"package/{inside}")
            if member is None:
                raise SystemExit(f"{package.name}@{package.version} has no file {inside}.")
            target = VENDOR / outside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(member.read())


def manifest() -> str:
    """What lies under vendor/: package, licence, digest and path of each file."""
    lines = ["# Written by tools/vendor_assets.py: package, licence, SHA-256, file"]
    for package in PACKAGES:
        for outside in package.files.values():
            digest = hashlib.sha256((VENDOR / outside).read_bytes()).hexdigest()
            lines.append(f"{package.name}@{package.version} {package.licence} {digest} {outside}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="verify the tree, fetch nothing")
    if parser.parse_args().check:
        missing = [path for p in PACKAGES for path in p.files.values() if not (VENDOR / path).exists()]
        if missing:
            sys.exit(f"Missing under {VENDOR.name}/: {', '.join(missing)}. Run tools/vendor_assets.py.")
        if MANIFEST.read_text("utf-8") != manifest():
            sys.exit(f"{MANIFEST.name} and the files under {VENDOR.name}/ differ. Run tools/vendor_assets.py.")
        return
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            take(package, fetch(package, Path(folder)))
    MANIFEST.write_text(manifest(), "utf-8")


if __name__ == "__main__":
    main()
