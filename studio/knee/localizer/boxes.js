// A film with a box around each knee, to be moved, sized, turned, given its side, added and taken away.

const SVG = "http://www.w3.org/2000/svg"
const LEAST = 24 // pixels of the film that a box measures at least
const SIDES = ["R", "L", ""]
const SAID = { R: "right", L: "left", "": "side unknown" }
const CORNERS = [[-1, -1], [1, -1], [1, 1], [-1, 1]]

function node(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

const turned = (x, y, degrees) => {
  const a = (-degrees * Math.PI) / 180 // counterclockwise on a picture whose y points down
  return [x * Math.cos(a) - y * Math.sin(a), x * Math.sin(a) + y * Math.cos(a)]
}
const clamp = (value, low, high) => Math.min(high, Math.max(low, value))
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".boxes")
  const [stage, bar, said] = root.children
  const [image, svg] = stage.children
  const { width, height } = data
  // Kept from call to call, and begun anew with another film or when what was found changes.
  if (!root.state || root.state.serial !== data.serial) {
    root.state = { serial: data.serial, boxes: structuredClone(data.boxes), chosen: 0, past: [] }
  }
  const state = root.state
  const unit = () => width / (svg.getBoundingClientRect().width || width) // film pixels in one of the screen's

  if (image.src !== data.image) image.src = data.image
  image.alt = `${data.name}, with ${state.boxes.length} boxes`
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`)

  const settle = () => setStateValue("boxes", { serial: state.serial, boxes: state.boxes })
  function remember(before) {
    if (same(before, state.boxes)) return
    state.past.push(before)
    settle()
  }
  function change(work) {
    const before = structuredClone(state.boxes)
    work()
    state.boxes.forEach(keep)
    remember(before)
    draw() // last, since Undo is offered from then on
  }
  function keep(box) {
    box.side_px = clamp(box.side_px, LEAST, 2 * Math.max(width, height))
    box.x = clamp(box.x, 0, width)
    box.y = clamp(box.y, 0, height)
    box.angle = clamp(box.angle, -90, 90)
  }

  // -- drawing --------------------------------------------------------------------------------------------------------

  function draw() {
    const u = unit()
    svg.replaceChildren(...state.boxes.map((box, i) => drawn(box, i, u)))
    const box = state.boxes[state.chosen]
    for (const button of bar.querySelectorAll("[data-needs]")) button.disabled = !box
    bar.querySelector("[data-act=undo]").disabled = !state.past.length
    bar.querySelector("[data-act=side]").textContent = box ? `Side: ${SAID[box.side]}` : "Side"
    said.textContent = box
      ? [
          `Knee ${state.chosen + 1} of ${state.boxes.length}: ${SAID[box.side]}`,
          data.mm ? `${Math.round(box.side_px * data.mm)} mm wide` : `${Math.round(box.side_px)} pixels wide`,
          Math.round(box.angle) ? `turned ${Math.abs(Math.round(box.angle))}° ${box.angle > 0 ? "counterclockwise" : "clockwise"}` : "",
          box.confidence == null ? "drawn by hand" : box.confidence < data.doubtful ? "doubtful: please look" : "",
        ].filter(Boolean).join(", ")
      : "No knee is marked. Add a box where one is."
  }

  function drawn(box, i, u) {
    const half = box.side_px / 2
    const chosen = i === state.chosen
    const doubtful = box.confidence != null && box.confidence < data.doubtful
    const group = node("g", {
      transform: `translate(${box.x} ${box.y}) rotate(${-box.angle})`,
      class: ["knee", chosen ? "chosen" : "", doubtful ? "doubtful" : ""].join(" "),
      tabindex: 0, role: "button", "data-index": i,
      "aria-label": `Knee ${i + 1}, ${SAID[box.side]}: arrows move it, plus and minus size it, brackets turn it, S changes its side, Delete takes it away`,
    })
    group.append(node("rect", { x: -half, y: -half, width: box.side_px, height: box.side_px, "data-part": "move" }))
    group.append(node("line", { x1: -half, x2: half, y1: 0, y2: 0, class: "joint" }))
    const label = node("text", { x: -half + 7 * u, y: -half + 22 * u, "font-size": 18 * u })
    label.textContent = box.side || "?"
    group.append(label)
    if (chosen) {
      for (const [cx, cy] of CORNERS) {
        group.append(node("circle", { cx: cx * half, cy: cy * half, r: 8 * u, "data-part": "size", class: "handle" }))
      }
      const up = half + 26 * u
      group.append(node("line", { x1: 0, x2: 0, y1: -half, y2: -up, class: "stem" }))
      group.append(node("circle", { cx: 0, cy: -up, r: 8 * u, "data-part": "turn", class: "handle" }))
    }
    return group
  }

  // -- hands ----------------------------------------------------------------------------------------------------------

  const at = (event) => {
    const { left, top } = svg.getBoundingClientRect()
    return [(event.clientX - left) * unit(), (event.clientY - top) * unit()]
  }

  svg.onpointerdown = (event) => {
    const group = event.target.closest(".knee")
    if (!group) return
    event.preventDefault()
    const index = Number(group.dataset.index)
    const part = event.target.dataset.part ?? "move"
    if (index !== state.chosen) { state.chosen = index; draw() }
    const box = state.boxes[index]
    const before = structuredClone(state.boxes)
    const [x0, y0] = at(event)
    const start = { ...box }
    svg.setPointerCapture(event.pointerId)
    svg.onpointermove = (moved) => {
      const [x, y] = at(moved)
      if (part === "move") Object.assign(box, { x: start.x + x - x0, y: start.y + y - y0 })
      else if (part === "size") {
        const [dx, dy] = turned(x - box.x, y - box.y, -box.angle)
        box.side_px = 2 * Math.max(Math.abs(dx), Math.abs(dy))
      } else box.angle = Math.round((-Math.atan2(x - box.x, box.y - y) * 180) / Math.PI)
      keep(box)
      draw()
    }
    svg.onpointerup = svg.onpointercancel = () => {
      svg.onpointermove = svg.onpointerup = svg.onpointercancel = null
      remember(before)
      draw()
      svg.querySelector(`[data-index="${index}"]`)?.focus({ preventScroll: true })
    }
  }

  svg.onkeydown = (event) => {
    const group = event.target.closest(".knee")
    if (!group) return
    const index = state.chosen = Number(group.dataset.index)
    const box = state.boxes[index]
    const step = Math.max(1, Math.round((event.shiftKey ? 0.1 : 0.01) * box.side_px))
    const does = {
      ArrowLeft: () => { box.x -= step }, ArrowRight: () => { box.x += step },
      ArrowUp: () => { box.y -= step }, ArrowDown: () => { box.y += step },
      "+": () => { box.side_px += 2 * step }, "=": () => { box.side_px += 2 * step }, "-": () => { box.side_px -= 2 * step },
      "[": () => { box.angle += 1 }, "]": () => { box.angle -= 1 },
      s: () => { next(box) }, Delete: () => { remove() }, Backspace: () => { remove() },
    }[event.key]
    if (!does) return
    event.preventDefault()
    change(does)
    svg.querySelector(`[data-index="${state.chosen}"]`)?.focus({ preventScroll: true })
  }
  svg.onfocusin = (event) => {
    const group = event.target.closest(".knee")
    const index = Number(group?.dataset.index)
    if (group && index !== state.chosen) {
      state.chosen = index
      draw()
      svg.querySelector(`[data-index="${index}"]`)?.focus({ preventScroll: true })
    }
  }

  const next = (box) => { box.side = SIDES[(SIDES.indexOf(box.side) + 1) % SIDES.length] }
  const remove = () => {
    state.boxes.splice(state.chosen, 1)
    state.chosen = Math.max(0, state.chosen - 1)
  }
  const acts = {
    side: () => change(() => next(state.boxes[state.chosen])),
    remove: () => change(remove),
    add: () => change(() => {
      const side_px = state.boxes[state.chosen]?.side_px ?? Math.min(width, height) / 2
      state.boxes.push({ x: width / 2, y: height / 2, side_px, angle: 0, side: "", confidence: null })
      state.chosen = state.boxes.length - 1
    }),
    undo: () => {
      if (!state.past.length) return
      state.boxes = state.past.pop()
      state.chosen = clamp(state.chosen, 0, Math.max(0, state.boxes.length - 1))
      draw()
      settle()
    },
    reset: () => change(() => { state.boxes = structuredClone(data.boxes); state.chosen = 0 }),
  }
  for (const button of bar.children) button.onclick = acts[button.dataset.act]

  const watch = new ResizeObserver(draw)
  watch.observe(stage)
  draw()
  return () => watch.disconnect()
}
