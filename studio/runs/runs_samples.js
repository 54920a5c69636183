// One slider for all runs: each shows its samples nearest to where the slider stands.

const SECONDS = 8 // from the first samples to the last, when played
const BROKEN = "This image cannot be shown."
const NUMBERS = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

function nearest(moments, place) {
  // Where a run's places are not known, its last samples stand.
  return moments.reduce((best, m) => (m.at === null || best.at === null || Math.abs(m.at - place) <= Math.abs(best.at - place) ? m : best), moments[0])
}

function inWords(value, unit) {
  const text = (unit === "images" || unit.startsWith("%") ? WHOLE : NUMBERS).format(value)
  return unit.startsWith("%") ? text + unit : `${text} ${unit}`
}

function build(run) {
  const mark = element("img", { width: 40, height: 18 })
  const image = element("img", { decoding: "async" })
  const note = element("small")
  const film = element("div", { className: "film" }, image)
  const node = element("figure", {}, element("figcaption", {}, mark, element("b", { textContent: run.title, title: run.title }), note), film)
  image.onerror = () => {
    film.hidden = true
    film.broken = image.getAttribute("src")
    note.textContent = BROKEN
  }
  image.onload = () => { film.hidden = false }
  return { node, mark, image, note, film }
}

export default function ({ data, parentElement, setStateValue }) {
  const [button, slider, output, figures] = ["button", "input", "output", ".figures"].map((s) => parentElement.querySelector(s))
  // Kept from run to run: what the link asked for counts once, later the hand is ahead of the server.
  const state = (figures.state ??= { at: data.at, built: new Map(), timer: 0 })
  state.data = data

  const source = (run, moment) => `${run.address}&at=${moment.nimg}&v=${moment.stamp}`

  function draw() {
    const { runs, end, unit } = state.data
    const place = state.at * end
    slider.value = Math.round(state.at * 1000)
    output.textContent = inWords(place, unit)
    slider.setAttribute("aria-valuetext", output.textContent)
    button.textContent = state.timer ? "Pause" : "Play"
    for (const run of runs) {
      const { image, note, film } = state.built.get(run.key)
      if (!run.moments.length) {
        film.hidden = true
        note.textContent = "No samples yet"
        continue
      }
      const moment = nearest(run.moments, place)
      const src = source(run, moment)
      if (image.getAttribute("src") !== src) image.src = src
      image.alt = `Synthetic samples of ${run.title} after ${WHOLE.format(moment.nimg)} images`
      const where = unit === "images" || moment.at === null ? "" : ` · ${inWords(moment.at, unit)}`
      const over = moment === run.moments.at(-1) && moment.at < place * 0.98 ? " · its last" : ""
      note.textContent = film.broken === src ? BROKEN : `${WHOLE.format(moment.nimg)} images${where}${over}`
    }
  }

  function pause() {
    clearInterval(state.timer)
    state.timer = 0
    draw()
    setStateValue("at", state.at)
  }

  function fetchAhead() {
    for (const run of state.data.runs) for (const moment of run.moments) new Image().src = source(run, moment)
  }

  function play() {
    fetchAhead()
    if (state.at >= 1) state.at = 0
    const began = performance.now() - state.at * SECONDS * 1000
    state.timer = setInterval(() => {
      state.at = Math.min(1, (performance.now() - began) / (SECONDS * 1000))
      if (state.at >= 1) pause()
      else draw()
    }, 80)
    draw()
  }

  button.onclick = () => (state.timer ? pause() : play())
  slider.onpointerdown = fetchAhead
  slider.oninput = () => {
    clearInterval(state.timer)
    state.timer = 0
    state.at = slider.value / 1000
    draw()
  }
  slider.onchange = () => setStateValue("at", state.at)

  figures.classList.toggle("strips", data.strips)
  for (const run of data.runs) if (!state.built.has(run.key)) state.built.set(run.key, build(run))
  for (const run of data.runs) Object.assign(state.built.get(run.key).mark, { src: run.mark, alt: run.letter })
  const nodes = data.runs.map((run) => state.built.get(run.key).node)
  if (nodes.length !== figures.children.length || nodes.some((node, i) => node !== figures.children[i])) figures.replaceChildren(...nodes)
  draw()
  return () => clearInterval(state.timer)
}
