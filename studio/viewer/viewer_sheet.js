// The sheet is drawn anew whenever its films change; the viewer is built once for each opening. A film can have another
// `beside` it, with which it is shown, and below it stands who took it for what: `wrong` and `note`.

export default function ({ data, parentElement }) {
  const sheet = parentElement.querySelector(".sheet")
  const box = parentElement.querySelector(".box")
  const groups = data.films.map((film) => [film, film.beside].filter(Boolean))
  const linked = data.films.every((film) => film.seed !== undefined)
  const named = linked ? ([film]) => ({ show: String(film.seed) }) : undefined
  const open = (i, text) => openViewer(box, groups, i, { view: new View(text), named })
  const line = (text, className = "") => (text ? [element("span", { className, textContent: text })] : [])
  const mark = ({ mark = "" }) => element("b", { className: mark.toLowerCase(), textContent: mark && `${mark} ` })
  const small = (film) => element("figure", {},
    element("img", { src: film.thumb || film.src, alt: film.alt }), element("span", {}, mark(film), film.caption))

  sheet.classList.toggle("pairs", groups.some((films) => films.length > 1))
  sheet.replaceChildren(...groups.map((films, i) =>
    element("button", { type: "button", className: "film", onclick: () => open(i) },
      element("div", { className: "side" }, ...films.map(small)), ...line(films[0].wrong, "wrong"), ...line(films[0].note))))

  const shown = data.films.findIndex((film) => film.seed === data.shown)
  if (data.shown !== null && shown >= 0 && sheet.dataset.shown !== String(data.shown)) {
    sheet.dataset.shown = String(data.shown)
    open(shown, data.window)
  }
}
