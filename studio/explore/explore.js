// What the sliders say is a query; the server answers it with a picture. One question is out at a time, and when its
// answer is in, the newest state of the sliders is asked for: a drag shows every picture it can and never runs behind.

const SETTLE = 350 // ms without a movement, after which strips are drawn and the link is brought up to date
const STILL = 150 // ms for which a picture stands still before its outline is asked for
const PLAY = 0.5 // knees a second
const explorers = new WeakMap()

const short = (value, digits = 3) => String(Number(Number(value).toFixed(digits)))

class Explorer {
  constructor(root) {
    this.root = root
    this.undone = []
    this.sheets = {}
    this.view = new View()
    this.closing = new AbortController()
    this.box = element("dialog", { ariaLabel: "Viewer" })
    this.view.listen(() => { if (this.data) this.settleLater() }, this.closing.signal)
  }

  update(data, send) {
    this.send = send
    const first = !this.data
    const fresh = first || data.serial !== this.data.serial || data.model !== this.data.model
    const more = !first && data.pending !== this.data.pending
    this.data = data
    if (more && !fresh) this.rebuild()
    if (!fresh) return
    this.start = { ...data.query }
    this.query = { ...data.query }
    this.anatomy = data.anatomy
    this.undone = [JSON.stringify(this.query)]
    this.view.set(View.from(data.window))
    this.build()
    this.changed()
  }

  close() {
    this.closed = true
    this.closing.abort()
    this.building?.abort()
    clearTimeout(this.timer)
    clearTimeout(this.still)
    cancelAnimationFrame(this.frame)
    for (const sheet of Object.values(this.sheets)) URL.revokeObjectURL(sheet.url)
  }

  // -- asking ---------------------------------------------------------------------------------------------------------

  address(what, query) {
    const url = new URL(`api/explore/${what}`, window.location.href)
    url.search = new URLSearchParams({ model: this.data.model, ...query })
    return url
  }

  async ask(what, query) {
    let response
    try {
      response = await fetch(this.address(what, query), { signal: AbortSignal.timeout(120_000) })
    } catch {
      throw new Error("The server does not answer. Is it still running?")
    }
    if (!response.ok) {
      const told = await response.json().catch(() => ({}))
      throw new Error(told.error ?? "The picture could not be made.")
    }
    return response.blob()
  }

  changed() {
    this.show()
    this.wanted = true
    if (!this.busy) this.run()
    this.settleLater()
  }

  settleLater() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.settle(), SETTLE)
  }

  async run() {
    this.busy = true
    while (this.wanted && !this.closed) {
      this.wanted = false
      const query = { ...this.query }
      try {
        const blob = await this.ask("image", query)
        const picture = await createImageBitmap(blob)
        this.pane.paint(picture, { alt: `Synthetic image, ${this.told()}` })
        this.canvas.dataset.shown = new URLSearchParams(query).toString()
        this.blob = blob
        this.outline()
        this.say(`Synthetic, not for diagnosis. ${picture.width} × ${picture.height} pixels, enlarged here.`)
      } catch (error) {
        this.say(error.message, true)
      }
    }
    this.busy = false
  }

  say(text, wrong = false) {
    this.note.textContent = text
    this.note.classList.toggle("wrong", wrong)
    if (wrong) this.note.setAttribute("role", "alert")
    else this.note.removeAttribute("role")
  }

  settle() {
    if (this.closed) return
    if (this.busy || this.playing) {
      this.timer = setTimeout(() => this.settle(), SETTLE)
      return
    }
    if (this.note.classList.contains("wrong")) return
    const text = JSON.stringify(this.query)
    if (this.undone.at(-1) !== text) this.undone.push(text)
    if (this.undone.length > 100) this.undone.shift()
    this.undo.disabled = this.undone.length < 2
    // While directions are being measured nothing is sent: it would begin that again.
    const window = this.view.toString()
    if (!this.data.pending) this.send("settled", { serial: this.data.serial, query: this.query, window, anatomy: this.anatomy })
    for (const [what, rest] of this.wantedSheets()) this.sheet(what, rest)
  }

  // -- the anatomy panel ------------------------------------------------------------------------------------------------

  // An outline belongs to one picture: it goes with it, and that of the next is asked for once that stands still.
  outline() {
    clearTimeout(this.still)
    this.overlay.replaceChildren()
    this.panel.classList.add("stale")
    if (this.anatomy) this.still = setTimeout(() => this.measure(), STILL)
  }

  async measure() {
    const { shown } = this.canvas.dataset
    if (this.busy || this.measuring || !shown) return // what is under way calls `outline` when it is done
    this.measuring = true
    let told
    try {
      const answer = await this.ask("anatomy", Object.fromEntries(new URLSearchParams(shown)))
      told = JSON.parse(await answer.text())
    } catch (error) {
      told = { drawing: "", told: error.message, rows: [] }
    }
    this.measuring = false
    if (this.closed || !this.anatomy) return
    if (shown === this.canvas.dataset.shown) this.paintPanel(told)
    else this.outline()
  }

  paintPanel({ drawing, told, columns, rows, among }) {
    this.overlay.innerHTML = drawing // made by this program's own numbers
    this.overlay.setAttribute("aria-label", told)
    const cells = (tag, texts) => element("tr", {}, ...texts.map((text) => element(tag, { textContent: text })))
    const table = rows.length ? [element("table", {}, cells("th", columns), ...rows.map((row) => cells("td", row)))] : []
    const legend = Object.entries(this.data.legend).map(([name, colour]) => {
      const key = element("i")
      key.style.background = colour
      return element("span", {}, key, name)
    })
    this.panel.replaceChildren(
      ...(rows.length ? [element("div", { className: "legend" }, ...legend)] : []), ...table,
      element("p", { textContent: [told, among, rows.length ? this.data.caution : ""].filter(Boolean).join(" ") }))
    this.panel.classList.remove("stale")
  }

  showAnatomy() {
    this.toggle.setAttribute("aria-pressed", this.anatomy)
    this.panel.hidden = !this.anatomy
  }

  wantedSheets() {
    const { at, x, y, ...rest } = this.query
    if (this.data.mode === "between") return [["loop", { ...rest, at: "0" }]]
    if (this.data.mode === "plane") return [["plane", { ...rest, x: "0", y: "0" }]]
    return this.data.directions.length ? [[this.data.sheet, this.query]] : []
  }

  async sheet(what, query) {
    const key = JSON.stringify(query)
    if (this.sheets[what]?.key === key) return
    try {
      const url = URL.createObjectURL(await this.ask(what, query))
      if (this.sheets[what]) URL.revokeObjectURL(this.sheets[what].url)
      this.sheets[what] = { key, url }
      this.paintSheet(what, url)
    } catch { /* the strip is an extra: the picture's own line has said what is wrong */ }
  }

  paintSheet(what, url) {
    if (what === "plane") this.pad.style.backgroundImage = `url(${url})`
    const rows = this.strips.length
    this.strips.forEach((cells, row) => cells.forEach((cell, column) => {
      cell.style.backgroundImage = `url(${url})`
      cell.style.backgroundSize = `${cells.length * 100}% ${rows * 100}%`
      cell.style.backgroundPosition =
        `${(100 * column) / Math.max(1, cells.length - 1)}% ${(100 * row) / Math.max(1, rows - 1)}%`
    }))
  }

  // -- what stands where ----------------------------------------------------------------------------------------------

  set(name, value, usual) {
    if (String(value) === usual) delete this.query[name]
    else this.query[name] = String(value)
    this.changed()
  }

  moves() {
    const given = (this.query.moves ?? "").split(",").filter(Boolean).map(Number)
    return this.data.directions.map((_, i) => given[i] ?? 0)
  }

  move(i, value) {
    const moves = this.moves()
    moves[i] = value
    this.set("moves", moves.some(Boolean) ? moves.map((m) => short(m, 2)).join(",") : "", "")
  }

  // What is asked of each slider that moves one thing alone, by its key.
  steers() {
    return Object.fromEntries((this.query.steer ?? "").split(",").filter(Boolean).map((part) => part.split(":")))
  }

  steer(key, value) {
    const all = Object.entries({ ...this.steers(), [key]: short(value, 2) }).filter(([, amount]) => Number(amount))
    this.set("steer", all.map((pair) => pair.join(":")).join(","), "")
  }

  seeds() {
    return (this.query.seeds ?? "").split(",").filter(Boolean)
  }

  told() {
    const { seed, seeds, z, grade } = this.query
    const what = seed !== undefined ? `seed ${seed}` : seeds ? `between seeds ${seeds.replaceAll(",", ", ")}` : z ? "found or opened" : ""
    return this.data.grade ? `${what}, ${this.data.grade.label} ${this.gradeName(grade)}` : what
  }

  gradeName(grade) {
    const names = this.data.grade.names
    const value = Number(grade ?? 0)
    if (Number.isInteger(value)) return names[value]
    return this.data.grade.step < 1 && names.every((n, i) => n === String(i)) ? short(value, 2) : `${names[Math.floor(value)]} to ${names[Math.ceil(value)]}`
  }

  fileName(ending) {
    const { seed, seeds } = this.query
    const which = seed !== undefined ? `seed${seed}` : seeds ? `between_${seeds.replaceAll(",", "-")}` : "found"
    return `synthetic_${this.data.model}_${which}.${ending}`.replace(/[^\w.-]+/g, "_")
  }

  link() {
    const url = new URL(window.location.href)
    const view = new URLSearchParams(url.search).get("view")
    const looked = this.view.toString()
    url.search = new URLSearchParams({
      model: this.data.model, ...(view ? { view } : {}), ...this.query, ...(looked ? { window: looked } : {}),
      ...(this.anatomy ? { anatomy: "1" } : {}),
    })
    return url.href
  }

  command() {
    const point = this.query.z ? `--latent "${this.fileName("json")}"` : `--query "${new URLSearchParams(this.query)}"`
    return `python -m gan_core draw --model "${this.data.model}" ${point} --out "${this.fileName("png")}"`
  }

  // The directions have been measured meanwhile.
  rebuild() {
    this.build()
    this.undo.disabled = this.undone.length < 2
    this.changed()
  }

  // -- drawing --------------------------------------------------------------------------------------------------------

  build() {
    const { mode, grade, directions } = this.data
    this.playing = false
    this.shows = []
    this.strips = []
    this.building?.abort()
    this.building = new AbortController()
    const { signal } = this.building
    this.pane = new Pane(this.view, signal)
    this.canvas = this.pane.canvas
    hands(this.pane.node, this.view, { wheel: false, touch: false }) // a finger scrolls, a tap enlarges
    this.pane.node.onclick = (e) => { if (e.pointerType === "touch") this.enlarge() }
    this.star = star(() => this.film(), () => this.pane)
    this.shows.push(() => this.star.draw())
    const { tools } = windowControls(this.view, () => this.pane, signal)
    this.overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg")
    this.overlay.setAttribute("viewBox", "0 0 100 100")
    this.overlay.setAttribute("role", "img")
    this.overlay.classList.add("outline")
    this.pane.plate.append(this.overlay)
    this.toggle = button("Anatomy", () => {
      this.anatomy = !this.anatomy
      this.showAnatomy()
      this.outline()
      this.settleLater()
    }, { title: this.data.anatomyHelp })
    this.panel = element("div", { className: "anatomy stale" })
    this.showAnatomy()
    this.note = element("p", { className: "note", textContent: "Drawing …" })
    this.undo = button("Undo", () => this.back(), { disabled: true })
    const link = button("Copy link", () => copyText(link, this.link()))
    const command = element("code")
    this.shows.push(() => { command.textContent = this.command() })
    const copyCommand = button("Copy command", () => copyText(copyCommand, this.command()))
    const picture = element("div", { className: "picture" },
      element("div", { className: "film" }, this.pane.node), this.note,
      element("div", { className: "row looks" }, ...tools, this.toggle, button("Enlarge", () => this.enlarge()), this.star),
      element("div", { className: "row" },
        this.undo,
        button("Reset", () => { this.query = { ...this.start }; this.rescale?.(); this.changed() }),
        button("Download image", () => this.blob && saveBlob(this.blob, this.fileName("png"))),
        button("Download latent", async () => {
          try { saveBlob(await this.ask("latent", this.query), this.fileName("json")) } catch (error) { this.say(error.message, true) }
        }, { title: "A small file (JSON) that brings this very picture back" }),
        link),
      this.panel,
      element("details", {},
        element("summary", { textContent: "The command that makes it" }), command,
        element("div", { className: "row" }, copyCommand)))

    const controls = element("div", { className: "controls" })
    if (mode === "one") controls.append(this.seedRow())
    if (mode === "between") controls.append(this.seedsRow(), this.loopControl())
    if (mode === "plane") controls.append(this.seedsRow(), this.padControl())
    if (grade) {
      const name = grade.label[0].toUpperCase() + grade.label.slice(1)
      controls.append(this.slider({
        name, min: 0, max: grade.names.length - 1, step: grade.step,
        get: () => Number(this.query.grade ?? 0),
        put: (v) => {
          if (this.data.held) this.query.like ??= this.query.grade ?? "0"
          this.set("grade", short(v, 2))
        },
        text: (v) => this.gradeName(v), low: grade.names[0], high: grade.names.at(-1),
      }))
    }
    controls.append(this.slider({
      name: "Variety", min: 0, max: 1, step: 0.01, low: "the average image", high: "as learnt",
      get: () => Number(this.query.truncation ?? 1), put: (v) => this.set("truncation", short(v, 2), "1"),
      text: (v) => short(v, 2),
      title: "Called truncation: towards 0 every image comes nearer to the average one of its grade.",
    }))
    directions.forEach((d, i) => controls.append(this.slider({
      name: d.name, min: -this.data.range, max: this.data.range, step: 0.05, low: d.low, high: d.high, title: d.title, note: d.note,
      get: () => (d.key ? Number(this.steers()[d.key] ?? 0) : this.moves()[i]),
      put: (v) => (d.key ? this.steer(d.key, v) : this.move(i, v)), text: (v) => (v > 0 ? "+" : "") + short(v, 2),
      stops: mode === "one" ? this.data.stops : 0,
    })))
    this.root.replaceChildren(picture, controls)
    if (!this.box.isConnected) this.root.after(this.box) // outside, so that it stays open when this is built anew
  }

  film() {
    const caption = this.told()
    return {
      query: { model: this.data.model, ...this.query }, caption,
      alt: `Synthetic image, ${caption}`, file_name: this.fileName("png"),
    }
  }

  enlarge() {
    openViewer(this.box, [[this.film()]], 0, { view: this.view, here: true })
  }

  show() {
    for (const show of this.shows) show()
  }

  slider({ name, min, max, step, get, put, text, low, high, note, stops = 0, wide = false, title = "" }) {
    const input = element("input", { type: "range", min, max, step, oninput: () => put(Number(input.value)) })
    input.setAttribute("aria-label", note === undefined ? name : `${name}: ${low} to ${high}`)
    const output = element("output")
    this.shows.push(() => {
      const value = get()
      if (Number(input.value) !== value) input.value = value
      output.textContent = text(value)
      input.setAttribute("aria-valuetext", text(value))
    })
    const label = element("span", { className: "name", textContent: name })
    label.title = title
    const parts = [element("div", { className: "head" }, label, output)]
    if (stops) {
      const cells = Array.from({ length: stops }, (_, i) => {
        const value = min + ((max - min) * i) / (stops - 1)
        return button("", () => put(value), { tabIndex: -1, ariaLabel: `${name} ${text(value)}` })
      })
      this.strips.push(cells)
      parts.push(element("div", { className: wide ? "strip wide" : "strip" }, ...cells))
    }
    parts.push(input)
    if (low || high) parts.push(element("div", { className: "ends" }, element("span", { textContent: low }), element("span", { textContent: high })))
    if (note) parts.push(element("div", { className: "summary", textContent: note }))
    return element("div", { className: "control" }, ...parts)
  }

  seedRow() {
    const take = (seed) => {
      for (const name of ["z", "offset"]) delete this.query[name]
      this.set("seed", Math.min(Math.max(0, Math.round(seed) || 0), this.data.maxSeed))
    }
    const field = element("input", { type: "number", className: "seed", min: 0, max: this.data.maxSeed, ariaLabel: "Seed", onchange: () => take(Number(field.value)) })
    const what = element("span")
    const step = (by) => take(Number(this.query.seed ?? 0) + by)
    this.shows.push(() => {
      const own = this.query.seed === undefined
      what.textContent = own ? "A knee that was found or opened" : "Seed"
      field.value = own ? "" : this.query.seed
    })
    return element("div", { className: "row" }, what,
      button("‹", () => step(-1), { ariaLabel: "Previous seed" }), field, button("›", () => step(1), { ariaLabel: "Next seed" }),
      button("Another", () => take(Math.floor(Math.random() * 1e6)), { className: "main" }))
  }

  seedsRow() {
    const plane = this.data.mode === "plane"
    const take = (seeds) => {
      const [least, most] = plane ? [4, 4] : [2, this.data.mostSeeds]
      if (seeds.length < least || seeds.length > most) {
        this.show() // the field as it was
        wrong.textContent = plane ? "The plane has four corners: give four seeds." : `Give 2 to ${most} seeds, such as 1, 2, 3.`
        return
      }
      if (!plane) this.query.at = short(Math.min(Number(this.query.at ?? 0), seeds.length))
      this.set("seeds", seeds.join(","))
      if (!plane) this.rescale()
    }
    const field = element("input", {
      className: "seeds", ariaLabel: plane ? "Four seeds, the corners row by row" : `Seeds, 2 to ${this.data.mostSeeds}`,
      onchange: () => take(field.value.split(/[^0-9]+/).filter(Boolean)),
    })
    // Of its own: the picture's line is written anew by each picture.
    const wrong = element("p", { className: "note wrong", role: "alert" })
    this.shows.push(() => { field.value = this.seeds().join(", "); wrong.textContent = "" })
    const path = element("select", { ariaLabel: "Way from seed to seed", onchange: () => this.set("path", path.value, "spherical") },
      element("option", { value: "spherical", textContent: "Round (spherical)" }), element("option", { value: "straight", textContent: "Straight (linear)" }))
    this.shows.push(() => { path.value = this.query.path ?? "spherical" })
    return element("div", { className: "row" },
      element("span", { textContent: plane ? "Corners" : "Seeds" }), field, path,
      button("Others", () => take(Array.from({ length: plane ? 4 : this.seeds().length || 4 }, () => Math.floor(Math.random() * 1e6))), { className: "main" }),
      wrong)
  }

  loopControl() {
    const control = this.slider({
      name: "Place on the loop", min: 0, max: this.seeds().length, step: 0.01, stops: this.data.loopStops, wide: true,
      get: () => Number(this.query.at ?? 0), put: (v) => this.set("at", short(v)),
      text: (v) => { const seeds = this.seeds(); const i = Math.floor(v) % seeds.length; return v % 1 ? `between ${seeds[i]} and ${seeds[(i + 1) % seeds.length]}` : `seed ${seeds[i]}` },
    })
    const input = control.querySelector("input")
    const cells = this.strips.at(-1)
    this.rescale = () => {
      const n = this.seeds().length || 1
      input.max = n
      cells.forEach((cell, i) => { cell.onclick = () => this.set("at", short((n * i) / (cells.length - 1))) })
      this.show()
    }
    cells.forEach((cell, i) => { cell.onclick = () => this.set("at", short((this.seeds().length * i) / (cells.length - 1))) })
    const play = button("Play", () => {
      this.playing = !this.playing
      play.textContent = this.playing ? "Pause" : "Play"
      let last
      const tick = (now) => {
        if (!this.playing || this.closed) return
        // Each step waits for the picture before: the loop slows down rather than jump where the machine is slow.
        if (!this.busy) {
          const passed = Math.min(now - (last ?? now), 200) / 1000
          last = now
          this.set("at", short((Number(this.query.at ?? 0) + PLAY * passed) % this.seeds().length))
        }
        this.frame = requestAnimationFrame(tick)
      }
      if (this.playing) this.frame = requestAnimationFrame(tick)
    })
    control.append(element("div", { className: "row" }, play))
    return control
  }

  padControl() {
    const dot = element("div", { className: "dot" })
    this.pad = element("div", { className: "pad", tabIndex: 0 }, dot)
    this.pad.setAttribute("role", "application")
    this.pad.setAttribute("aria-label", "The plane between four seeds: drag, or use the arrow keys")
    const at = (name) => Number(this.query[name] ?? 0.5)
    const go = (x, y) => {
      this.query.x = short(Math.min(1, Math.max(0, x)))
      this.query.y = short(Math.min(1, Math.max(0, y)))
      this.changed()
    }
    this.shows.push(() => {
      dot.style.left = `${100 * at("x")}%`
      dot.style.top = `${100 * at("y")}%`
    })
    const follow = (e) => {
      const box = this.pad.getBoundingClientRect()
      go((e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height)
    }
    this.pad.onpointerdown = (e) => { this.pad.setPointerCapture(e.pointerId); follow(e) }
    this.pad.onpointermove = (e) => { if (e.buttons & 1) follow(e) }
    this.pad.onkeydown = (e) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key]
      if (!by) return
      e.preventDefault()
      go(at("x") + 0.02 * by[0], at("y") + 0.02 * by[1])
    }
    return element("div", { className: "control" }, this.pad)
  }

  back() {
    if (this.undone.length > 1 && this.undone.at(-1) === JSON.stringify(this.query)) this.undone.pop()
    this.query = JSON.parse(this.undone.at(-1))
    if (this.rescale) this.rescale()
    this.changed()
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".explorer")
  let explorer = explorers.get(root)
  if (!explorer) explorers.set(root, (explorer = new Explorer(root)))
  explorer.update(data, setStateValue)
  return () => { explorer.close(); explorers.delete(root) }
}
