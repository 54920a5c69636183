"""Learn: four short lessons to project in a class. The link holds the lesson and what is played."""

import numpy as np
import streamlit as st

from studio.learn import ui_toy as learn
from studio.learn.recipes import SEEN, recipes
from studio.learn.toy.game import games
from studio.learn.toy.record import SEEDS
from studio.learn.toy.seen import seen
from studio.ui_links import one_of

PLAY, DISTANCE, LOSSES, STEADY = "Watch a game", "How far apart?", "The losses", "Steadying the game"
ALONE = "nothing"

st.title("How a GAN learns")
play, distance, formulas, steady = st.tabs(
    [PLAY, DISTANCE, LOSSES, STEADY], key="lesson", on_change="rerun", bind="query-params"
)

if play.open:
    with play:
        st.markdown(
            "Two networks play against each other. The **generator** makes :orange[fakes] from nothing but random "
            "numbers; the **discriminator** learns to tell them from the :blue[real] points. The generator never "
            "sees a real point: all it is told is in which direction the discriminator finds points *more real*. It "
            "should end up on **every** clump. A generator that leaves clumps out has lost variety: *mode collapse*."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            left = st.selectbox("Game", games(), key="game", bind="query-params", width=180)
            right = st.selectbox(
                "Compare with",
                [*games(), ALONE],
                index=games().index("knee-64"),
                key="beside",
                bind="query-params",
                width=180,
            )
            target = one_of("Real points", list(learn.TARGETS), "Grid", key="target")
            seed = st.selectbox(
                "Seed",
                SEEDS,
                key="seed",
                bind="query-params",
                width=90,
                help="Another seed plays a different game; the same seed always plays the same one.",
            )
        learn.toy(list(dict.fromkeys(name for name in (left, right) if name != ALONE)), learn.TARGETS[target], seed)
        with st.expander("What exactly is computed"):
            st.markdown(
                "The losses and penalties are the same functions that train the knee networks. Only the scale "
                "differs: the networks are small (three layers of 64 units), a point is two numbers instead of "
                "thousands of pixels, and learning rates and penalties are set to match; both WGANs take two critic "
                "steps for each generator step instead of five. The same seed gives the same game. **Look at several "
                "seeds before you believe a difference**: one game is an anecdote.\n\nA clump counts as found when "
                "it holds at least a fifth of its fair share of 1,000 fakes; a fake is on a clump within three "
                "standard deviations of its centre. `python -m gan_core toy` writes the same game as a GIF or as "
                "numbers."
            )

if distance.open:
    with distance:
        st.markdown(
            "A generator improves by reducing a distance between its fakes and the real images. The **choice** of "
            "distance decides whether it gets any signal when it is far off. A perfect discriminator measures "
            "*Jensen-Shannon*: once the two no longer overlap, it can only say *different*, however far apart they "
            "are, and it no longer pulls. *Wasserstein* asks how far the fakes have to be moved: it keeps growing, "
            "and pulls as hard from afar as from nearby."
        )
        kind = one_of("Shape", list(learn.SHAPES), "Bells", key="shape")
        learn.apart(learn.SHAPES[kind])
        st.caption(
            "Two points are the hard case of Arjovsky et al. (2017): real images are so thin a slice of all possible "
            "pictures that fakes hardly ever overlap them."
        )

if formulas.open:
    with formulas:
        offered = recipes()
        recipe = offered[one_of("Recipe", list(offered), "dcgan", key="recipe")]
        judge = recipe.d_name
        st.subheader(recipe.title, anchor=False)
        st.markdown(f"**{recipe.plain}**")
        for who, formula in ((judge, recipe.discriminator), ("generator", recipe.generator)):
            st.markdown(f"**The {who} minimises**")
            st.latex(formula)
        for term, sentence in recipe.terms:
            st.markdown(f"- ${term}$ {sentence}")
        st.caption(
            (f"{recipe.paper}. " if recipe.paper else "")
            + f"$x$ is a real image, $z$ random numbers, $G(z)$ a fake, $D$ the {judge}'s score, "
            rf"$\sigma$ turns a score into a probability, $\nabla D$ is the {judge}'s slope, $\mathbb{{E}}$ an average."
        )


@st.cache_data(max_entries=1, show_spinner=False)
def _seen() -> dict:
    return seen(0)


if steady.open:
    with steady:
        pictures = _seen()
        knee, words = st.columns([1, 4])
        knee.image(pictures["as it is"][0], "A phantom knee: computed, not a patient", alt="A phantom knee")
        words.markdown(
            "A discriminator that is too sure of itself teaches the generator nothing, and it memorises a small data "
            "set. Augmentation holds it back: it sees each image altered, differently every time.\n\nReal **and** "
            "synthetic images are altered alike: if only the real ones were, the generator would learn to imitate "
            "the alterations."
        )
        columns = st.columns(3)
        for i, (name, (title, sentence)) in enumerate(SEEN.items()):
            with columns[i % 3]:
                st.image(np.hstack(pictures[name]), width="stretch", alt=f"The phantom three times: {title.lower()}")
                st.markdown(f"**{title}**: {sentence}")
        st.markdown(
            "**Smoothing** (+smooth) leaves the images alone: the target for a real image is 0.9 instead of 1, so "
            "that certainty is penalised and the gradient does not vanish. With WGAN the targets are -0.9 and 1.1."
        )
        st.latex(r"-0.9\,\log \sigma(D(x)) - 0.1\,\log(1 - \sigma(D(x)))")
        st.markdown(
            "**Augmentation** helps most when images are few: with 100 of them it lowered a Fréchet distance from 80 "
            "to 47 (Zhao et al. 2020). **Flips** are left out on purpose: they would turn left knees into right ones."
        )
