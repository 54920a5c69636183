"""An evaluation made by hand, with every figure that there is: for tests of what shows it."""

import numpy as np

from studio.evaluate.evaluate import Evaluation

GRADES = ("0", "1", "2", "3", "4")
SIDE = 16


def about(**other):
    return {
        "model": "knee-64",
        "digest": "0123456789abcdef" * 4,
        "images_seen": 160_000,
        "resolution": SIDE,
        "data": "knees-val, 826 images",
        "reference": "knees-train, 5,778 images",
        "extractor": "knee",
        "extractor_digest": "0a1b2c3d" * 8,
        "truncation": 1.0,
        "fakes": 2000,
        "reals": 826,
        "others": 5778,
        "skipped": 3,
        "class_names": list(GRADES),
        "label_name": "KL grade",
        "seconds": 48.2,
    } | other


def estimate(value, reach=0.02):
    return {"value": value, "low": value - reach, "high": value + reach}


def copying():
    share = {"value": 0.012, "low": 0.008, "high": 0.018, "expected": 0.01, "limit": 0.021}
    part = {
        "ratio": estimate(0.97),
        "near": share,
        "copied": share,
        "membership": estimate(0.51),
        "n_fake": 2000,
        "n_seen": 5778,
        "n_unseen": 826,
    }
    verdict = "No sign of copying: 1.2% of the synthetic images lie closer to a training image than likeness explains."
    return {
        "value": 0.012,
        "floor": 0.01,
        "n": 2000,
        "verdict": verdict,
        "clean": True,
        "where": "features",
        "extractor": "knee",
        "features": part,
        "pixels": part,
        "worst": [
            {
                "fake": i,
                "seen": 2 * i,
                "distance": 3.1 + i,
                "percentile": 0.4 + i,
                "relative": 0.7 + i / 50,
                "fake_name": f"seed {i}",
                "seen_name": f"train/{i % 5}/90{i:05d}L.png",
            }
            for i in range(10)
        ],
    }


def grade():
    rng = np.random.default_rng(0)

    def side(kappa):
        confusion = rng.integers(0, 40, (5, 5)) + 300 * np.eye(5, dtype=int)
        return {"confusion": confusion.tolist(), "accuracy": 0.61, "kappa": kappa, "mae": 0.47}

    return {"value": 0.78, "floor": 0.81, "n": 2000, "fake": side(0.78), "real": side(0.81)}


def jsw():
    def side(width, n):
        return {"mean": width, "low": width - 0.2, "high": width + 0.2, "n": n}

    classes = {g: {"fake": side(5.1 - 0.6 * i, 300), "real": side(5.3 - 0.7 * i, 90)} for i, g in enumerate(GRADES)}
    return {
        "value": 0.31,
        "floor": 0.08,
        "n": 2000,
        "unit": "pixels",
        **{part: {"value": 0.31, "floor": 0.08, "per_class": classes} for part in ("narrower", "medial", "lateral")},
        "not_found": {"fake": 0.021, "real": 0.013, "other": 0.012},
    }


def useful():
    def arm(fraction, n, alone, both):
        def scores(value):
            return {
                "balanced_accuracy": estimate(value),
                "kappa": estimate(value + 0.1),
                "accuracy": estimate(value - 0.1),
            }

        return {
            "fraction": fraction,
            "n": n,
            "real": scores(alone),
            "both": scores(both),
            "difference": scores(both - alone),
            "verdict": f"With {fraction:.0%} of the real patients the synthetic images help.",
        }

    arms = [arm(0.05, 289, 0.41, 0.52), arm(0.1, 578, 0.5, 0.56), arm(1.0, 5778, 0.71, 0.71)]
    return {
        **estimate(0.11),
        "floor": 0.0,
        "n": 2000,
        "verdict": " ".join(a["verdict"] for a in arms),
        "fake": {"accuracy": estimate(0.5), "balanced_accuracy": estimate(0.55), "kappa": estimate(0.6)},
        "fractions": arms,
    }


def figures():
    """As in `evaluation.json`."""
    frequency = np.arange(1, SIDE // 2 + 1) / SIDE
    histogram = np.full(64, 1 / 64)

    def one(value, floor):
        return {"value": value, "floor": floor, "n": 2000, "extractor": "knee"}

    few = {"value": None, "why": "Only 19 images of this class on one side; 20 are needed."}

    def of_classes(entry):
        return {"per_class": dict.fromkeys(GRADES[:-1], entry) | {GRADES[-1]: few}}

    kd = one(0.041, 0.003) | {"se": 0.004, "floor_se": 0.002}
    prdc = {
        name: {"value": value, "floor": floor}
        for name, value, floor in (
            ("precision", 0.81, 0.84),
            ("recall", 0.62, 0.83),
            ("density", 0.97, 1.01),
            ("coverage", 0.74, 0.95),
        )
    } | {"n": 2000, "extractor": "knee"}
    variety = {"value": 0.41, "se": 0.01, "floor": 0.38, "floor_se": 0.01, "n": 2000}
    return {
        "fd": one(12.31, 4.2) | of_classes(one(15.0, 6.1)),
        "kd": kd | of_classes(kd),
        "prdc": prdc | of_classes(prdc),
        "variety": variety | {"per_class": {g: {"value": 0.4, "floor": 0.37} for g in GRADES}},
        "spectrum": {
            "value": 1.42,
            "floor": 0.21,
            "n": 2000,
            "unit": "dB",
            "frequency": frequency.tolist(),
            "fake": (3 - 4 * frequency).tolist(),
            "real": (3.1 - 3.8 * frequency).tolist(),
            "histogram": {"fake": histogram.tolist(), "real": histogram.tolist()},
        },
        "copying": copying(),
        "grade": grade(),
        "jsw": jsw(),
        "makeup": makeup(),
        "detect": one(0.83, 0.51) | {"low": 0.8, "high": 0.86, "accuracy": 0.75, "n": 800},
        "useful": useful(),
        "about": about(),
    }


def makeup():
    shares = {"fake": 0.48, "real": 0.5, "other": 0.51}
    levels = {side: [80.0, 120.0, 160.0] for side in shares}
    return {"value": 0.08, "floor": 0.03, "n": 2000, "left": shares, "inverted": shares, "brightness": levels}


def evaluation(found=None):
    """The figures, with noise for pictures."""
    results = dict(found or figures())
    described = results.pop("about")
    noise = np.random.default_rng(0).integers(0, 256, (32, 1, SIDE, SIDE), dtype=np.uint8)
    pairs = len(results.get("copying", {}).get("worst", []))
    return Evaluation(described, results, noise, noise[::-1], noise[: 2 * pairs])
