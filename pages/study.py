"""Reader study: tell real from synthetic. The link holds the study, so that it goes on where it was left."""

import streamlit as st

from gan_core.errors import UserError
from studio.study import store
from studio.study import ui_start as study_start
from studio.study import ui_view as study_view
from studio.study.ui_room import room
from studio.text import plain

st.title("Reader study")
asked = {name: st.query_params.get(name, "") for name in ("study", "results", "set")}
try:
    if asked["study"]:
        study = store.find_study(asked["study"])
        if study.ended:
            study_view.of_study(study)
        else:
            if study.round == 2:
                study_view.clues(study)
            elif store.find_set(study.set_id).rehearsal:
                st.caption(":material/info: Rehearsal: the “real” images are phantoms, simulated by this program.")
            room(study)
    elif asked["results"]:
        study_view.of_set(asked["results"])
    elif asked["set"]:
        study_start.join(asked["set"])
except UserError as error:
    st.warning(plain(str(error)))
    asked = {}
if any(asked.values()):
    if st.button("New study", icon=":material/add:", type="tertiary"):
        study_start.go_to()
else:
    form = st.container()
    study_start.earlier()  # drawn first: where there is no model, the form ends the page
    with form:
        study_start.new_study()
