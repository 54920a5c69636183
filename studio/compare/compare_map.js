// A map of both sides: circles are real, diamonds synthetic. The picture of the point at hand stands beside the map.

const SVG = "http://www.w3.org/2000/svg"
const SHAPES = { real: "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", synthetic: "M0,-5.6L5.6,0L0,5.6L-5.6,0z" }
const REACH = 32 // pixels from a point at which it is meant
const MARGIN = 18
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

function shape(kind, x, y) {
  const path = document.createElementNS(SVG, "path")
  path.setAttribute("d", SHAPES[kind])
  path.setAttribute("class", `cmp-${kind}`)
  path.setAttribute("transform", `translate(${x},${y})`)
  return path
}

function ends(values) {
  return [Math.min(...values), Math.max(...values)]
}

export default function ({ data, parentElement, setTriggerValue }) {
  const atlas = parentElement.querySelector(".atlas")
  const svg = atlas.querySelector("svg.map")
  const film = atlas.querySelector("figure")
  const pane = (atlas.pane ??= new Pane(pageView(), undefined, { still: true }))
  const caption = atlas.querySelector("figcaption")
  const points = data.points
  const sprites = {}
  let places = []
  let at = points.findIndex((p) => p.id === data.chosen)

  film.prepend(pane.node)
  for (const image of atlas.loading ?? []) image.onload = null // of what was shown before
  for (const [kind, src] of Object.entries(data.sprites)) {
    sprites[kind] = new Image()
    sprites[kind].onload = () => show(at)
    sprites[kind].src = src
  }
  const whole = new Image() // the chosen one in full, once the server has sent it
  whole.onload = () => show(at)
  if (data.full) whole.src = data.full.src
  atlas.loading = [...Object.values(sprites), whole]

  atlas.querySelector(".key").replaceChildren(...["real", "synthetic"].map((kind) => {
    const name = document.createElement("span")
    const key = document.createElementNS(SVG, "svg")
    key.setAttribute("viewBox", "-7 -7 14 14")
    key.setAttribute("aria-hidden", "true")
    key.append(shape(kind, 0, 0))
    name.append(key, data.marks[kind])
    return name
  }))

  // The same scale both ways: a map on which one direction is stretched shows distances that are none.
  function draw() {
    const { width, height } = svg.getBoundingClientRect()
    if (!width) return
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
    const [left, right] = ends(points.map((p) => p.x))
    const [low, high] = ends(points.map((p) => p.y))
    const scale = Math.min((width - 2 * MARGIN) / (right - left || 1), (height - 2 * MARGIN) / (high - low || 1))
    places = points.map((p) => [
      width / 2 + (p.x - (left + right) / 2) * scale,
      height / 2 - (p.y - (low + high) / 2) * scale,
    ])
    const ring = document.createElementNS(SVG, "circle")
    ring.setAttribute("r", 9)
    svg.replaceChildren(...points.map((p, i) => shape(p.kind, ...places[i])), ring)
    show(at)
  }

  function show(index) {
    at = index
    const point = points[index]
    const ring = svg.querySelector("circle")
    film.hidden = !point
    ring?.setAttribute("visibility", point ? "visible" : "hidden")
    if (!point) return
    if (places[index]) {
      ring?.setAttribute("cx", places[index][0])
      ring?.setAttribute("cy", places[index][1])
    }
    film.className = `cmp-film cmp-${point.kind}`
    const mark = document.createElement("b")
    mark.textContent = data.marks[point.kind]
    caption.replaceChildren(mark, ` ${point.caption}`)
    const alt = `${data.marks[point.kind]} image, ${point.caption}`
    if (point.id === data.chosen && whole.naturalWidth) {
      pane.paint(whole, { ...data.full, alt })
    } else if (sprites[point.kind].naturalWidth) {
      const { side, columns } = data
      const [x, y] = [(point.index % columns) * side, Math.floor(point.index / columns) * side]
      const cut = new OffscreenCanvas(side, side)
      cut.getContext("2d").drawImage(sprites[point.kind], x, y, side, side, 0, 0, side, side)
      pane.paint(cut, { alt })
    }
  }

  function nearest(e) {
    const { left, top } = svg.getBoundingClientRect()
    const far = places.map(([x, y]) => Math.hypot(x - (e.clientX - left), y - (e.clientY - top)))
    const best = far.indexOf(Math.min(...far))
    return far[best] < REACH ? best : -1
  }
  const choose = () => { if (at >= 0) setTriggerValue("chosen", points[at].id) }

  svg.onpointermove = (e) => {
    const found = e.pointerType === "mouse" ? nearest(e) : -1
    if (found >= 0) show(found)
  }
  svg.onpointerleave = () => show(points.findIndex((p) => p.id === data.chosen))
  svg.onclick = (e) => {
    const found = nearest(e)
    if (found >= 0) { show(found); choose() }
  }
  svg.onfocus = () => { if (at < 0) show(0) }
  svg.onkeydown = (e) => {
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); choose(); return }
    const way = WAYS[e.key]
    if (!way) return
    e.preventDefault()
    const [x, y] = places[at] ?? places[0]
    let best = -1
    let least = Infinity
    places.forEach(([px, py], i) => {
      const along = (px - x) * way[0] + (py - y) * way[1]
      const across = Math.abs((px - x) * way[1]) + Math.abs((py - y) * way[0])
      const cost = along + 2 * across
      if (i !== at && along > 0 && across <= along && cost < least) { best = i; least = cost }
    })
    if (best >= 0) show(best)
  }

  atlas.watch?.disconnect()
  atlas.watch = new ResizeObserver(draw)
  atlas.watch.observe(svg)
  draw()
  return () => atlas.watch.disconnect()
}
