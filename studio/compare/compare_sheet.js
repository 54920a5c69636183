// Reals and fakes in two panels; a click puts a real and the fake of the same place beside each other, large.

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

function label(film, mark) {
  return [element("b", { textContent: mark }), ` ${film.caption}`]
}

function openPair(box, data, start, pick) {
  let index = start
  const figures = data.sides.map((side) => {
    const image = element("img")
    const caption = element("figcaption")
    return { side, image, caption, node: element("figure", { className: `cmp-film ${side.look}` }, image, caption) }
  })
  const step = (by) => { index = (index + by + data.sides[0].films.length) % data.sides[0].films.length; draw() }
  const button = (textContent, onclick) => element("button", { type: "button", textContent, onclick })
  const next = button("Next ›", () => step(1))

  function draw() {
    for (const { side, image, caption } of figures) {
      const film = side.films[index]
      image.src = film.src
      image.alt = film.alt
      caption.replaceChildren(...label(film, side.mark))
    }
  }
  box.onkeydown = (e) => {
    if (e.key === "ArrowLeft") step(-1)
    if (e.key === "ArrowRight") step(1)
  }
  box.onclick = (e) => { if (e.target === box) box.close() }
  box.replaceChildren(
    element("div", { className: "both" }, ...figures.map((f) => f.node)),
    element("div", { className: "tools" },
      button("‹ Previous", () => step(-1)), next,
      button("Find the nearest real image", () => { box.close(); pick(index) }),
      button("Close", () => box.close())))
  draw()
  box.showModal()
  next.focus()
}

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector("dialog")
  const pick = (index) => setTriggerValue("picked", index)
  parentElement.querySelector(".sides").replaceChildren(...data.sides.map((side) =>
    element("section", { className: side.look },
      element("h3", { textContent: side.title }),
      element("div", { className: "films" }, ...side.films.map((film, i) =>
        element("button", { type: "button", className: `cmp-film ${side.look}`, onclick: () => openPair(box, data, i, pick) },
          element("img", { src: film.src, alt: film.alt }),
          element("span", {}, ...label(film, side.mark))))))))
}
