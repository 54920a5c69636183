"""The house: imports go one way, and only what is called a user interface knows Streamlit."""

from pathlib import Path

from house import PAGES, ROOT, House

HOUSE = House(ROOT)


def test_the_core_never_imports_the_application_nor_streamlit():
    assert HOUSE.upward() == []
    assert [m for m in HOUSE.below("gan_core") if "streamlit" in HOUSE.third_party(m)] == []


def test_a_training_reaches_neither_metrics_nor_the_hub_nor_the_recipes():
    reached = HOUSE.reached("gan_core.train.trainer")
    others = ("gan_core.metrics", "gan_core.hub", "gan_core.presets", "gan_core.generate")
    assert reached.isdisjoint(m for other in others for m in HOUSE.below(other))


def test_no_modules_import_each_other_in_a_circle():
    assert HOUSE.circles() == []


def test_only_what_is_called_so_is_user_interface():
    assert HOUSE.with_streamlit() == []


def test_charts_are_drawn_by_plotly_on_the_screen_and_by_matplotlib_in_files():
    assert HOUSE.chart_engines() == ["matplotlib", "plotly"]


def test_each_page_has_a_package_of_its_name():
    assert {p.stem for p in Path(ROOT / "pages").glob("*.py")} == set(PAGES)
    assert all((ROOT / "studio" / page / "__init__.py").is_file() for page in PAGES)


def test_names_in_the_registry_lead_somewhere():
    import studio  # noqa: F401  it adds its own
    from gan_core import registry
    from studio.data.sources import CONTAINERS, SOURCES
    from studio.evaluate.extractors import EXTRACTORS
    from studio.evaluate.metrics import METRICS

    metrics = [metric.compute for metric in METRICS.values()]
    extractors = [entry for entry, _ in EXTRACTORS.values()]
    opened = (registry.OPEN, registry.UNREAD, *SOURCES.values(), *CONTAINERS.values())
    for entry in (*opened, *registry.MODELS, *extractors, *metrics):
        assert callable(registry.resolve(entry))


def test_a_circle_and_an_upward_import_are_seen(tmp_path):
    for name, text in {
        "gan_core/__init__.py": "",
        "gan_core/a.py": "from gan_core import b\nimport studio.c",
        "gan_core/b.py": "from gan_core.a import x",
        "studio/__init__.py": "",
        "studio/c.py": "import streamlit as st\nst.echarts_chart({})\nst.line_chart([])",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    house = House(tmp_path)
    assert house.upward() == [("gan_core.a", "studio.c")]
    assert [sorted(c) for c in house.circles()] == [["gan_core.a", "gan_core.b"]]
    assert house.with_streamlit() == ["studio.c"]
    assert house.chart_engines() == ["altair", "echarts"]
