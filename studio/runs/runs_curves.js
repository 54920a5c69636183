// Curves of trainings. What is new is asked of the server, without a rerun; zoom and hidden series are kept here.

const SECONDS = 2 // between two looks at a run that is at work
const FEW = 12 // up to so many points each is marked: a single one would not show as a line
const MANY = 8 // more curves than that are read in columns
const HEIGHT = 240
const LOW = 180 // where panels stand one below the other
const MARGIN = { l: 52, r: 20, t: 6, b: 24 }
const NUMBERS = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 })
const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 })
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

let loading
function load(src) {
  return (loading ??= new Promise((resolve, reject) => {
    const failed = () => { loading = undefined; reject(new Error("The chart library could not be loaded; reload the page.")) }
    document.head.append(element("script", { src, onload: () => resolve(globalThis.Plotly), onerror: failed }))
  }))
}

// The value of a curve at a place between its ends, as the line is drawn; undefined beyond them.
function valueAt(points, place) {
  const after = points.findIndex(([, x]) => x >= place)
  if (after < 0 || (after === 0 && points[0][1] > place)) return undefined
  const [, x1, y1] = points[after]
  const [, x0, y0] = points[Math.max(0, after - 1)]
  return x1 === x0 ? y1 : y0 + ((y1 - y0) * (place - x0)) / (x1 - x0)
}

const along = (value, [from, to]) => (value - from) / (to - from)

// From the least to the greatest of the values, with a little room.
function spread(values) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity)
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity)
  const room = (high - low) * 0.04 || Math.abs(high) * 0.1 || 1
  return low <= high ? [low - room, high + room] : [0, 1]
}

// The curves that end in a letter, each with how far that has to move up so that none lies on another; `at` in pixels.
function letters(ends, at) {
  const placed = []
  const from = (end) => at(end)[1]
  return ends.filter(([s]) => s.letter).sort((a, b) => from(a) - from(b)).map((end) => {
    const [x, y] = at(end)
    let up = 0
    while (placed.some(([a, b]) => Math.abs(a - x) < 14 && Math.abs(b - y - up) < 11)) up += 1
    placed.push([x, y + up])
    return [...end, up]
  })
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".curves")
  const [bar, grid, note] = root.children
  root.leave?.() // of the call before
  // Kept from call to call: what has been read of each run, and what the reader has zoomed to and hidden.
  const state = (root.state ??= { runs: new Map(), panels: new Map(), hidden: new Set(), range: null, turn: 0, data: null })
  if (state.data?.axis !== data.axis) state.range = null
  state.data = data

  const pointsOf = (series) => state.runs.get(series.run)?.curves[series.column] ?? []
  const shownOf = (panel) => panel.series.filter((s) => !state.hidden.has(s.group) && pointsOf(s).length)
  const inWords = (value, panel) => (panel.share ? PERCENT : NUMBERS).format(value)
  const place = (x) => `${(data.whole ? WHOLE : NUMBERS).format(x)} ${state.data.axis}`

  // -- what is new ----------------------------------------------------------------------------------------------------

  async function ask(key, address) {
    const had = state.runs.get(key)
    const answer = await fetch(`${address}&since=${had.last}&width=${had.width}`)
    if (!answer.ok) {
      had.alive = answer.status >= 500
      return
    }
    const { from, last, width, alive, curves } = await answer.json()
    for (const [column, points] of Object.entries(curves)) {
      had.curves[column] = [...(had.curves[column] ?? []).filter(([nimg]) => nimg < from), ...points]
    }
    state.stale ||= last !== had.last || width !== had.width
    Object.assign(had, { last, width, alive })
  }

  async function look() {
    const turn = ++state.turn
    clearTimeout(state.timer)
    const due = Object.entries(state.data.runs).filter(([key]) => state.runs.get(key).alive)
    const asked = document.hidden ? [] : await Promise.allSettled([load(state.data.plotly), ...due.map((run) => ask(...run))])
    if (turn !== state.turn) return
    const some = state.data.panels.some((panel) => panel.series.some((s) => pointsOf(s).length))
    note.textContent = asked[0]?.reason?.message ?? (due.length && !some ? "The curves will appear soon." : "")
    if (state.stale) draw()
    if (due.length) state.timer = setTimeout(look, SECONDS * 1000)
  }

  // -- drawing --------------------------------------------------------------------------------------------------------

  function build(panel) {
    const head = element("div", { className: "head" })
    const plot = element("div", { className: "plot", tabIndex: 0 })
    const line = element("div", { className: "at", hidden: true })
    const said = element("div", { className: "said", hidden: true })
    const empty = element("small")
    plot.setAttribute("role", "img")
    const built = { node: element("div", { className: "panel" }, head, empty, plot), head, plot, line, said, empty, y: null }
    plot.onpointermove = ({ clientX }) => {
      const { left, width } = plot.getBoundingClientRect()
      read((clientX - left - MARGIN.l) / (width - MARGIN.l - MARGIN.r))
    }
    plot.onpointerleave = () => read(null)
    plot.onpointerdown = () => { state.dragging = true }
    plot.onkeydown = (e) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[e.key]
      if (!step) return
      read(Math.min(1, Math.max(0, (state.at ?? (step > 0 ? -step : 1 - step)) + step)))
      e.preventDefault()
    }
    plot.onblur = () => read(null)
    return built
  }

  function name(series, panel) {
    const button = element("button", { type: "button", textContent: series.letter || series.name, title: `Show or hide ${series.name}` })
    button.style.setProperty("--colour", series.colour)
    button.style.setProperty("--line", series.dash === "solid" ? "solid" : "dashed")
    button.setAttribute("aria-pressed", String(!state.hidden.has(series.group)))
    button.onpointerenter = () => front(series.group)
    button.onpointerleave = () => front(null)
    button.onclick = () => {
      if (!state.hidden.delete(series.group)) state.hidden.add(series.group)
      draw()
      state.panels.get(panel.title).head.querySelector(`[title="${CSS.escape(button.title)}"]`)?.focus()
    }
    return button
  }

  // A group comes to the front wherever it is: the others fade; with null none.
  function front(group) {
    for (const { plot } of state.panels.values()) {
      const among = plot.data?.some(({ meta }) => meta === group)
      if (plot.data?.length) Plotly.restyle(plot, { opacity: plot.data.map(({ meta }) => (among && meta !== group ? 0.15 : 1)) })
    }
  }

  function paint(panel) {
    const built = state.panels.get(panel.title)
    const known = panel.series.filter((s) => pointsOf(s).length)
    const shown = shownOf(panel)
    built.node.hidden = !known.length && !state.data.empty
    built.plot.hidden = !known.length
    built.empty.textContent = known.length ? "" : state.data.empty
    const names = panel.series.length > 1 || panel.series[0]?.letter ? known.map((s) => name(s, panel)) : []
    built.head.replaceChildren(element("b", { textContent: panel.title, title: panel.about }), ...names)
    if (!known.length || !globalThis.Plotly) return
    const ends = shown.map((s) => [s, pointsOf(s).at(-1)])
    const said = ends.map(([s, [, , y]]) => `${s.name} ${inWords(y, panel)}`).join(", ")
    built.plot.setAttribute("aria-label", `${panel.title}, along ${state.data.axis}. At the end: ${said}.`)
    const traces = shown.map((s) => {
      const points = pointsOf(s)
      return {
        x: points.map(([, x]) => x),
        y: points.map(([, , y]) => y),
        name: s.name,
        meta: s.group,
        mode: points.length <= FEW ? "lines+markers" : "lines",
        line: { color: s.colour, width: 2, dash: s.dash },
        marker: { color: s.colour, size: 5 },
      }
    })
    const xs = state.range ?? state.ends
    const scaled = (y) => (panel.log ? Math.log10(y) : y) // as plotly counts on an axis
    const ys = built.y ?? (panel.share ? [-0.03, 1.03] : spread(shown.flatMap((s) => pointsOf(s).filter(([, x]) => x >= xs[0] && x <= xs[1]).map(([, , y]) => scaled(y)))))
    const level = { type: "line", xref: "paper", x0: 0, x1: 1, y0: panel.level, y1: panel.level, layer: "below", line: { color: "#889988", width: 1, dash: "dash" } }
    const layout = {
      width: built.plot.clientWidth,
      height: state.height,
      margin: MARGIN,
      showlegend: false,
      hovermode: false,
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(root).fontFamily, size: 12 },
      xaxis: { range: [...xs], tickformat: state.data.whole ? "~s" : "", nticks: 7, zeroline: false },
      yaxis: { range: [...ys], type: panel.log ? "log" : "linear", tickformat: panel.share ? ".0%" : "", nticks: 6, zeroline: false },
      shapes: panel.level === null || (panel.log && panel.level <= 0) ? [] : [level],
      annotations: letters(ends, ([, [, x, y]]) => [along(x, xs) * built.plot.clientWidth, along(scaled(y), ys) * state.height]).map(([s, [, x, y], yshift]) => ({
        x, y: scaled(y), yshift, text: s.letter, showarrow: false, xanchor: "left", xshift: 3, font: { color: s.colour, size: 12, weight: 700 },
      })),
    }
    const fresh = !built.plot.on
    Plotly.react(built.plot, traces, layout, { displayModeBar: false, doubleClick: false })
    if (!fresh) return
    built.plot.append(built.line, built.said)
    built.plot.on("plotly_relayout", (change) => {
      if ("xaxis.range[0]" in change) state.range = [change["xaxis.range[0]"], change["xaxis.range[1]"]]
      if ("yaxis.range[0]" in change) built.y = [change["yaxis.range[0]"], change["yaxis.range[1]"]]
      draw()
    })
    built.plot.on("plotly_doubleclick", whole)
  }

  function whole() {
    state.range = null
    for (const built of state.panels.values()) built.y = null
    draw()
  }

  function draw() {
    state.stale = state.dragging
    if (state.dragging) return // once it is let go
    const { panels } = state.data
    for (const panel of panels) if (!state.panels.has(panel.title)) state.panels.set(panel.title, build(panel))
    const nodes = panels.map((panel) => state.panels.get(panel.title).node)
    if (nodes.length !== grid.children.length || nodes.some((node, i) => node !== grid.children[i])) grid.replaceChildren(...nodes)
    const full = element("button", { type: "button", textContent: document.fullscreenElement ? "Leave full screen" : "Full screen" })
    full.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen())
    const zoomed = state.range || panels.some((panel) => state.panels.get(panel.title).y)
    const reset = element("button", { type: "button", textContent: "Reset zoom", onclick: whole })
    const some = panels.some((panel) => panel.series.some((s) => pointsOf(s).length))
    bar.replaceChildren(...(zoomed ? [reset] : []), ...(some && document.fullscreenEnabled ? [full] : []))
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").filter((track) => track !== "0px").length
    const rows = Math.ceil(nodes.filter((node) => !node.hidden).length / columns)
    const usual = columns > 1 ? HEIGHT : LOW
    state.height = document.fullscreenElement ? Math.max(usual, (innerHeight - 70) / rows - 50) : usual
    const reach = Math.max(...panels.flatMap((panel) => shownOf(panel).map((s) => pointsOf(s).at(-1)[1])), 0) || 1
    state.ends = [0, reach * 1.02]
    for (const panel of panels) paint(panel)
    read(state.at ?? null)
  }

  // -- reading --------------------------------------------------------------------------------------------------------

  // All panels at once, at a share of the way along the axis; null puts the reading away.
  function read(at) {
    state.at = at !== null && at >= 0 && at <= 1 ? at : null
    const [from, to] = state.range ?? state.ends ?? [0, 1]
    const x = from + (state.at ?? 0) * (to - from)
    for (const panel of state.data.panels) {
      const { plot, line, said } = state.panels.get(panel.title)
      const found = shownOf(panel).map((s) => [s, valueAt(pointsOf(s), x)]).filter(([, y]) => y !== undefined)
      line.hidden = said.hidden = state.at === null || !found.length
      if (line.hidden) continue
      const left = MARGIN.l + state.at * (plot.clientWidth - MARGIN.l - MARGIN.r)
      Object.assign(line.style, { left: `${left}px`, top: `${MARGIN.t}px`, height: `${state.height - MARGIN.t - MARGIN.b}px` })
      const rows = found.sort(([, a], [, b]) => b - a).map(([s, y]) => {
        const row = element("div", {}, element("span", { textContent: s.name === panel.title ? "" : s.name }), element("span", { textContent: inWords(y, panel) }))
        row.style.setProperty("--colour", s.colour)
        return row
      })
      said.replaceChildren(element("small", { textContent: place(x) }), ...rows)
      const right = plot.clientWidth - left
      const beside = state.at < 0.5 ? { left: `${left + 8}px`, right: "auto" } : { left: "auto", right: `${right + 8}px` }
      Object.assign(said.style, beside, { maxWidth: `${Math.max(left, right) - 8}px`, columnCount: found.length > MANY ? 2 : "auto" })
    }
  }

  for (const [key, address] of Object.entries(data.runs)) {
    if (state.runs.get(key)?.address !== address) state.runs.set(key, { address, last: 0, width: 0, alive: true, curves: state.runs.get(key)?.curves ?? {} })
  }
  const released = () => {
    if (state.dragging) setTimeout(() => { state.dragging = false; draw() })
  }
  const wide = new ResizeObserver(() => { if (root.clientWidth !== state.wide) { state.wide = root.clientWidth; draw() } })
  addEventListener("pointerup", released)
  wide.observe(root)
  state.stale = true
  look()
  return (root.leave = () => {
    clearTimeout(state.timer)
    removeEventListener("pointerup", released)
    wide.disconnect()
  })
}
