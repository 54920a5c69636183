// Panels of films; a click puts one beside its partner, large: in two panels that of the same place in the other, in
// one panel its first film.

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".sides")
  const box = parentElement.querySelector("dialog")
  root.closing?.abort()
  const { signal } = (root.closing = new AbortController())
  const [first, second] = data.sides.map((side) => side.films)
  const groups = first.map((film, i) => (second ? [film, second[i]] : i ? [first[0], film] : [film]))
  const open = (i) => openViewer(box, groups, i, {
    view: pageView(),
    named: (films) => ({ pair: String(groups.indexOf(films)) }),
    extra: second ? [["Find the nearest real image", (index) => setTriggerValue("picked", index)]] : [],
  })

  const said = ({ mark, caption, note }) =>
    element("span", {}, element("b", { textContent: mark }), ` ${caption}`, ...(note ? [element("br"), note] : []))

  root.classList.toggle("one", !second)
  root.replaceChildren(...data.sides.map((side) =>
    element("section", {}, ...(side.title ? [element("h3", { className: side.look, textContent: side.title })] : []),
      element("div", { className: "films" }, ...side.films.map((film, i) =>
        element("button", { type: "button", className: `cmp-film cmp-${film.kind}`, onclick: () => open(i) },
          stillPane(film, signal).node, said(film)))))))

  if (data.shown in groups && root.dataset.shown !== String(data.shown)) {
    root.dataset.shown = String(data.shown)
    open(data.shown)
  }
  return () => root.closing.abort()
}
