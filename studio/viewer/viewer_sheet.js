// The sheet is drawn anew whenever its films change; the viewer is built once for each opening.

export default function ({ data, parentElement }) {
  const sheet = parentElement.querySelector(".sheet")
  const box = parentElement.querySelector(".box")
  const groups = data.films.map((film) => [film])
  const open = (i, text = "") =>
    openViewer(box, groups, i, { view: new View(text), named: ([film]) => ({ show: String(film.seed) }) })

  sheet.replaceChildren(...data.films.map((film, i) =>
    element("button", { type: "button", className: "film", onclick: () => open(i) },
      element("img", { src: film.thumb || film.src, alt: film.alt }),
      element("span", { textContent: film.caption }))))

  const shown = data.films.findIndex((film) => film.seed === data.shown)
  if (shown >= 0 && sheet.dataset.shown !== String(data.shown)) {
    sheet.dataset.shown = String(data.shown)
    open(shown, data.window)
  }
}
