"""Export: synthetic images as files for others; start one, watch it, take its zip away."""

import streamlit as st

from studio.export import ui_form as export_form
from studio.export import ui_view as export_view
from studio.export.folder import ExportFolder
from studio.text import plain
from studio.ui_links import follow

NEW = "New export"

st.title("Export")
exports = {e.name: e for e in ExportFolder.all()}
state = st.session_state
follow("export", "export", NEW)
if opened := state.pop("open_export", None):
    state.export = opened
just_deleted = state.pop("deleted_export", None)
if state.export not in (NEW, *exports):
    if state.export != just_deleted:
        st.warning(f"There is no export {plain(state.export[:80])} here. It may have been deleted.")
    state.export = NEW
if state.export == NEW:
    st.query_params.pop("export", None)
else:
    st.query_params["export"] = state.export
chosen = NEW
if exports:
    chosen = st.selectbox("Export", [NEW, *exports], key="export", persist_state="page", label_visibility="collapsed")
if chosen == NEW:
    export_form.new_export()
else:
    export_view.watch(exports[chosen])
