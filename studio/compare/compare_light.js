// One window for every film of the page, told to the server once the hand is off it.

const SETTLE = 350 // ms

export default function ({ data, parentElement, setStateValue }) {
  const bar = parentElement.querySelector(".bar")
  // What the link asked for counts once: later the hand is ahead of the server.
  if (!bar.closing) {
    const view = pageView()
    const { signal } = (bar.closing = new AbortController())
    const { figures, tools } = windowControls(view, undefined, signal)
    view.set(View.from(data.window))
    bar.replaceChildren(...figures, ...tools, button("Reset", () => view.reset()))
    let timer, told = view.toString()
    const tell = () => { if (view.toString() !== told) setStateValue("window", (told = view.toString())) }
    view.listen(() => {
      clearTimeout(timer)
      timer = setTimeout(tell, SETTLE)
    }, signal)
    signal.addEventListener("abort", () => { clearTimeout(timer); view.reset() })
  }
  return () => { bar.closing?.abort(); bar.closing = undefined }
}
