import json
import math
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "benchmarks" / "throughput.py"
SMALL = ("--resolution", "32", "--batch", "8", "--seconds", "0.2", "--threads", "1")


def call(*arguments):
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=False)


def test_throughput_gives_positive_figures_that_agree():
    done = call(*SMALL, "--presets", "dcgan", "--json")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    low, high = result["images_per_second_range"]
    assert 0 < low <= result["images_per_second"] <= high
    for name in ("gflop_per_image", "peak_gflops", "share_of_peak", "peak_memory_mib", "g_parameters", "d_parameters"):
        assert result[name] > 0
    assert result["threads"] == 1
    assert isinstance(result["tcmalloc"], bool)
    assert math.isclose(result["gflops"], result["images_per_second"] * result["gflop_per_image"])


def test_throughput_prints_a_table_with_a_row_for_the_preset():
    done = call(*SMALL, "--presets", "dcgan")
    assert done.returncode == 0, done.stderr
    heading, rule, row = (line for line in done.stdout.splitlines() if line.startswith("|"))
    assert heading.count("|") == rule.count("|") == row.count("|")
    assert row.startswith("| dcgan |")


def test_an_unknown_preset_is_a_bad_call_and_named():
    done = call("--presets", "nothing")
    assert done.returncode == 2
    assert "nothing" in done.stderr
