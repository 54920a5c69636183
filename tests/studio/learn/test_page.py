"""The page Learn as Streamlit's own test harness sees it."""

from functools import partial

import app_page
import pytest
from app_page import component as given

from studio.learn.recipes import RECIPES, SEEN
from studio.learn.toy.game import games

page = partial(app_page.page, "learn")


def test_it_opens_on_two_games_that_the_server_knows():
    at = page()
    assert not at.exception
    found = given(at)
    assert [g["name"] for g in found["games"]] == ["dcgan", "knee-64"]
    assert found["address"] == "api/toy?game=dcgan&game=knee-64&target=grid&seed=0"
    assert found["scene"]["modes"] == 25


def test_a_link_brings_back_the_games():
    at = page(game="wgan", beside="nothing", target="Ring", seed="3")
    assert given(at)["address"] == "api/toy?game=wgan&target=ring&seed=3"


def test_the_same_game_twice_is_shown_once():
    assert [g["name"] for g in given(page(game="wgan-gp", beside="wgan-gp"))["games"]] == ["wgan-gp"]


@pytest.mark.parametrize(
    "query",
    [
        {"game": "../../etc", "beside": "<script>"},
        {"target": "cube"},
        {"seed": "99999999999999999999"},
        {"seed": "-1"},
        {"lesson": "nowhere"},
    ],
)
def test_a_link_to_what_is_not_there_shows_the_default(query):
    at = page(**query)
    assert not at.exception
    assert given(at)["address"] == "api/toy?game=dcgan&game=knee-64&target=grid&seed=0"


def test_distances_come_with_the_page():
    at = page(lesson="How far apart?", shape="Points")
    assert not at.exception
    slide = given(at)["slide"]
    assert given(at)["kind"] == "points"
    assert slide["wasserstein"] == pytest.approx(slide["shift"])


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_has_its_formula_and_a_sentence_for_each_term(name):
    at = page(lesson="The losses", recipe=name)
    assert not at.exception
    text = " ".join(m.value for m in at.markdown) + " ".join(e.value for e in at.get("latex"))
    recipe = RECIPES[name]
    assert recipe.discriminator in text
    assert recipe.generator in text
    assert all(sentence in text for _, sentence in recipe.terms)


def test_what_steadies_the_game_is_shown_on_a_phantom():
    at = page(lesson="Steadying the game")
    assert not at.exception
    assert len(at.get("image")) == 1 + len(SEEN)


def test_all_that_is_played_has_a_name_and_a_line():
    assert all(RECIPES[name].watch for name in games())
