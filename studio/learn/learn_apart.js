// Two distributions under one slider; all numbers come with the data, nothing is asked of the server.

const SVG = "http://www.w3.org/2000/svg"
const WIDTH = 640
const HUMPS = 220
const GROUND = HUMPS - 66
const CURVES = 250
const LEFT = 34

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

function drawn(tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.textContent = text
  return node
}

const path = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".apart")
  const kind = data.kind
  const { shift, js, wasserstein, js_slope, wasserstein_slope } = data.slide
  const furthest = shift[shift.length - 1]

  const slider = element("input", {
    type: "range", min: 0, max: shift.length - 1, step: 1, value: root.dataset.at ?? 30, ariaLabel: "How far apart the two are",
  })
  const said = element("p", { className: "said" })
  const humps = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HUMPS}`, role: "img" })
  const curves = drawn("svg", { viewBox: `0 0 ${WIDTH} ${CURVES}`, role: "img", "aria-label": "Both distances against how far apart the two are" })

  const x = (v) => LEFT + ((v + 3) / (furthest + 6)) * (WIDTH - 2 * LEFT)
  const bell = (middle) => Array.from({ length: 121 }, (_, i) => {
    const v = middle - 3 + i / 20
    return [x(v), GROUND - 120 * Math.exp(-((v - middle) ** 2) / 2)]
  })
  const outline = (middle) => kind === "bells" ? path(bell(middle)) : path([[x(middle), GROUND], [x(middle), GROUND - 120]])

  function arrow(y, name, slope, middle) {
    const length = slope * 110
    const from = x(middle)
    const tip = from - length
    const group = drawn("g", { class: name })
    group.append(drawn("text", { x: from + 8, y: y + 4 }, slope < 0.005 ? "no pull" : name === "js" ? "pull of Jensen-Shannon" : "pull of Wasserstein"))
    if (slope < 0.005) group.append(drawn("circle", { cx: from, cy: y, r: 3, class: "end" }))
    else group.append(drawn("path", { d: path([[from, y], [tip, y]]) }), drawn("path", { d: path([[tip + 7, y - 5], [tip, y], [tip + 7, y + 5]]) }))
    return group
  }

  const cx = (v) => LEFT + (v / furthest) * (WIDTH - 2 * LEFT)
  const cy = (v) => CURVES - 34 - (v / furthest) * (CURVES - 54)
  const curve = (name, values) => drawn("path", { class: name, d: path(shift.map((s, i) => [cx(s), cy(values[i])])) })
  const marks = { js: drawn("circle", { r: 6, class: "js mark" }), wasserstein: drawn("circle", { r: 6, class: "wasserstein mark" }) }
  for (const v of [0, 2, 4, 6, 8]) {
    curves.append(
      drawn("path", { class: "rule", d: path([[LEFT, cy(v)], [WIDTH - LEFT, cy(v)]]) }),
      drawn("text", { class: "tick", x: LEFT - 8, y: cy(v) + 4, "text-anchor": "end" }, v),
      drawn("text", { class: "tick", x: cx(v), y: CURVES - 14, "text-anchor": "middle" }, v))
  }
  curves.append(
    curve("wasserstein", wasserstein), curve("js", js), marks.js, marks.wasserstein,
    drawn("text", { class: "wasserstein", x: cx(4.4), y: cy(5.6), "text-anchor": "end" }, "Wasserstein: grows with the distance"),
    drawn("text", { class: "js", x: WIDTH - LEFT, y: cy(1.1), "text-anchor": "end" }, "Jensen-Shannon: ends at log 2 = 0.69"),
    drawn("text", { class: "tick", x: WIDTH - LEFT, y: CURVES - 1, "text-anchor": "end" }, "how far apart"))

  function draw() {
    const i = Number(slider.value)
    root.dataset.at = i
    const at = shift[i]
    slider.ariaValueText = `${at.toFixed(1)} apart`
    humps.replaceChildren(
      drawn("path", { class: "axis", d: path([[LEFT, GROUND], [WIDTH - LEFT, GROUND]]) }),
      drawn("path", { class: `real ${kind}`, d: outline(0) }),
      drawn("path", { class: `fake ${kind}`, d: outline(at) }),
      drawn("text", { class: "real", x: x(0), y: 16, "text-anchor": "middle" }, "real"),
      drawn("text", { class: "fake", x: x(at), y: at < 1.2 ? 34 : 16, "text-anchor": "middle" }, "fake"),
      arrow(HUMPS - 40, "wasserstein", wasserstein_slope[i], at),
      arrow(HUMPS - 12, "js", js_slope[i], at))
    humps.setAttribute("aria-label", `Real and fake ${at.toFixed(1)} apart`)
    marks.js.setAttribute("cx", cx(at))
    marks.js.setAttribute("cy", cy(js[i]))
    marks.wasserstein.setAttribute("cx", cx(at))
    marks.wasserstein.setAttribute("cy", cy(wasserstein[i]))
    const strong = (text) => element("b", { textContent: text })
    said.replaceChildren(
      `${at.toFixed(1)} apart. `,
      strong(`Jensen-Shannon ${js[i].toFixed(3)}`), `, of at most 0.693; moving the fakes changes it by ${js_slope[i].toFixed(3)}. `,
      strong(`Wasserstein ${wasserstein[i].toFixed(1)}`), `; moving the fakes changes it by ${wasserstein_slope[i].toFixed(3)}.`)
  }

  slider.oninput = draw
  root.replaceChildren(
    element("label", {}, "Slide the fakes away from the reals", slider),
    element("div", { className: "both" }, element("div", {}, humps, said), curves))
  draw()
}
