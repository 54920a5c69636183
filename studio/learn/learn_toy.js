// Plays films of toy games. The server streams a line of JSON a frame; whatever has come so far can be played.

const SPEEDS = [1, 2, 4, 8, 16, 32] // frames a second
const players = new WeakMap()

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

function unpacked(text, span) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
  const view = new DataView(bytes.buffer)
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => (view.getInt16(2 * i, true) / 32767) * span)
}

const colour = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16))
const mixed = (a, b, t) => a + (b - a) * t

class Player {
  constructor(root, data) {
    this.root = root
    this.data = data
    this.scene = data.scene
    this.real = unpacked(this.scene.real, this.scene.extent)
    this.frames = Object.fromEntries(data.games.map((g) => [g.name, []]))
    this.at = 0 // in frames, between two while it plays
    this.speed = 3
    this.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches
    this.stop = new AbortController()
    this.cell = element("canvas", { width: this.scene.side, height: this.scene.side })
    this.build()
    this.resized = new ResizeObserver(() => this.draw())
    this.resized.observe(root)
    this.load()
    this.tick = this.tick.bind(this)
    this.request = requestAnimationFrame(this.tick)
  }

  end() {
    this.stop.abort()
    this.resized.disconnect()
    cancelAnimationFrame(this.request)
  }

  get loaded() { return Math.min(...Object.values(this.frames).map((f) => f.length)) }

  build() {
    const button = (label, onclick) => element("button", { type: "button", textContent: label, onclick })
    this.button = button("Play", () => this.toggle())
    this.button.classList.add("play")
    this.slower = button("Slower", () => this.pace(-1))
    this.faster = button("Faster", () => this.pace(1))
    this.scrub = element("input", { type: "range", min: 0, max: this.scene.frames - 1, step: 1, value: 0, ariaLabel: "Position in the game" })
    this.scrub.oninput = () => this.go(Number(this.scrub.value))
    this.status = element("p", { className: "status", role: "status", textContent: "The game is being set up: the first frames take a few seconds." })
    this.moment = element("output", { className: "moment" })
    const box = (label) => element("input", { type: "checkbox", checked: true, ariaLabel: label, onchange: () => this.draw() })
    this.field = box("Show what the discriminator believes")
    this.arrows = box("Show the arrows")
    this.views = this.data.games.map((game) => {
      const view = {
        game,
        canvas: element("canvas", { className: "plane", role: "img" }),
        curve: element("canvas", { className: "curve", role: "img" }),
        found: element("strong"),
        rest: element("span"),
      }
      view.node = element("figure", {},
        element("figcaption", {}, element("b", { textContent: game.title }), " " + game.line),
        element("p", { className: "found" }, view.found, view.rest),
        view.canvas,
        view.curve)
      return view
    })
    const label = (input, text) => element("label", {}, input, text)
    this.root.replaceChildren(
      element("div", { className: "bar" },
        this.button,
        button("‹ Step", () => this.go(Math.ceil(this.at) - 1)),
        button("Step ›", () => this.go(Math.floor(this.at) + 1)),
        this.slower, this.faster, this.moment, this.status),
      this.scrub,
      element("div", { className: "games" }, ...this.views.map((v) => v.node)),
      element("div", { className: "bar legend" },
        element("span", { className: "real", textContent: "real points" }),
        element("span", { className: "fake", textContent: "fakes" }),
        label(this.field, "ground: blue where the discriminator says real, orange where it says fake"),
        label(this.arrows, "arrows: where the discriminator would send a fake")))
    this.root.onkeydown = (e) => this.key(e)
  }

  key(e) {
    const own = e.target.tagName
    if (e.key === " " && own !== "BUTTON" && own !== "INPUT") this.toggle()
    else if (e.key === "ArrowLeft" && own !== "INPUT") this.go(Math.ceil(this.at) - 1)
    else if (e.key === "ArrowRight" && own !== "INPUT") this.go(Math.floor(this.at) + 1)
    else return
    e.preventDefault()
  }

  toggle() {
    if (!this.playing && this.at >= this.scene.frames - 1) this.at = 0
    this.playing = !this.playing
    this.draw()
  }

  pace(by) {
    this.speed = Math.min(SPEEDS.length - 1, Math.max(0, this.speed + by))
    this.draw()
  }

  go(frame) {
    this.playing = false
    this.at = Math.min(Math.max(0, this.loaded - 1), Math.max(0, frame))
    this.draw()
  }

  tick(now) {
    const passed = Math.min(0.1, (now - (this.last ?? now)) / 1000)
    this.last = now
    if (this.playing && this.loaded > 1) {
      this.at = Math.min(this.loaded - 1, this.at + passed * SPEEDS[this.speed])
      if (this.at >= this.scene.frames - 1) this.playing = false
      this.draw()
    }
    this.request = requestAnimationFrame(this.tick)
  }

  async load() {
    try {
      const response = await fetch(this.data.address, { signal: this.stop.signal })
      if (!response.ok) throw new Error((await response.json()).error)
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ""
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        const lines = (rest + value).split("\n")
        rest = lines.pop()
        for (const line of lines) this.take(JSON.parse(line))
        this.draw()
      }
      if (this.loaded < this.scene.frames) throw new Error("The recording broke off.")
    } catch (error) {
      if (this.stop.signal.aborted) return
      this.failed = `${error.message} Choose the game again, or reload the page.`
      this.draw()
    }
  }

  take(line) {
    if (line.error) throw new Error(line.error)
    this.frames[line.game].push({
      ...line,
      fake: unpacked(line.fake, this.scene.extent),
      field: unpacked(line.field, 1),
      slope: unpacked(line.slope, line.steepest),
    })
  }

  draw() {
    const { loaded } = this
    const all = this.scene.frames
    this.button.textContent = this.playing ? "Pause" : "Play"
    this.slower.disabled = this.speed === 0
    this.faster.disabled = this.speed === SPEEDS.length - 1
    this.scrub.value = Math.round(this.at)
    this.root.dataset.loaded = loaded
    if (this.failed) this.status.textContent = this.failed
    else if (loaded) this.status.textContent = loaded < all ? `Being computed: ${loaded} of ${all} frames are here.` : ""
    if (!loaded) return
    const i = Math.min(loaded - 1, Math.floor(this.at))
    const frame = this.frames[this.data.games[0].name][i]
    this.moment.textContent = `step ${frame.step.toLocaleString()} · ${SPEEDS[this.speed]} frames a second`
    this.scrub.ariaValueText = `step ${frame.step}`
    for (const view of this.views) this.show(view, i)
  }

  show(view, i) {
    const frames = this.frames[view.game.name]
    const frame = frames[i]
    const next = frames[Math.min(i + 1, frames.length - 1)]
    const { modes } = this.scene
    view.found.textContent = `${frame.covered} of ${modes}`
    const number = (x) => (x === null ? "–" : x.toFixed(2))
    view.rest.textContent = ` ${this.scene.clumps} found · ${Math.round(100 * frame.good)}% of fakes on one · loss: discriminator ${number(frame.d_loss)}, generator ${number(frame.g_loss)}`
    view.canvas.ariaLabel = `${view.game.title} after ${frame.step} steps: ${frame.covered} of ${modes} ${this.scene.clumps} found`
    this.plane(view.canvas, frame, next, this.at - i)
    this.curve(view.curve, frames, i)
    view.curve.ariaLabel = `${this.scene.clumps} found so far: ${frames.slice(0, i + 1).map((f) => f.covered).join(", ")}`
  }

  // The drawing's context in CSS pixels, cleared; null while the canvas has no size.
  context(canvas) {
    const { clientWidth: width, clientHeight: height } = canvas
    if (!width || !height) return null
    const ratio = window.devicePixelRatio || 1
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio)
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio)
    const context = canvas.getContext("2d")
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.clearRect(0, 0, width, height)
    return { context, width, height }
  }

  plane(canvas, frame, next, t) {
    const drawing = this.context(canvas)
    if (!drawing) return
    const { context, width } = drawing
    const { extent, side } = this.scene
    const style = getComputedStyle(this.root)
    const x = (v) => ((v + extent) / (2 * extent)) * width
    const y = (v) => width - x(v)
    if (this.field.checked) {
      const [real, fake] = [colour(this.data.real), colour(this.data.fake)]
      const image = this.cell.getContext("2d").createImageData(side, side)
      for (let row = 0; row < side; row++) {
        for (let column = 0; column < side; column++) {
          const k = row * side + column
          const v = mixed(frame.field[k], next.field[k], t)
          const pixel = 4 * ((side - 1 - row) * side + column)
          const hue = v > 0 ? real : fake
          for (let c = 0; c < 3; c++) image.data[pixel + c] = hue[c]
          image.data[pixel + 3] = 190 * Math.sqrt(Math.abs(v))
        }
      }
      this.cell.getContext("2d").putImageData(image, 0, 0)
      context.imageSmoothingQuality = "high"
      context.drawImage(this.cell, 0, 0, width, width)
    }
    const dots = (points, radius, fill, edge) => {
      context.beginPath()
      for (let k = 0; k < points.length; k += 2) {
        context.moveTo(x(points[k]) + radius, y(points[k + 1]))
        context.arc(x(points[k]), y(points[k + 1]), radius, 0, 2 * Math.PI)
      }
      context.lineWidth = 1.5
      context.strokeStyle = edge
      context.stroke()
      context.fillStyle = fill
      context.fill()
    }
    const scale = width / 420
    const ground = style.getPropertyValue("--st-background-color")
    dots(this.real, 1.7 * scale, this.data.real, ground)
    const fakes = frame.fake.map((v, k) => mixed(v, next.fake[k], t))
    dots(fakes, 2.7 * scale, this.data.fake, ground)
    if (this.arrows.checked) this.pulls(context, frame.slope, fakes, x, y, scale, style.getPropertyValue("--st-text-color"))
  }

  // A typical slope has a typical length; the steepest quarter are all drawn alike.
  pulls(context, slope, fakes, x, y, scale, ink) {
    const sizes = Array.from({ length: slope.length / 2 }, (_, k) => Math.hypot(slope[2 * k], slope[2 * k + 1]))
    const typical = [...sizes].sort((a, b) => a - b)[Math.floor(0.75 * sizes.length)] || 1
    context.strokeStyle = ink
    context.lineWidth = 1.2
    context.beginPath()
    sizes.forEach((size, k) => {
      const length = 24 * scale * Math.min(1, size / typical)
      if (length < 2) return
      const [dx, dy] = [slope[2 * k] / size, -slope[2 * k + 1] / size]
      const [ax, ay] = [x(fakes[2 * k]), y(fakes[2 * k + 1])]
      const [bx, by] = [ax + dx * length, ay + dy * length]
      context.moveTo(ax, ay)
      context.lineTo(bx, by)
      for (const turn of [-0.5, 0.5]) {
        const angle = Math.atan2(dy, dx) + Math.PI + turn
        context.moveTo(bx, by)
        context.lineTo(bx + 5 * scale * Math.cos(angle), by + 5 * scale * Math.sin(angle))
      }
    })
    context.stroke()
  }

  curve(canvas, frames, i) {
    const drawing = this.context(canvas)
    if (!drawing) return
    const { context, width, height } = drawing
    const style = getComputedStyle(this.root)
    const ink = style.getPropertyValue("--st-text-color")
    const x = (k) => 4 + (k / (this.scene.frames - 1)) * (width - 8)
    const y = (v) => height - 4 - (v / this.scene.modes) * (height - 8)
    context.globalAlpha = 0.35
    context.strokeStyle = ink
    context.setLineDash([3, 4])
    context.strokeRect(4, y(this.scene.modes), width - 8, 0)
    context.setLineDash([])
    context.globalAlpha = 1
    context.strokeStyle = style.getPropertyValue("--st-primary-color")
    context.lineWidth = 2
    context.beginPath()
    frames.forEach((frame, k) => context.lineTo(x(k), y(frame.covered)))
    context.stroke()
    context.fillStyle = ink
    context.beginPath()
    context.arc(x(i), y(frames[i].covered), 4, 0, 2 * Math.PI)
    context.fill()
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".toy")
  const before = players.get(parentElement)
  if (before?.data.address === data.address) {
    before.draw() // the theme may have changed
  } else {
    before?.end()
    players.set(parentElement, new Player(root, data))
  }
  return () => {
    players.get(parentElement)?.end()
    players.delete(parentElement)
  }
}
