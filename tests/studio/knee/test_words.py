"""Words -> what is asked -> knees that are measured to be so."""

import json
from contextlib import suppress

import numpy as np
import pytest
import torch
from described import HELD_OUT, SET_ON
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.errors import UserError
from gan_core.model import SHIPPED, ModelConfig, load_model, save_model
from studio.explore.directions import Direction
from studio.explore.latent import draw
from studio.knee.joint_space import joint_space, side
from studio.knee.phantom import phantom
from studio.knee.words import sentences
from studio.knee.words.choose import choose
from studio.knee.words.lexicon import lexicon
from studio.knee.words.phrases import MOST_CHARACTERS
from studio.knee.words.pool import look, pool
from studio.knee.words.sentences import available, open_encoder
from studio.knee.words.telling import meets, rows, wishes
from studio.knee.words.understand import Target, understand

needs_minilm = pytest.mark.skipif("minilm" not in available(), reason="no sentence encoder is installed")


# -- words that are taken at their word --------------------------------------------------------------------------------


def asked(words):
    """What comes of exact words, for short: KL grades, side, and each quantity with its sign and share."""
    request = understand(words)
    grades = None if request.grades is None else tuple(request.grades)
    targets = {f"{t.quantity}{'+' if t.more else '-'}": t.share for t in request.targets}
    return grades, request.side, targets


@pytest.mark.parametrize(
    ("words", "grades"),
    [
        ("KL 3", (3, 3)),
        ("kl3", (3, 3)),
        ("K&L grade III", (3, 3)),
        ("Kellgren and Lawrence 2 to 3", (2, 3)),
        ("Kellgren-Lawrence grade two", (2, 2)),
        ("grade 2.5", (2.5, 2.5)),
        ("KL 2–3", (2, 3)),
        ("KL 3-2", (2, 3)),
        ("KL grade 1 or 2", (1, 2)),
        ("at least grade 3", (3, 4)),
        ("KL ≥ 2", (2, 4)),
        ("KL 3 or worse", (3, 4)),
        ("above KL 1", (2, 4)),
        ("KL <= 1", (0, 1)),
        ("below grade 2", (0, 1)),
        ("KL 2, KL 3", (2, 2)),
        ("KL 7", None),
        ("KL 99999999", None),
        ("not KL 3", None),
        ("KL \u0131\u0131", (2, 2)),
        ("KL 3 without osteophytes", (3, 3)),
        ("grade 2 not severe", (2, 2)),
        ("KL 3, R", (3, 3)),
        ("KL 2,3", (2, 3)),
        ("KL 1, 2 or 3", (1, 3)),
        ("KL 2-4", (2, 4)),
        ("KL 1 to KL 4", (1, 4)),
        ("grades 0\u20133", (0, 3)),
        ("KL 0 to 2 or 4", None),
        ("KL 3, 2 osteophytes", (3, 3)),
        ("KL 0 or 4", None),
        ("KL 1 and KL 4", None),
        ("KL -3", None),
        ("KL-3", (3, 3)),
        ("osteophytes: none", (0, 1)),
        ("Osteophytes: no. Sclerosis: no.", (0, 1)),
        ("narrowing no", (0, 2)),
        ("sclerosis: absent", (0, 2)),
        ("it doesn't show osteophytes", (0, 1)),
        ("osteophytes can\u2019t be seen", (0, 1)),
        ("isn't arthritic", (0, 1)),
        ("non-arthritic", (0, 1)),
        ("no joint space", (3, 4)),
        ("severe osteoarthritis, no cartilage left", (4, 4)),
        ("osteoarthritis", (2, 4)),
        ("doubtful OA", (1, 1)),
        ("mild to moderate gonarthrosis", (2, 3)),
        ("severe", (4, 4)),
        ("normal", (0, 0)),
        ("not normal", (2, 4)),
        ("no osteoarthritis", (0, 1)),
        ("osteophytes", (2, 4)),
        ("no osteophytes", (0, 1)),
        ("large osteophytes, sclerosis", (3, 4)),
        ("sclerosis, KL 3", (3, 3)),
        ("deformity", (4, 4)),
        ("no severe narrowing", (0, 2)),
        ("osteophytes with preserved joint space", (2, 2)),
    ],
)
def test_grades_are_read_from_figures_and_from_findings(words, grades):
    assert asked(words)[0] == grades


@pytest.mark.parametrize(
    ("words", "which"),
    [
        ("left knee", "L"),
        ("RT", "R"),
        ("right-sided", "R"),
        ("not the left", "R"),
        ("hardly any space left", None),
        ("KL 3, R", "R"),
        ("L knee", "L"),
        ("rigth knee", "R"),
        ("KL 3 knee that isn't the left one", "R"),
        ("K/L 3", None),
    ],
)
def test_sides(words, which):
    assert asked(words)[1] == which


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        ("narrowing", {"joint_space-": 0.85}),
        ("severe narrowing", {"joint_space-": 0.95}),
        ("narrowing, severe medially", {"joint_space-": 0.85}),
        ("narrowing severe medially", {"medial-": 0.95, "medial_less+": 0.7}),
        ("medial narrowing", {"medial-": 0.85, "medial_less+": 0.7}),
        ("narrowing of the lateral compartment", {"lateral-": 0.85, "lateral_less+": 0.7}),
        ("medial and lateral narrowing", {"lateral-": 0.85, "medial-": 0.85}),
        ("mild medial osteoarthritis", {"medial-": 0.65, "medial_less+": 0.65}),
        ("no lateral narrowing", {"lateral+": 0.5}),
        ("KL 3 no narrowing", {"joint_space+": 0.5}),
        ("no joint space narrowing", {"joint_space+": 0.5}),
        ("no joint space left", {"joint_space-": 0.95}),
        ("medial narrowing worse than lateral", {"medial-": 0.85, "medial_less+": 0.7}),
        ("dark film which is not sharp", {"brightness-": 0.85, "sharpness-": 0.5}),
        ("preserved joint space", {"joint_space+": 0.5}),
        ("underexposed film", {"brightness+": 0.85}),  # a film that had little light stays clear
        ("very dark", {"brightness-": 0.95}),
        ("not dark", {"brightness+": 0.5}),
        ("blurred, low contrast", {"sharpness-": 0.85, "contrast-": 0.85}),
        ("dark, bright", {"brightness-": 0.85}),
        ("dark, very dark", {"brightness-": 0.95}),
        ("good quality film", {}),
    ],
)
def test_quantities_are_asked_for_past_a_share_of_the_model_s_own_images(words, targets):
    assert asked(words)[2] == targets


def test_negation_reaches_to_the_end_of_its_list_and_no_further():
    phrases = understand("no cysts, sclerosis or spurs, dark film, without sclerosis, deformity").phrases
    assert [p.negated for p in phrases] == [True, True, True, False, True, False]


@pytest.mark.parametrize("words", ["ohne Sklerose", "keine Osteophyten"])
def test_what_another_language_negates_is_not_asked_for(words):
    assert [p.negated for p in understand(words).phrases] == [True]


def test_what_does_not_go_together_is_said_and_the_grade_in_figures_holds():
    request = understand("normal, KL 4, left, right")
    assert (request.grades, request.side) == ((4, 4), "L")
    assert len(request.notes) == 2
    assert "normal" in " ".join(request.notes)


@pytest.mark.parametrize("words", ["chondrocalcinosis", "knee prosthesis", "fracture", "meniscus", "both knees", "hip"])
@pytest.mark.parametrize("prefix", ["", "no "])
def test_what_no_model_can_do_is_said_rather_than_guessed(words, prefix):
    request = understand(prefix + words)
    assert request.grades is None
    assert not request.targets
    (phrase,) = request.phrases
    assert phrase.cannot
    assert "asked for" in phrase.note


@pytest.mark.parametrize(
    ("words", "means"),
    [
        ("osteofites", "Osteophytes"),
        ("narowing", "Narrow joint space"),
        ("ostoearthritis", "Osteoarthritis"),
        ("sclorosis", "Sclerosis"),
        ("under-exposed", "A light film"),
        ("nearly", ""),
        ("later", ""),
        ("media", ""),
        ("scleros\u0131s", "Sclerosis"),
    ],
)
def test_slips_of_spelling_are_read_and_other_words_are_not(words, means):
    (phrase,) = understand(words).phrases
    assert phrase.means == means
    assert (phrase.sure == 1) == (phrase.how == "exact")


def test_words_beside_known_ones_that_are_passed_over_are_named():
    (phrase,) = understand("purple osteophytes").phrases
    assert phrase.means == "Osteophytes"
    assert "purple" in phrase.note
    (phrase,) = understand("OA 3").phrases
    assert "3" in phrase.note


@pytest.mark.parametrize("words", ["", "  \n\t", "...", "\u200b\u200b", "x" * (MOST_CHARACTERS + 1)])
def test_nothing_and_too_much_get_words(words):
    with pytest.raises(UserError):
        understand(words)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=MOST_CHARACTERS) | st.lists(st.sampled_from(lexicon().spellings), max_size=20).map(" ".join))
def test_whatever_is_written_ends_in_a_request_or_in_words(words):
    with suppress(UserError):
        request = understand(words)
        assert request.grades is None or 0 <= request.grades[0] <= request.grades[1] <= 4


# -- meaning -----------------------------------------------------------------------------------------------------------


def tally(phrases):
    """How many phrases are understood rightly, are said not to be, and are taken for something else."""
    concepts = {c.name: c for c in lexicon().concept}
    encoder = open_encoder("minilm")
    out = {"right": 0, "unsure": 0, "wrong": 0}
    for words, want in phrases.items():
        got = [p for p in understand(words, encoder).phrases if p.concept]
        if want == "?":
            out["wrong" if got else "right"] += 1
            continue
        about, negated = concepts[want.removeprefix("No: ")], want.startswith("No: ")
        right = all(about.agrees(concepts[p.concept]) and p.negated == negated for p in got)
        out["unsure" if not got else "right" if right else "wrong"] += 1
    return out


@needs_minilm
@pytest.mark.parametrize(("phrases", "right", "wrong"), [(SET_ON, 105, 2), (HELD_OUT, 43, 6)], ids=["set", "held out"])
def test_phrases_in_clinicians_english_are_understood_or_said_not_to_be(phrases, right, wrong):
    found = tally(phrases)
    print(found)  # shown by -s: the figures of the description's page
    assert found["right"] >= right
    assert found["wrong"] <= wrong


@needs_minilm
def test_nonsense_is_never_taken_for_something():
    encoder = open_encoder("minilm")
    # The word "knee" is no finding.
    beside = [f"{word} knee" for word in ("other", "wooden", "green", "my", "puffy")]
    for words in [*beside, *(w for w, want in (SET_ON | HELD_OUT).items() if want == "?")]:
        assert not any(p.concept for p in understand(words, encoder).phrases), words


@needs_minilm
def test_the_encoder_is_the_one_that_sentence_transformers_makes_of_the_same_files():
    # The first numbers of SentenceTransformer(folder).encode(...), version 6.2.0.
    expected = [
        [-0.00057799, 0.02792411, 0.06687178, 0.0272515],
        [-0.03455099, 0.00838653, -0.01414285, 0.04706524],
        [0.0075358, -0.06173121, 0.04622577, 0.05578766],
    ]
    texts = ["severe medial narrowing, osteophytes, left knee", "A film that is too light", "Überblick of ostéophytes"]
    vectors = open_encoder("minilm")(texts)
    assert vectors[:, :4] == pytest.approx(np.array(expected), abs=1e-5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_without_an_encoder_exact_words_still_work_and_the_rest_is_said_not_to_be_understood():
    known, unknown = understand("osteophytes, knobbly bone").phrases
    assert known.concept == "Osteophytes"
    assert not unknown.means
    assert "no sentence encoder" in unknown.note


def test_an_encoder_that_is_not_there_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sentences, "_FOLDERS", {"minilm": lambda: None, "clip": lambda: None})
    open_encoder.cache_clear()
    assert available() == []
    for name in ("minilm", "clip"):
        with pytest.raises(UserError, match="pip install"):
            open_encoder(name)
    with pytest.raises(UserError, match="no sentence encoder"):
        open_encoder("word2vec")
    open_encoder.cache_clear()


# -- CLIP, from the user's Hugging Face cache --------------------------------------------------------------------------


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """The folder of a small CLIP that has learnt nothing, where `hf download` puts it."""
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {
        word: i for i, word in enumerate(["[UNK]", "<s>", "</s>", "a", "the", "knee", "bone", "left", "film"])
    }
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, "[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 1), ("</s>", 2)])
    d, layers = 16, 2
    shapes = {
        "text_model.embeddings.token_embedding.weight": (len(vocabulary), d),
        "text_model.embeddings.position_embedding.weight": (12, d),
        "text_model.final_layer_norm.weight": (d,),
        "text_model.final_layer_norm.bias": (d,),
        "text_projection.weight": (8, d),
        "vision_model.not_needed": (3, 3),
    }
    inner = {"self_attn.q_proj": (d, d), "self_attn.k_proj": (d, d), "self_attn.v_proj": (d, d), "mlp.fc1": (32, d)}
    inner |= {"self_attn.out_proj": (d, d), "mlp.fc2": (d, 32), "layer_norm1": (d,), "layer_norm2": (d,)}
    for i in range(layers):
        for name, shape in inner.items():
            shapes[f"text_model.encoder.layers.{i}.{name}.weight"] = shape
            shapes[f"text_model.encoder.layers.{i}.{name}.bias"] = shape[:1]
    generator = torch.Generator().manual_seed(0)
    text = {"hidden_size": d, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 32}
    text |= {"vocab_size": len(vocabulary), "max_position_embeddings": 12, "hidden_act": "quick_gelu"}
    repository = tmp_path / f"models--{sentences.CLIPS[1].replace('/', '--')}"
    folder = repository / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    save_file({k: torch.randn(s, generator=generator) for k, s in shapes.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"text_config": text, "projection_dim": 8, "vision_config": {}}))
    tokenizer.save(str(folder / "tokenizer.json"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    open_encoder.cache_clear()
    yield folder
    open_encoder.cache_clear()


def test_clip_reads_by_the_same_interface_where_its_weights_are(clip):
    assert "clip" in available()
    encoder = open_encoder("clip")
    texts = ["the left knee", "a film", "the left knee bone the left knee bone the left knee bone"]
    vectors = encoder(texts)
    assert vectors.shape == (3, 8)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.abs(encoder(texts[:1]) - vectors[0]).max() < 1e-5, "padding to longer texts is not read"
    assert understand("osteophytes, a film", encoder).phrases[0].concept == "Osteophytes"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{}"),
        ("config.json", b"[1]"),
        ("config.json", b'{"text_config": {"hidden_size": 1000000000}, "projection_dim": 8}'),
        ("config.json", b'{"text_config": {"hidden_size": 15, "num_attention_heads": 2}}'),
        ("model.safetensors", b"not tensors"),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_damaged_encoder_gets_words(clip, file, content):
    encoder = open_encoder("clip")
    (clip / file).write_bytes(content)
    with pytest.raises(UserError, match="install it again"):
        encoder(["the knee"])


def test_a_pickle_is_no_encoder(clip):
    (clip / "model.safetensors").rename(clip / "pytorch_model.bin")
    assert "clip" not in available()


# -- knees -------------------------------------------------------------------------------------------------------------

KINDS = {
    "graded": {"architecture": "residual", "num_classes": 5, "conditioning": "embedding", "norm": "batch"},
    "unlabelled": {"architecture": "dcgan", "norm": "batch"},
}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """make(kind, ...): a small model that has learnt nothing, loaded from its folder."""

    def build(kind, resolution=32, label="KL grade", names="01234"):
        net = NetConfig(role="generator", resolution=resolution, channels=4, max_channels=16, z_dim=12, **KINDS[kind])
        n = net.num_classes
        config = ModelConfig(
            net=net, class_names=tuple(names[:n]), class_shares=tuple(1 / n for _ in range(n)), label_name=label
        )
        folder = tmp_path_factory.mktemp(kind)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            save_model(folder, networks.build(net), config, "a card")
        return load_model(folder)

    return build


def test_medial_and_lateral_are_told_by_the_side_of_the_knee():
    images = phantom(24, 128)[0]
    measures, space, sides = look(images), joint_space(images), side(images)
    medial, lateral = space.medial_lateral(sides)
    assert (np.isfinite(medial)).sum() > 12
    assert {1.0, -1.0} <= set(measures["knee"])
    assert np.allclose(measures["medial"], medial, equal_nan=True)
    assert np.allclose(measures["lateral"], lateral, equal_nan=True)
    assert np.allclose(measures["medial_less"], lateral - medial, equal_nan=True)


def test_a_pool_is_measured_once_and_damage_in_the_cache_is_mended(make, tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path))
    held = {}
    monkeypatch.setattr("studio.knee.words.pool._memo.held", held)
    model = make("graded")
    first = pool(model, 2.5, 40)
    assert len(first["brightness"]) == 64
    (note, _) = (tmp_path / "describe").glob("*.note")
    note.write_text("half a fi")
    held.clear()
    again = pool(model, 2.5, 40)
    assert np.array_equal(first["contrast"], again["contrast"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_words_bring_the_same_knees_and_a_link_each_of_them(make, kind):
    model = make(kind)
    request = understand("KL 2 to 3, very bright film")
    chosen, again = choose(request, model, 6), choose(request, model, 6)
    assert [k.latent for k in chosen.knees] == [k.latent for k in again.knees]
    assert len({k.latent.seed for k in chosen.knees}) == 6
    for knee in chosen.knees:
        assert np.array_equal(draw(knee.latent, model)[0, 0], knee.image)
        assert knee.latent.grade in ((2, 3) if kind == "graded" else (None,))
    usual = chosen.ordinary.measures["brightness"]
    assert min(k.measures["brightness"] for k in chosen.knees) > np.median(usual)
    assert ("grade" in " ".join(chosen.cannot)) == (kind == "unlabelled")


def test_a_grade_between_two_is_drawn_between_them(make):
    chosen = choose(understand("KL 1.5"), make("graded"), 3)
    assert {k.latent.grade for k in chosen.knees} == {1.5}


def test_classes_out_of_order_are_asked_for_by_their_grade(make):
    chosen = choose(understand("KL 4"), make("graded", names="43210"), 3)
    assert {k.latent.grade for k in chosen.knees} == {0.0}


@pytest.mark.parametrize(("resolution", "label"), [(16, "KL grade"), (32, "class")])
def test_a_model_says_what_it_cannot_be_asked_for(make, resolution, label):
    model = make("graded", resolution, label)
    chosen = choose(understand("KL 3, left knee, medial narrowing"), model, 4)
    told = " ".join(chosen.cannot)
    assert "left nor right" in told
    assert "width" in told
    assert ("not KL grade" in told) == (label == "class")
    assert bool(chosen.knees) == (label == "KL grade")


def test_nothing_understood_brings_no_knee(make):
    assert not choose(understand("xyzzy"), make("graded"), 4).knees


def test_moves_bring_knees_nearer_to_what_is_asked(make):
    model = make("graded")
    space = np.eye(12)
    vectors = [Direction(name="x", low="-", high="+", effects={"brightness": 1.0}, vector=tuple(v)) for v in space[:3]]
    # Named by what it does here, as `find` does.
    bright = [d.model_copy(update={"effects": {"brightness": _effect(model, d)}}) for d in vectors]
    request = understand("very dark film")
    still, moved = choose(request, model, 8), choose(request, model, 8, bright)
    assert sum(k.off for k in moved.knees) < sum(k.off for k in still.knees)
    assert any(any(k.latent.moves) for k in moved.knees)
    for knee in moved.knees:
        assert np.array_equal(draw(knee.latent, model, bright)[0, 0], knee.image)


def _effect(model, direction):
    from studio.explore.latent import Latent

    ends = []
    for amount in (-1.0, 1.0):
        latents = [Latent(model=model.digest, seed=s, grade=2.0, moves=(amount,)) for s in range(8)]
        ends.append(np.mean([draw(latent, model, [direction]).mean() for latent in latents]))
    return (ends[1] - ends[0]) / 2 / float(np.std(pool(model, None, 32)["brightness"]))


@pytest.mark.skipif(not (SHIPPED / "knee-64").is_dir(), reason="no model is shipped")
def test_knees_of_the_shipped_model_are_as_described():
    model = load_model(SHIPPED / "knee-64")
    request = understand("severe medial narrowing, osteophytes, left knee, no chondrocalcinosis")
    chosen = choose(request, model, 8)
    images = np.stack([k.image for k in chosen.knees])[:, None]
    assert set(side(images)) == {"L"}
    medial, lateral = joint_space(images).medial_lateral(["L"] * 8)
    assert np.median(medial) < 0.75 * np.nanmedian(chosen.ordinary.measures["medial"])
    assert (medial < lateral).all()
    assert {k.latent.grade for k in chosen.knees} <= {3.0, 4.0}
    met = [[meets(wish, knee, chosen) for knee in chosen.knees] for wish in wishes(chosen.asked)]
    assert np.mean(met) > 0.7
    narrow, spurs, left, never = rows(chosen)
    assert "KL 3 to 4" in narrow.asked
    assert "8 of 8" in left.reached[0]
    assert spurs.asked == ("KL 2 to 4",)
    assert not never.asked
    assert "asked for" in never.note


# -- the command line --------------------------------------------------------------------------------------------------


def test_the_command_keeps_the_knees_and_prints_the_mapping(make, tmp_path, call):
    model = make("graded")
    out = tmp_path / "knees"
    words = ("describe", "KL 3, very dark, xyzzy", "--model", model.path, "--n", 3, "--out", out, "--no-move", "--grid")
    code, printed, _ = call(*words, "--json", "--encoder", "none")
    assert code == 0
    told = json.loads(printed)
    assert told == json.loads((out / "described.json").read_text("utf-8"))
    assert [p["understood"] for p in told["phrases"]] == ["KL grade", "A dark film, severe", ""]
    assert len(told["knees"]) == 3
    assert {p.name for p in out.glob("seed*.png")} == {f"seed{k['seed']:04d}.png" for k in told["knees"]}
    assert (out / "grid.png").is_file()
    first = told["knees"][0]
    again = tmp_path / "again.png"
    query = "&".join(f"{name}={value}" for name, value in first["query"].items())
    assert call("draw", "--model", model.path, "--query", query, "--out", again)[0] == 0
    assert again.read_bytes() == (out / f"seed{first['seed']:04d}.png").read_bytes()
    code, printed, _ = call(*words, "--encoder", "none")
    assert code == 0
    assert "not understood" in " ".join(printed.split())


@pytest.mark.parametrize(
    "options", [[""], ["x" * 400], ["KL 3", "--n", "0"], ["KL 3", "--n", "99"], ["KL 3", "--encoder", "gpt"]]
)
def test_a_wrong_call_gets_one_line(make, tmp_path, call, options):
    code, _, told = call("describe", *options, "--model", make("graded").path, "--out", tmp_path)
    assert code == 2
    assert told.startswith("error: ")
    assert len(told.splitlines()) == 1


def test_targets_are_past_their_mark_only_beyond_it(make):
    chosen = choose(understand("dark"), make("unlabelled"), 2)
    usual = chosen.ordinary
    for more in (True, False):
        mark = usual.mark(Target("brightness", more, 0.9))
        assert usual.below("brightness", mark) == pytest.approx(0.9 if more else 0.1, abs=0.02)
