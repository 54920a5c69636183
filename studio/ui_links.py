"""What a link may say that Streamlit does not expect."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from gan_core.errors import UserError

_T = TypeVar("_T")


def came_back() -> bool:
    """Whether this run follows the browser's going back or forward, which changes the link and nothing else."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def says_anew(key: str) -> bool:
    """Whether what `st.session_state[key]` holds is to be taken from the link: at first, and when one came back."""
    return key not in st.session_state or came_back()


def follow(key: str, name: str, default: str) -> None:
    """`st.session_state[key]` becomes what the link says of `name`, where that `says_anew`.

    For what cannot be bound to the link: a binding does not follow what a button elsewhere on the page has chosen.
    """
    if says_anew(key):
        st.session_state[key] = st.query_params.get(name, default)


def keep(name: str, value: str, default: str = "") -> None:
    """The link says `value` of `name`, or nothing where that is what is shown anyway."""
    if value == default:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value


def without_endless(*names: str) -> None:
    """Follows the link without those of its parameters that are endless numbers, such as 1e999: on these Streamlit 1.67
    fails where they are bound to `st.number_input` of whole numbers. To be called before that is drawn.

    Raises `UserError` where such a link is come back to in the browser's history: by then it cannot be changed.
    """
    if endless := [name for name in names if any(map(_endless, st.query_params.get_all(name)))]:
        try:
            for name in endless:
                del st.query_params[name]
        except StreamlitAPIException as e:
            raise UserError(
                "A number in this link is infinite, so the link cannot be followed: open the page without it."
            ) from e
        st.rerun()


def _endless(text: str) -> bool:
    try:
        return math.isinf(float(text))
    except ValueError:
        return False


def one_of(label: str, options: Sequence[_T], default: _T, key: str, **how: Any) -> _T:
    """A segmented control which the link holds and in which something is always chosen: Streamlit 1.67 takes an empty
    parameter for no choice even where one is required."""
    chosen = st.segmented_control(label, options, default=default, required=True, key=key, bind="query-params", **how)
    return default if chosen is None else chosen
