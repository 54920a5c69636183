// The room keeps its own state and asks the server after each answer; a rerun of the page leaves it alone.

const WORDS = {
  single: {
    question: "Is this image real or synthetic?",
    about: (n) => `${n} images, one at a time: half of them real, half made by a computer.`,
    answers: [["synthetic", "Synthetic"], ["real", "Real"]],
    alts: (n, total) => [`Image ${n} of ${total}`],
  },
  pair: {
    question: "Which of the two is real?",
    about: (n) => `${n} pairs: of each, one is real and one was made by a computer.`,
    answers: [["left", "Left is real"], ["right", "Right is real"]],
    alts: (n, total) => [`Left image of pair ${n} of ${total}`, `Right image of pair ${n} of ${total}`],
  },
}
const PATIENCE = 20000 // milliseconds; what is sent twice counts once
const SURE = ["guessing", "unsure", "fairly sure", "sure", "certain"]

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}
const button = (className, onclick, ...children) => element("button", { type: "button", className, onclick }, ...children)
const key = (name) => element("kbd", { textContent: name })

// Counts only while an image is to be seen.
function stopwatch() {
  let spent = 0
  let since = null
  return {
    zero() { spent = 0; since = null },
    run() { since ??= performance.now() },
    halt() { if (since !== null) { spent += performance.now() - since; since = null } },
    seconds() { return (spent + (since === null ? 0 : performance.now() - since)) / 1000 },
  }
}

function open(card, room, { study, kind, total, done }) {
  const words = WORDS[kind]
  const clock = stopwatch()
  const films = new Map()
  let state = { done, total, now: [], next: [] }
  let ready = false // an image is to be seen and waits for its answer
  let asking = false // an answer, or its taking back, is under way, or has failed and waits for another try
  let choice = null
  let confidence = null

  async function ask(path = "", body = null) {
    const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }
    let response
    try {
      response = await fetch(`api/study/${study}${path}`, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...options })
    } catch {
      throw new Error("The server does not answer.")
    }
    const said = await response.json().catch(() => null)
    if (typeof said?.done !== "number") throw new Error(said?.error ?? "The server does not answer as it should.")
    return said
  }

  function film(name) {
    if (!films.has(name)) films.set(name, element("img", { src: `api/study-image/${name}`, draggable: false }))
    return films.get(name)
  }

  // The room

  const place = element("p", { className: "place" })
  const bar = element("progress", { max: total, ariaLabel: "Progress" })
  const view = element("div", { className: `view ${kind}` })
  const status = element("p", { className: "status", role: "status" })
  const answers = words.answers.map(([value, label], i) =>
    button("answer", () => choose(value), ...(i ? [label, key("→")] : [key("←"), label])))
  const levels = SURE.map((label, i) =>
    button("level", () => sure(i + 1), element("b", { textContent: i + 1 }), element("span", { textContent: label })))
  const back = button("quiet", undo, "Take back the last ", key("⌫"))
  const result = button("answer result", end, "See the result")
  const panel = element("div", { className: "panel" },
    element("p", { className: "question", textContent: words.question }),
    element("div", { className: "answers" }, ...answers),
    element("div", { className: "levels", role: "group", ariaLabel: "How sure are you?" }, ...levels))
  room.replaceChildren(
    element("header", {}, place, bar, button("quiet", () => room.close(), "Pause ", key("Esc"))),
    view, panel, element("footer", {}, back, status))

  function draw() {
    place.textContent = state.done < total ? `${state.done + 1} of ${total}` : `${total} of ${total}`
    bar.value = state.done
    back.disabled = state.done === 0
    panel.classList.toggle("waiting", !ready)
    answers.forEach((node, i) => { node.ariaPressed = String(choice === words.answers[i][0]) })
    levels.forEach((node, i) => { node.ariaPressed = String(confidence === i + 1) })
    card.dispatchEvent(new CustomEvent("draw"))
  }

  async function show(next) {
    state = next
    ready = false
    choice = confidence = null
    clock.zero()
    if (state.ended) return finish()
    if (state.done === total) {
      view.replaceChildren(element("div", { className: "last" },
        element("p", { textContent: "That was the last one. All your answers are saved." }), result))
      panel.hidden = true
      draw()
      if (room.open) result.focus()
      return
    }
    panel.hidden = false
    const shown = state.now.map(film)
    try {
      await Promise.all(shown.map((image) => image.decode()))
    } catch {
      state.now.forEach((name) => films.delete(name))
      return trouble("The image could not be loaded.", refresh)
    }
    const alts = words.alts(state.done + 1, total)
    shown.forEach((image, i) => {
      image.alt = alts[i]
      image.onclick = kind === "pair" ? () => choose(words.answers[i][0]) : null
    })
    view.replaceChildren(...shown)
    ready = true
    draw()
    if (room.open && !document.hidden) clock.run()
    state.next.forEach(film) // fetched while one looks
    for (const name of films.keys()) if (![...state.now, ...state.next].includes(name)) films.delete(name)
  }

  function trouble(what, again) {
    const told = room.open ? status : problem
    told.replaceChildren(`${what} Nothing is lost. `, button("quiet", again, "Try again"))
  }

  async function refresh() {
    if (asking) return
    try {
      const next = await ask()
      status.textContent = problem.textContent = ""
      if (next.done !== state.done || next.ended || !ready) await show(next)
    } catch (e) {
      trouble(e.message, refresh)
    }
  }

  function choose(value) {
    if (!ready) return
    choice = value
    send()
  }
  function sure(level) {
    if (!ready) return
    confidence = level
    send()
  }

  async function send() {
    draw()
    status.textContent = ""
    if (!choice) { status.textContent = "Choose an answer first."; return }
    if (!confidence) { status.textContent = "How sure are you, 1 to 5?"; return }
    const given = { position: state.done, choice, confidence, seconds: Math.round(clock.seconds() * 100) / 100 }
    ready = false
    asking = true
    clock.halt()
    try {
      const next = await ask("/answer", given)
      if (next.done !== given.position + 1 && !next.ended) status.textContent = "This study was continued in another window."
      await show(next)
      asking = false
    } catch (e) {
      trouble(`${e.message} Your last answer is not saved yet.`, send)
    }
  }

  function undo() {
    if (state.done > 0 && !asking) takeBack()
  }

  async function takeBack() {
    asking = true
    ready = false // what is typed from here on is meant for the image that comes back
    clock.halt()
    try {
      await show(await ask("/undo", { position: state.done - 1 }))
      status.textContent = "Your last answer was taken back."
      asking = false
    } catch (e) {
      trouble(e.message, takeBack)
    }
  }

  async function end() {
    try {
      await show(await ask("/end", {}))
    } catch (e) {
      trouble(e.message, end)
    }
  }

  function finish() {
    room.close()
    card.replaceChildren(element("p", { textContent: "Counting…" }))
    card.ended()
  }

  room.onkeydown = (e) => {
    e.stopPropagation() // the page has keys of its own
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || e.key === "Escape") return
    const does = {
      ArrowLeft: () => choose(words.answers[0][0]), ArrowRight: () => choose(words.answers[1][0]), Backspace: undo,
    }[e.key] ?? (/^[1-5]$/.test(e.key) ? () => sure(Number(e.key)) : null)
    if (!does) return
    e.preventDefault()
    does()
  }
  room.onclose = () => { clock.halt(); go.focus() }

  async function enter() {
    room.showModal()
    room.focus()
    await refresh()
    if (ready) clock.run()
    if (state.done === total) result.focus()
  }

  // The door

  const go = button("go", enter)
  const where = element("p")
  const copy = button("plain", async () => {
    try {
      await navigator.clipboard.writeText(window.location.href)
      copy.textContent = "Copied"
    } catch {
      window.prompt("Copy this link", window.location.href)
    }
  }, "Copy the link to this study")
  const stop = button("plain", () => {
    if (stop.dataset.sure || state.done === total) return end()
    stop.dataset.sure = "yes"
    stop.textContent = "Yes, end it: no more answers after that"
  })
  const problem = element("p", { className: "status", role: "status" })
  card.addEventListener("draw", () => {
    const over = state.done === total
    go.textContent = over ? "Back to the last one" : state.done ? "Go on" : "Begin"
    go.className = over ? "plain" : "go"
    where.textContent = over
      ? `All ${total} are answered and saved.`
      : state.done
        ? `${state.done} of ${total} are answered and saved. Anyone with the link to this page can continue, even after a restart.`
        : words.about(total)
    stop.hidden = state.done === 0
    stop.className = over ? "go" : "plain"
    if (!stop.dataset.sure) stop.textContent = over ? "See the result" : "End here and see the result"
  })
  card.replaceChildren(
    where,
    element("p", { className: "keys" },
      key("←"), ` ${words.answers[0][1].toLowerCase()} `, key("→"), ` ${words.answers[1][1].toLowerCase()}, then `,
      key("1"), " guessing to ", key("5"), " certain. ", key("⌫"), " takes back the last answer, ", key("Esc"), " pauses. ",
      "Or press the buttons."),
    element("p", { textContent: "Say which it is, then how sure you are. Take the time you need: it is recorded for each image, pauses excluded." }),
    element("div", { className: "row" }, go, copy, stop), problem)
  draw()
  go.focus()

  // Another tab may have gone on meanwhile; a hidden one is not being looked at.
  const seen = () => {
    if (document.hidden) return clock.halt()
    if (room.open) refresh().then(() => { if (ready) clock.run() })
  }
  document.addEventListener("visibilitychange", seen)
  window.addEventListener("focus", seen)
  return () => {
    document.removeEventListener("visibilitychange", seen)
    window.removeEventListener("focus", seen)
    room.close()
  }
}

const rooms = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const card = parentElement.querySelector(".card")
  const room = parentElement.querySelector(".room")
  card.ended = () => setTriggerValue("ended", true)
  if (!rooms.has(room)) rooms.set(room, open(card, room, data))
  return () => { rooms.get(room)?.(); rooms.delete(room) }
}
