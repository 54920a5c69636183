// A fake over its nearest real, wiped away by drag, touch or arrow keys.

const STEPS = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }

export default function ({ data, parentElement }) {
  const wipe = parentElement.querySelector(".wipe")
  const handle = wipe.querySelector(".handle")
  wipe.closing?.abort()
  const { signal } = (wipe.closing = new AbortController())
  const [below, above] = [data.real, data.synthetic].map((film) => stillPane(film, signal).node)
  wipe.querySelector(".films").replaceChildren(below, above)
  wipe.querySelector(".cmp-real").textContent = data.real.mark
  wipe.querySelector(".cmp-synthetic").textContent = data.synthetic.mark

  function show(percent) {
    wipe.shown = Math.min(100, Math.max(0, percent))
    above.style.clipPath = `inset(0 ${100 - wipe.shown}% 0 0)`
    handle.style.left = `${wipe.shown}%`
    const whole = Math.round(wipe.shown)
    handle.setAttribute("aria-valuenow", whole)
    handle.setAttribute("aria-valuetext", `${whole}% ${data.synthetic.mark}, ${100 - whole}% ${data.real.mark}`)
  }
  const follow = (e) => {
    const { left, width } = wipe.getBoundingClientRect()
    show(100 * (e.clientX - left) / width)
  }
  wipe.onpointerdown = (e) => {
    wipe.setPointerCapture(e.pointerId)
    handle.focus({ preventScroll: true })
    follow(e)
    e.preventDefault()
  }
  wipe.onpointermove = (e) => { if (wipe.hasPointerCapture(e.pointerId)) follow(e) }
  handle.onkeydown = (e) => {
    if (!(e.key in STEPS)) return
    e.preventDefault()
    show(wipe.shown + STEPS[e.key])
  }
  show(wipe.shown ?? 50)
  return () => wipe.closing.abort()
}
