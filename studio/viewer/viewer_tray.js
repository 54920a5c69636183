// The favourites, on every page: what the viewer's star has kept in this browser.

const PAIR = 2 // pictures that are compared

function start(root) {
  const box = root.querySelector(".box")
  const kept = root.querySelector(".kept")
  const said = root.querySelector(".said")
  const tools = root.querySelector(".tools")
  const closing = new AbortController()
  const picked = new Set()
  let before // what was kept before the last removal

  async function download(films) {
    said.textContent = "Making the pictures …"
    try {
      const response = await fetch(new URL("api/explore/zip", window.location.href), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ films: films.map((film) => film.query) }),
      })
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error)
      saveBlob(await response.blob(), "synthetic_favourites.zip")
      said.textContent = ""
    } catch (error) {
      said.textContent = error.message || "The server does not answer. Is it still running?"
    }
  }

  function draw() {
    const films = favourites.all()
    const chosen = films.filter((film) => picked.has(favourites.keyOf(film)))
    const several = chosen.length ? chosen : films
    const pick = (film, on) => {
      if (on) picked.add(favourites.keyOf(film))
      else picked.delete(favourites.keyOf(film))
      draw()
    }
    const remove = (film) => {
      before = films
      picked.delete(favourites.keyOf(film))
      favourites.toggle(film)
    }
    const tile = (film, i) => {
      const { caption } = film
      const open = button("", () => openViewer(box, films.map((f) => [f]), i), {
        className: "open", ariaLabel: `Look at ${caption}`, title: caption,
      })
      open.append(element("img", { src: film.thumb ?? fullOf(film), alt: caption }))
      const check = element("input", {
        type: "checkbox", ariaLabel: `Choose ${caption}`, checked: chosen.includes(film),
        onchange: () => pick(film, check.checked),
      })
      const gone = button("×", () => remove(film), { className: "remove", ariaLabel: `Remove ${caption}` })
      return element("div", { className: "kept-film" }, open, check, gone)
    }
    const undo = () => {
      const back = before
      before = undefined
      favourites.keep(back)
    }
    kept.replaceChildren(...films.map(tile))
    said.textContent = films.length ? "" : "None yet: the star in the viewer keeps a picture here, in this browser."
    tools.replaceChildren(
      ...(films.length ? [
        button("Compare", () => openViewer(box, [chosen], 0), {
          disabled: chosen.length !== PAIR,
          title: "Choose two: they are shown beside each other, under the same window and zoom",
        }),
        button(`Download ${several.length}`, () => download(several), {
          title: "A zip file: each picture, and its latent, which brings it back",
        }),
      ] : []),
      before ? button("Undo", undo, { title: "Bring back what was removed" }) : "")
  }

  favourites.listen(draw, closing.signal)
  return closing
}

export default function ({ parentElement }) {
  const root = parentElement.querySelector(".tray")
  root.closing ??= start(root)
  return () => { root.closing?.abort(); root.closing = undefined }
}
