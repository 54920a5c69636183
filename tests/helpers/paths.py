"""Where things are: this project, the images and the hostile files that may lie beside it, and Chromium."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KNEES = ROOT.parent / "shared/data/knees"
CASES = ROOT.parent / "shared/cases"
MODEL = ROOT / "weights/knee-64"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_knees = pytest.mark.skipif(not KNEES.is_dir(), reason="../shared/data/knees is not here")
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here")
needs_model = pytest.mark.skipif(not MODEL.is_dir(), reason="no model is shipped")
