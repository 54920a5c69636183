// The viewer of radiographs, which every component that shows some begins with: `View` says how pictures are looked at,
// a `Pane` shows one picture that way, `openViewer` puts pictures on the whole screen, and `favourites` keeps some.

const NEUTRAL = { window: 256, level: 128, invert: false, zoom: 1, x: 0.5, y: 0.5 }
const MOST_ZOOM = 12
const PRESETS = { "Full range": [256, 128], "High contrast": [128, 150], Bone: [140, 190], "Soft tissue": [130, 85] }
const TAILS = 0.01 // of the pixels, left out at each end by the automatic window
const BLACK = 8 // gray levels up to here are taken for background by it
const BARS_MM = [50, 20, 10, 5, 2, 1]
const LONGEST_BAR = 0.45 // of the picture's width
const THUMB = 96 // pixels a side of a favourite's small picture
const FLICK = { ms: 300, px: 40 }
const HELP = [
  "Drag sideways for the window, up and down for the level. Wheel, pinch or double click to zoom; Shift and drag, or " +
    "two fingers, to move. The arrow keys or a flick go to the next.",
  "Keys: A automatic, I invert, R reset, + and − zoom, Shift and arrows move, F full screen, S favourite.",
  "A download is the picture as it was made, without this window.",
]

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

const button = (textContent, onclick, properties = {}) =>
  element("button", { type: "button", textContent, onclick, ...properties })

const within = (value, least, most) => Math.min(most, Math.max(least, value))

async function copyText(node, text) {
  const before = (node.dataset.text ??= node.textContent)
  try {
    await navigator.clipboard.writeText(text)
    node.textContent = "Copied"
    setTimeout(() => { node.textContent = before }, 1500)
  } catch {
    window.prompt("Copy this", text)
  }
}

function saveBlob(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

// -- how pictures are looked at ---------------------------------------------------------------------------------------

// What each of 256 gray levels is shown as: DICOM's linear VOI function (PS3.3, C.11.2.1.2.1), which changes nothing at
// window 256, level 128.
function windowTable({ window, level, invert }) {
  const table = new Uint8ClampedArray(256)
  for (let gray = 0; gray < 256; gray++) table[gray] = ((gray - (level - 0.5)) / (window - 1) + 0.5) * 255
  return invert ? table.map((shown) => 255 - shown) : table
}

// The window that spans a picture's gray levels, without its black background and the last hundredth at each end.
function autoWindow(gray) {
  const counts = new Uint32Array(256)
  for (const value of gray) counts[value]++
  counts.fill(0, 0, BLACK + 1)
  const outside = TAILS * counts.reduce((sum, n) => sum + n, 0)
  const end = (levels) => { let sum = 0; return levels.find((value) => (sum += counts[value]) > outside) }
  const levels = Array.from(counts.keys())
  const low = end(levels), high = end(levels.toReversed())
  return low === undefined ? {} : { window: high - low + 1, level: (low + high + 1) / 2 }
}

// Window, level, inversion, zoom, and the place of the picture, in shares of its sides, that is in the middle. Whoever
// shares a view sees the same.
class View extends EventTarget {
  constructor(text = "") {
    super()
    this.set(View.from(text))
  }

  // What `toString` has said; the usual where that is damaged.
  static from(text = "") {
    const numbers = text.split("-").map(Number)
    const said = text && numbers.every(Number.isFinite) ? numbers : []
    const found = Object.fromEntries(Object.entries(NEUTRAL).map(([name, usual], i) => [name, said[i] ?? usual]))
    return { ...found, invert: Boolean(found.invert) }
  }

  set(changes) {
    Object.assign(this, changes)
    this.window = within(Math.round(this.window), 2, 512)
    this.level = within(Math.round(this.level), 0, 255)
    this.zoom = within(this.zoom, 1, MOST_ZOOM)
    for (const side of ["x", "y"]) this[side] = within(this[side], 0.5 / this.zoom, 1 - 0.5 / this.zoom)
    this.table = windowTable(this)
    this.dispatchEvent(new Event("change"))
  }

  // Calls `heard` now and at each change, until the signal.
  listen(heard, signal) {
    this.addEventListener("change", heard, { signal })
    heard()
  }

  reset() { this.set(NEUTRAL) }

  now() { return Object.fromEntries(Object.keys(NEUTRAL).map((name) => [name, this[name]])) }

  // Zooms by a factor about a point of a stage, 0 to 1 from its left and top, which stays where it is.
  zoomBy(factor, px = 0.5, py = 0.5) {
    const zoom = within(this.zoom * factor, 1, MOST_ZOOM)
    const kept = (middle, p) => middle + (p - 0.5) * (1 / this.zoom - 1 / zoom)
    this.set({ zoom, x: kept(this.x, px), y: kept(this.y, py) })
  }

  // As a link has it; "" for a picture as it was made.
  toString() {
    const said = Object.values(this.now()).map((value) => Number(Number(value).toFixed(3)))
    const usual = Object.values(NEUTRAL).map(Number)
    while (said.length && said.at(-1) === usual[said.length - 1]) said.pop()
    return said.join("-")
  }
}

// -- one picture ------------------------------------------------------------------------------------------------------

// `node` is its stage; what is to lie on the picture, turning with zoom and pan, is appended to `plate`.
class Pane {
  gray = new Uint8Array() // the gray levels as they were made, row by row

  constructor(view, signal, { still = false } = {}) {
    Object.assign(this, { view, still }) // a still one does not follow zoom and pan
    this.canvas = element("canvas", { width: 1, height: 1 })
    this.canvas.setAttribute("role", "img")
    this.canvas.setAttribute("aria-label", "A picture that is being loaded")
    this.plate = element("div", { className: "plate" }, this.canvas)
    this.letter = element("b", { className: "letter" })
    this.bar = element("span", { className: "scale" })
    this.node = element("div", { className: "stage" }, this.plate, this.letter, this.bar)
    view.listen(() => { this.frame ??= requestAnimationFrame(() => this.draw()) }, signal)
  }

  // Shows a film's picture, its small one until that is here. Raises an error where it cannot be had.
  async show(film) {
    this.film = film
    const addresses = [...new Set([film.thumb, fullOf(film)])].filter(Boolean)
    for (const address of addresses) {
      const image = new Image()
      image.src = address
      await image.decode()
      if (this.film !== film) return // another was asked for meanwhile
      this.paint(image, film)
    }
    this.canvas.dataset.film = addresses.at(-1).slice(0, 500)
  }

  // Paints a picture that is here; `side` is R or L and `mm` a pixel's side, where they are known.
  paint(picture, { alt = "", side = "", mm } = {}) {
    const width = picture.naturalWidth ?? picture.width, height = picture.naturalHeight ?? picture.height
    const source = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })
    source.drawImage(picture, 0, 0)
    this.pixels = source.getImageData(0, 0, width, height)
    this.gray = new Uint8Array(width * height)
    for (let i = 0; i < this.gray.length; i++) this.gray[i] = this.pixels.data[4 * i]
    Object.assign(this.canvas, { width, height })
    this.canvas.setAttribute("aria-label", alt)
    this.letter.textContent = side
    this.across = mm ? mm * width : 0
    this.table = undefined
    this.draw()
  }

  // The picture as it was made, small, as an address; undefined before there is one.
  thumb() {
    if (!this.pixels) return undefined
    const { width, height } = this.canvas
    const whole = element("canvas", { width, height }), small = element("canvas", { width: THUMB, height: THUMB })
    const pixels = new Uint8ClampedArray(4 * this.gray.length)
    this.gray.forEach((value, i) => pixels.set([value, value, value, 255], 4 * i))
    whole.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0)
    Object.assign(small.getContext("2d"), { imageSmoothingQuality: "high" }).drawImage(whole, 0, 0, THUMB, THUMB)
    return small.toDataURL("image/webp", 0.7)
  }

  draw() {
    this.frame = undefined
    const { zoom, x, y, table } = this.still ? { ...NEUTRAL, table: this.view.table } : this.view
    this.plate.style.transform = zoom === 1 ? "" : `scale(${zoom}) translate(${50 - 100 * x}%, ${50 - 100 * y}%)`
    const shown = this.across / zoom
    const length = BARS_MM.find((mm) => mm <= LONGEST_BAR * shown)
    this.bar.textContent = length ? `${length} mm` : ""
    this.bar.style.width = length ? `${(100 * length) / shown}%` : "0"
    if (!this.pixels || table === this.table) return
    this.table = table
    const whole = new Uint32Array(table).map((shown) => (0xff << 24) | (shown * 0x010101))
    const pixels = new Uint32Array(this.pixels.data.buffer)
    for (let i = 0; i < pixels.length; i++) pixels[i] = whole[this.gray[i]]
    this.canvas.getContext("2d").putImageData(this.pixels, 0, 0)
  }
}

// The one view of all films of a page, over its components, and a small film under it.
const pageView = () => (document.documentElement.filmsView ??= new View())

function stillPane(film, signal) {
  const pane = new Pane(pageView(), signal, { still: true })
  pane.show(film).catch(() => {})
  return pane
}

// Hands on a stage: a drag for window and level, with Shift or another button for moving; wheel, pinch and double click
// for zoom; a flick of the finger for the next. `held()` says whether a plain drag moves; `wheel` whether the wheel is
// taken without Ctrl; without `touch` a finger scrolls the page as anywhere else.
function hands(node, view, { step, held = () => false, wheel = true, touch = true } = {}) {
  const down = new Map()
  let start
  const place = (e) => {
    const { left, top, width, height } = node.getBoundingClientRect()
    return [(e.clientX - left) / width, (e.clientY - top) / height]
  }
  const spot = () => {
    const points = [...down.values()].map(place)
    const [x, y] = [0, 1].map((i) => points.reduce((sum, p) => sum + p[i], 0) / points.length)
    const [[ax, ay], [bx, by] = []] = points
    return { x, y, spread: points.length > 1 ? Math.hypot(ax - bx, ay - by) : 1 }
  }
  const begin = (moves) => {
    start = { view: view.now(), spot: spot(), time: performance.now(), moves, fingers: down.size }
  }

  node.style.touchAction = touch ? "none" : ""
  node.onpointerdown = (e) => {
    if (e.pointerType === "touch" && !touch) return
    node.setPointerCapture(e.pointerId)
    down.set(e.pointerId, e)
    begin(held() || e.shiftKey || e.button > 0)
  }
  node.onpointermove = (e) => {
    if (!down.has(e.pointerId)) return
    down.set(e.pointerId, e)
    const now = spot(), { view: was, spot: from } = start
    const dx = now.x - from.x, dy = now.y - from.y
    if (down.size > 1) {
      const zoom = within((was.zoom * now.spread) / from.spread, 1, MOST_ZOOM)
      const moved = (middle, p, q) => middle + (p - 0.5) / was.zoom - (q - 0.5) / zoom
      view.set({ zoom, x: moved(was.x, from.x, now.x), y: moved(was.y, from.y, now.y) })
    } else if (start.moves) {
      view.set({ x: was.x - dx / was.zoom, y: was.y - dy / was.zoom })
    } else {
      view.set({ window: was.window + 256 * dx, level: was.level + 256 * dy }) // all gray levels across the picture
    }
  }
  node.onpointerup = node.onpointercancel = (e) => {
    if (!down.has(e.pointerId)) return
    const dx = (spot().x - start.spot.x) * node.clientWidth, dy = (spot().y - start.spot.y) * node.clientHeight
    const flick = step && e.type === "pointerup" && e.pointerType === "touch" && start.fingers === 1 && !start.moves &&
      performance.now() - start.time < FLICK.ms && Math.abs(dx) > FLICK.px && Math.abs(dx) > 2 * Math.abs(dy)
    down.delete(e.pointerId)
    if (flick) {
      view.set(start.view)
      step(dx < 0 ? 1 : -1)
    } else if (down.size) begin(true) // the finger that stays moves the picture on
  }
  node.oncontextmenu = (e) => e.preventDefault()
  node.ondblclick = (e) => (view.zoom > 1 ? view.set({ zoom: 1 }) : view.zoomBy(2.5, ...place(e)))
  node.addEventListener("wheel", (e) => {
    if (!wheel && !e.ctrlKey) return
    e.preventDefault()
    view.zoomBy(Math.exp(-within(e.deltaY, -100, 100) / 300), ...place(e))
  }, { passive: false })
}

// Window and level in figures, with sliders for them, and what goes to the usual ones; `pane()`, if there is one, is
// what the automatic window looks at.
function windowControls(view, pane, signal) {
  const range = (name, min, max) => {
    const key = name.toLowerCase(), output = element("output")
    const oninput = () => view.set({ [key]: Number(input.value) })
    const input = element("input", { type: "range", min, max, ariaLabel: name, oninput })
    view.listen(() => { input.value = output.textContent = view[key] }, signal)
    return element("label", {}, element("span", {}, `${name} `, output), input)
  }
  const names = Object.keys(PRESETS)
  const preset = element("select", {
    ariaLabel: "Preset window",
    onchange: () => { const [window, level] = PRESETS[preset.value]; view.set({ window, level }) },
  }, new Option("Preset", ""), ...names.map((name) => new Option(name, name)))
  preset.firstChild.hidden = true
  const invert = button("Invert", () => view.set({ invert: !view.invert }), { title: "Key I" })
  view.listen(() => {
    invert.ariaPressed = String(view.invert)
    preset.value = names.find((name) => PRESETS[name][0] === view.window && PRESETS[name][1] === view.level) ?? ""
  }, signal)
  const auto = () => view.set(autoWindow(pane().gray))
  return {
    figures: [range("Window", 2, 512), range("Level", 0, 255)],
    tools: [preset, pane ? button("Auto", auto, { title: "Key A: from the picture's own gray levels" }) : "", invert],
    auto,
  }
}

// -- pictures that are kept -------------------------------------------------------------------------------------------

// A synthetic picture's `query` brings it back: its model and its latent. This browser alone keeps them.
const favourites = {
  KEY: "knee-gan-favourites",
  MOST: 100,
  keyOf: ({ query }) => new URLSearchParams(Object.entries(query).sort()).toString(),
  all() {
    try {
      const sound = (f) => typeof f?.caption === "string" && typeof f.query?.model === "string"
      return JSON.parse(localStorage.getItem(this.KEY)).filter(sound)
    } catch {
      return [] // none yet, damaged, or storage is forbidden
    }
  },
  keep(films) {
    try {
      localStorage.setItem(this.KEY, JSON.stringify(films.slice(-this.MOST)))
    } catch { /* storage is full or forbidden: the tray shows what is kept */ }
    window.dispatchEvent(new Event(this.KEY))
  },
  has(film) { return this.all().some((f) => this.keyOf(f) === this.keyOf(film)) },
  toggle({ query, caption, file_name, alt, thumb }) {
    const others = this.all().filter((f) => this.keyOf(f) !== this.keyOf({ query }))
    this.keep(this.has({ query }) ? others : [...others, { query, caption, file_name, alt, thumb }])
  },
  listen(heard, signal) {
    for (const name of [this.KEY, "storage"]) window.addEventListener(name, heard, { signal })
    heard()
  },
}

// A button that keeps `film()`, which `pane()` shows, or lets go of it.
function star(film, pane) {
  const toggle = () => {
    favourites.toggle({ ...film(), thumb: pane().thumb() })
    draw()
  }
  const node = button("", toggle, { className: "star", title: "Key S" })
  const draw = () => {
    const on = Boolean(film()?.query) && favourites.has(film())
    node.hidden = !film()?.query
    node.textContent = on ? "★ Favourite" : "☆ Favourite"
    node.ariaPressed = String(on)
  }
  node.draw = draw
  return node
}

// -- the whole screen -------------------------------------------------------------------------------------------------

const addressOf = (path, query) => {
  const url = new URL(path, window.location.href)
  url.search = new URLSearchParams(query)
  return url.href
}
const fullOf = (film) => film.src || (film.query ? addressOf("api/explore/image", film.query) : film.thumb)

// Opens a dialog on `groups[start]`: each group is one film, or two beside each other under one view.
// `named(group)` is what a link to it says besides the page's own; `extra` are further buttons, as [text, what to do
// with the place of the group]; `here` says that this is Explore.
function openViewer(box, groups, start, { view = new View(), named, extra = [], here = false } = {}) {
  let index = start, moves = false
  const closing = new AbortController()
  const { signal } = closing
  const panes = [0, 1].map(() => new Pane(view, signal))
  const captions = panes.map(() => element("figcaption"))
  const figures = panes.map((pane, i) => element("figure", {}, pane.node, captions[i]))
  const controls = windowControls(view, () => panes[0], signal)
  const note = element("p", { className: "said", ariaLive: "polite" })
  const one = () => (groups[index].length === 1 ? groups[index][0] : undefined)
  const made = () => { // the synthetic one
    const some = groups[index].filter((film) => film.query)
    return some.length === 1 ? some[0] : undefined
  }
  const step = (by) => { index = (index + by + groups.length) % groups.length; draw() }
  const linked = () => {
    const url = new URL(window.location.href)
    for (const [name, value] of Object.entries({ ...named?.(groups[index]), window: view.toString() })) {
      if (value === "") url.searchParams.delete(name)
      else url.searchParams.set(name, value)
    }
    return url.href
  }
  const zoom = element("output")
  const mover = button("Move", () => { moves = !moves; mover.ariaPressed = String(moves) }, {
    ariaPressed: "false",
    title: "A drag moves the picture. Or drag with Shift, the right button or two fingers.",
  })
  const fill = () => (document.fullscreenElement ? document.exitFullscreen() : desk.requestFullscreen())
  const whole = button("Full screen", fill, { title: "Key F", hidden: !document.fullscreenEnabled })
  const favourite = star(made, () => panes[groups[index].indexOf(made())])
  const save = element("a", { textContent: "Download" })
  const open = element("a", {
    textContent: "Open in Explore",
    onclick: (e) => {
      const looked = view.toString()
      open.href = addressOf("explore", { ...made().query, view: "One knee", ...(looked ? { window: looked } : {}) })
      if (!named || e.ctrlKey || e.metaKey || e.shiftKey) return
      window.history.replaceState(window.history.state, "", linked()) // the way back leads to this very picture
    },
  })
  const copy = button("Copy link", () => copyText(copy, linked()), { hidden: !named })
  const next = button("Next ›", () => step(1))
  const place = element("span", { className: "place" })
  view.listen(() => { zoom.textContent = `${view.zoom.toFixed(1)}×` }, signal)

  function draw() {
    const group = groups[index]
    note.textContent = ""
    group.forEach((film, i) => {
      captions[i].replaceChildren(...(film.mark ? [element("b", { textContent: film.mark }), " "] : []), film.caption)
      const say = (text) => { if (group === groups[index]) note.textContent = text }
      panes[i].show(film).then(() => {
        const { width, height } = panes[0].canvas
        const what = group.every((film) => film.query) ? "Synthetic, not" : "Not"
        say(`${what} for diagnosis. ${width} × ${height} pixels, enlarged here.`)
      }).catch(() => say("This picture cannot be had: the server is gone, or the model was deleted."))
    })
    figures[1].hidden = group.length === 1
    desk.classList.toggle("two", group.length > 1)
    place.textContent = groups.length > 1 ? `${index + 1} of ${groups.length}` : ""
    const film = one()
    favourite.draw()
    save.hidden = !film
    open.hidden = here || !made()
    if (film) Object.assign(save, { href: fullOf(film), download: film.file_name ?? "image.png" })
    if (made()) open.href = addressOf("explore", { ...made().query, view: "One knee" })
  }

  const row = (...children) => element("div", { className: "tools" }, ...children)
  const several = groups.length > 1
  const larger = () => view.zoomBy(1.5), smaller = () => view.zoomBy(1 / 1.5), reset = () => view.reset()
  const desk = element("div", { className: "desk" },
    element("div", { className: "stages" }, ...figures),
    element("div", { className: "panel" },
      row(
        ...(several ? [button("‹ Previous", () => step(-1)), next] : []), place,
        button("Close", () => box.close(), { className: "close" })),
      ...controls.figures,
      row(...controls.tools, button("Reset", reset, { title: "Key R" })),
      row(
        button("−", smaller, { ariaLabel: "Smaller" }), zoom, button("+", larger, { ariaLabel: "Larger" }), mover, whole),
      row(favourite, open, save, copy, ...extra.map(([text, act]) => button(text, () => { box.close(); act(index) }))),
      note,
      element("details", {}, element("summary", { textContent: "How to look around" }),
        ...HELP.map((textContent) => element("p", { textContent })))))

  const KEYS = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": larger, "-": smaller, r: reset, a: controls.auto,
    i: () => view.set({ invert: !view.invert }), f: () => whole.hidden || fill(), s: () => favourite.hidden || favourite.click(),
  }
  const PANS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
  box.onkeydown = (e) => {
    if (e.target.matches?.("input, select") || e.ctrlKey || e.metaKey || e.altKey) return
    const pan = e.shiftKey && PANS[e.key]
    if (pan) view.set({ x: view.x + (0.1 * pan[0]) / view.zoom, y: view.y + (0.1 * pan[1]) / view.zoom })
    else if (KEYS[e.key.toLowerCase()] ?? KEYS[e.key]) (KEYS[e.key.toLowerCase()] ?? KEYS[e.key])()
    else return
    e.preventDefault()
  }
  box.onclick = (e) => { if (e.target === box) box.close() }
  panes.forEach((pane) => hands(pane.node, view, { step: several ? step : undefined, held: () => moves }))
  box.classList.add("viewer")
  box.replaceChildren(desk)
  draw()
  box.showModal()
  if (several) next.focus()

  // An entry of its own in the browser's history, so that going back closes the viewer and not the page behind it.
  window.history.pushState(window.history.state, "")
  let wentBack = false
  const leave = () => { wentBack = true; box.close() }
  window.addEventListener("popstate", leave, { signal })
  box.onclose = () => {
    closing.abort()
    if (!wentBack) window.history.back()
  }
}
