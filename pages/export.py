"""Export: synthetic images as files for others; start one, watch it, take its zip away."""

import streamlit as st

from studio.export import ui_form as export_form
from studio.export import ui_view as export_view
from studio.export.folder import ExportFolder
from studio.jobs.ui_view import offered

NEW = "New export"

st.title("Export")
exports = offered(ExportFolder, NEW, "export")
chosen = NEW
if exports:
    chosen = st.selectbox("Export", [NEW, *exports], key="export", persist_state="page", label_visibility="collapsed")
if chosen == NEW:
    export_form.new_export()
else:
    export_view.watch(exports[chosen])
