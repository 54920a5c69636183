// One window for every film of the page, in the browser alone: a property that all components inherit.

const NEUTRAL = { brightness: 100, contrast: 100, invert: false }
const PROPERTY = "--films-light"

export default function ({ data, parentElement, setStateValue }) {
  const bar = parentElement.querySelector(".bar")
  const [brightness, contrast] = bar.querySelectorAll("input")
  const [invert, reset] = bar.querySelectorAll("button")

  // What the link asked for counts once: later the hand is ahead of the server.
  bar.light ??= { ...NEUTRAL, ...data }

  function draw() {
    const light = bar.light
    brightness.value = light.brightness
    contrast.value = light.contrast
    invert.ariaPressed = String(light.invert)
    const filter = `brightness(${light.brightness}%) contrast(${light.contrast}%) invert(${light.invert ? 1 : 0})`
    document.documentElement.style.setProperty(PROPERTY, filter)
  }
  const tell = () => setStateValue("light", bar.light)

  for (const [name, input] of Object.entries({ brightness, contrast })) {
    input.oninput = () => { bar.light[name] = Number(input.value); draw() }
    input.onchange = tell
  }
  invert.onclick = () => { bar.light.invert = !bar.light.invert; draw(); tell() }
  reset.onclick = () => { bar.light = { ...NEUTRAL }; draw(); tell() }
  draw()
  return () => document.documentElement.style.removeProperty(PROPERTY)
}
