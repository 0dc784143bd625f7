"""Take the picture of a run's page that README and the site show: docs/report.png.

python scripts/photograph_report.py              # of a run with the default settings, made first
python scripts/photograph_report.py runs/NAME    # of a run that there is

It needs Chromium: make browser.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "report.png"
MAX_BYTES = 150_000
WIDTH, HEIGHT = 1100, 1165
"""Of the window: the first screen of the page."""
COLORS = 128
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def photographed(page: Path) -> bytes:
    """Return the first screen of a page as a small PNG.

    Raises:
        FileNotFoundError: If there is no Chromium.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        raise FileNotFoundError(f"one of {', '.join(names)} must be installed; run make browser")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        command = [
            browser,
            *FLAGS,
            f"--user-data-dir={folder}/profile",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={picture}",
            page.resolve().as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return reduced(picture.read_bytes())


def reduced(picture: bytes) -> bytes:
    """Return a PNG with a palette of few colors, which is small."""
    written = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLORS).save(written, format="PNG", optimize=True)
    return written.getvalue()


def main(arguments: Sequence[str] = ()) -> int:
    """Take the picture of the page of a run, which is trained first if none is named."""
    run = Path(arguments[0]) if arguments else Path("runs/photographed")
    if not arguments:
        train = [sys.executable, "-m", "baselines.train", "--out-dir", str(run)]
        subprocess.run([*train, "--resume", "auto"], check=True)
    written = photographed(run / "report.html")
    PICTURE.write_bytes(written)
    print(f"{PICTURE}: {len(written) / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
