"""Sharing a model on the Hub: what would go is shown, then it goes."""

from __future__ import annotations

import streamlit as st

from gan_core.errors import UserError
from gan_core.files import size_text
from gan_core.hub import has_token
from studio import hosting
from studio.command import command_line
from studio.models.card import SAMPLES
from studio.models.inventory import Item, inventory
from studio.models.pull import body
from studio.models.push import LICENCES, Plan, plan_push, push
from studio.models.ui_list import card
from studio.text import plain

MEANS = {
    "mit": "any use, with attribution",
    "apache-2.0": "any use, with attribution; grants patent rights",
    "cc0-1.0": "any use",
    "cc-by-4.0": "attribution",
    "cc-by-sa-4.0": "attribution, share alike",
    "cc-by-nc-4.0": "attribution, non-commercial",
    "cc-by-nc-sa-4.0": "attribution, non-commercial, share alike",
}


def show() -> None:
    """Draws the form and, once it is filled in, what would go."""
    if hosting.hosted():
        st.info("Only whoever runs this server can share its models: python -m gan_core push says how.")
        return
    offered = {item.name: item for item in inventory() if item.kind in ("run", "upload")}
    if not offered:
        st.info("There is no model of yours yet. Train one, and it can be shared here.", icon=":material/school:")
        st.page_link("../pages/train.py", label="Go to Train", icon=":material/arrow_forward:")
        return
    wanted = st.session_state.pop("share_model", None)
    if wanted in offered:
        st.session_state.share_of = wanted
    left, right = st.columns([2, 3], gap="large")
    with left:
        words = _form(offered)
    with right:
        if words is None:
            st.info("Fill in the form to see here everything that would be sent. Nothing is sent until you say so.")
            return
        try:
            plan = _plan(words)
        except UserError as error:
            st.error(plain(str(error)))
            return
        _show(plan)
        _go(plan)
    with st.expander("The same from the command line", icon=":material/terminal:"):
        st.code(_command(words), language="bash", wrap_lines=True)


Words = tuple[str, str, str, bool, tuple[str, ...], bool, float]


def _form(offered: dict[str, Item]) -> Words | None:
    """What the person asks for; None while something is missing."""
    name = st.selectbox("Model", list(offered), key="share_of", persist_state="page")
    repo = st.text_input("Name on the Hub", placeholder="your-account/name", key="share_repo", persist_state="page")
    licence = st.selectbox(
        "Licence",
        LICENCES,
        index=None,
        format_func=lambda text: f"{text}: {MEANS[text]}",
        placeholder="What may others do with it?",
        help="It must not grant more than the licence of the training images does.",
        key="share_licence",
        persist_state="page",
    )
    data = st.text_input(
        "Data sets on the Hub it was trained on, if any",
        placeholder="owner/name, owner/name",
        key="share_data",
        persist_state="page",
    )
    public = st.toggle("Visible to everybody", help="Otherwise it is private: only your account sees it.")
    critic = st.toggle(
        "With its discriminator", help="Lets others continue the training. It reveals more about the training images."
    )
    if not repo.strip() or not licence:
        return None
    datasets = tuple(part for part in data.replace(",", " ").split())
    return name, repo.strip(), licence, public, datasets, critic, offered[name].when


def _plan(words: Words) -> Plan:
    """Made once for the same words: it loads the model and makes its samples."""
    state = st.session_state
    if state.get("share_words") != words:
        name, repo, licence, public, datasets, critic, _ = words
        with st.spinner("Putting it together"):
            state.share_plan = plan_push(
                name, repo, licence, public=public, datasets=datasets, critic=critic, mine=True
            )
        state.share_words = words
    return state.share_plan


def _show(plan: Plan) -> None:
    st.markdown(
        f"**What would be sent to {plain(plan.name.repo)}**, {'public' if plan.public else 'private'}, in one commit"
    )
    st.image(plan.files[SAMPLES], width=420, caption="samples.png: synthetic")
    st.dataframe(
        [{"file": name, "size": size_text(len(content))} for name, content in plan.files.items()],
        hide_index=True,
        alt="The files that would be sent",
    )
    with st.expander("The card", icon=":material/description:"):
        st.code(plan.card.removesuffix(body(plan.card)).strip(), language="yaml")
        card(body(plan.card))
    for caution in plan.cautions:
        st.warning(plain(caution), icon=":material/warning:")


def _go(plan: Plan) -> None:
    if not has_token():
        st.info(
            "To send it, this computer needs a token with the right to write, made at "
            "huggingface.co/settings/tokens: set it as HF_TOKEN in the environment or in .streamlit/secrets.toml, "
            "and restart the studio.",
            icon=":material/key:",
        )
        return
    agreed = st.checkbox("I may publish this model, and so say the owners of its training images")
    if st.button("Send it", type="primary", icon=":material/cloud_upload:", disabled=not agreed):
        try:
            with st.spinner("Sending"):
                st.session_state.share_sent = push(plan)
        except UserError as error:
            st.session_state.pop("share_sent", None)
            st.error(plain(str(error)))
    if (sent := st.session_state.get("share_sent")) and sent.endswith(f"/{plan.name.repo}"):
        st.success(f"{plain(plan.name.repo)} is on the Hub.", icon=":material/check:")
        st.link_button("Open its page", sent, icon=":material/open_in_new:")


def _command(words: Words) -> str:
    name, repo, licence, public, datasets, critic, _ = words
    return command_line("push", name, repo, license=licence, public=public, critic=critic, dataset=[*datasets])
