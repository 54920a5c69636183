// The sheet is drawn anew whenever its films change; the box is built once for each opening.

const NEUTRAL = { brightness: 100, contrast: 100, invert: false }

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

function openBox(box, films, start) {
  let index = start
  let light = { ...NEUTRAL }

  const image = element("img", { draggable: false })
  const title = element("h2")
  const size = element("p")
  const range = (name) =>
    element("input", {
      type: "range", min: 20, max: 300, ariaLabel: name,
      oninput: (e) => { light[name.toLowerCase()] = Number(e.target.value); draw() },
    })
  const brightness = range("Brightness")
  const contrast = range("Contrast")
  const invert = element("button", { type: "button", textContent: "Invert", onclick: () => { light.invert = !light.invert; draw() } })
  const reset = element("button", { type: "button", textContent: "Reset", onclick: () => { light = { ...NEUTRAL }; draw() } })
  const save = element("a", { textContent: "Download" })
  const copy = element("button", {
    type: "button", textContent: "Copy link",
    onclick: async () => {
      const url = new URL(window.location.href)
      url.searchParams.set("show", films[index].seed)
      try {
        await navigator.clipboard.writeText(url.href)
        copy.textContent = "Copied"
      } catch {
        window.prompt("Copy this link", url.href)
      }
    },
  })
  const step = (by) => { index = (index + by + films.length) % films.length; draw() }
  const previous = element("button", { type: "button", textContent: "‹ Previous", onclick: () => step(-1) })
  const next = element("button", { type: "button", textContent: "Next ›", onclick: () => step(1) })
  const close = element("button", { type: "button", textContent: "Close", onclick: () => box.close() })

  function draw() {
    const film = films[index]
    image.src = film.src
    image.alt = film.alt
    image.style.filter = `brightness(${light.brightness}%) contrast(${light.contrast}%) invert(${light.invert ? 1 : 0})`
    title.textContent = film.caption
    image.onload = () => { size.textContent = `Synthetic, not for diagnosis. ${image.naturalWidth} × ${image.naturalHeight} pixels, enlarged here.` }
    brightness.value = light.brightness
    contrast.value = light.contrast
    invert.ariaPressed = String(light.invert)
    save.href = film.src
    save.download = film.file_name
    copy.textContent = "Copy link"
  }

  // As on a viewing station: drag sideways for contrast, up and down for brightness.
  image.onpointermove = (e) => {
    if (!(e.buttons & 1)) return
    light.contrast = Math.min(300, Math.max(20, light.contrast + e.movementX / 2))
    light.brightness = Math.min(300, Math.max(20, light.brightness - e.movementY / 2))
    draw()
  }
  box.onkeydown = (e) => {
    if (e.target.type === "range") return
    if (e.key === "ArrowLeft") step(-1)
    if (e.key === "ArrowRight") step(1)
  }
  box.onclick = (e) => { if (e.target === box) box.close() }

  box.replaceChildren(
    element("div", { className: "view" }, image,
      element("div", { className: "panel" },
        title, size,
        element("label", {}, "Brightness", brightness),
        element("label", {}, "Contrast", contrast),
        element("div", { className: "row" }, invert, reset),
        element("p", { textContent: "Drag on the film: sideways for contrast, up and down for brightness." }),
        element("div", { className: "row" }, save, copy),
        element("div", { className: "row" }, previous, next, close),
        element("p", { textContent: "The download is the image as it was made, without this brightness." }))))
  draw()
  box.showModal()
  next.focus()

  // An entry of its own in the browser's history, so that going back closes the box and not the page behind it.
  window.history.pushState(window.history.state, "")
  let wentBack = false
  const back = () => { wentBack = true; box.close() }
  window.addEventListener("popstate", back)
  box.onclose = () => {
    window.removeEventListener("popstate", back)
    if (!wentBack) window.history.back()
  }
}

export default function ({ data, parentElement }) {
  const sheet = parentElement.querySelector(".sheet")
  const box = parentElement.querySelector(".box")
  const films = data.films

  sheet.replaceChildren(...films.map((film, i) =>
    element("button", { type: "button", className: "film", onclick: () => openBox(box, films, i) },
      element("img", { src: film.src, alt: film.alt }),
      element("span", { textContent: film.caption }))))

  const shown = films.findIndex((film) => film.seed === data.shown)
  if (shown >= 0 && sheet.dataset.shown !== String(data.shown)) {
    sheet.dataset.shown = String(data.shown)
    openBox(box, films, shown)
  }
}
