#!/usr/bin/env bash
# ONNX Runtime 1.31.1 from PyPI starts its maker's telemetry on Linux with the first session: a device id and a database
# of events below ~/.cache. onnxruntime.disable_telemetry_events() right after the import does not prevent it;
# ORT_DISABLE_TELEMETRY=1 in the environment before the import does. Exits non-zero if any of this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2

cat >"$work/session.py" <<'PY'
import sys

import onnx
import onnxruntime
from onnx import TensorProto, helper

if "disable" in sys.argv:
    onnxruntime.disable_telemetry_events()
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
PY

left() { # what a session leaves in a new home, with the environment and the word given
  local home=$work/home-$1
  mkdir "$home"
  env -i HOME="$home" PATH="$PATH" ${2:-NOTHING=1} "$work/venv/bin/python" "$work/session.py" ${3:-}
  (cd "$home" && find . -type f | sort)
}

"$work/venv/bin/python" -c 'import onnxruntime; print("onnxruntime", onnxruntime.__version__)'
plain=$(left plain)
called=$(left called NOTHING=1 disable)
set_before=$(left set ORT_DISABLE_TELEMETRY=1)
printf 'a session leaves in HOME:\n%s\nafter disable_telemetry_events():\n%s\nwith ORT_DISABLE_TELEMETRY=1:\n%s\n' \
  "$plain" "$called" "${set_before:-nothing}"
grep -q onnxruntime.db <<<"$plain"
grep -q onnxruntime.db <<<"$called"
[[ -z $set_before ]]
