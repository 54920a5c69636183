// Crops to look through: each opens its film, or is left out and taken back by a click.

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

export default function ({ data, parentElement, setTriggerValue }) {
  const act = (what, card) => setTriggerValue("act", { what, film: card.film, knee: card.knee })
  const button = (textContent, what, card) =>
    element("button", { type: "button", textContent, ariaLabel: `${textContent}: ${card.said}`, onclick: () => act(what, card) })
  parentElement.querySelector(".knees").replaceChildren(...data.cards.map((card) =>
    element("figure", { className: [card.doubtful ? "doubtful" : "", card.used ? "" : "out"].join(" ") },
      element("img", { src: card.src, alt: card.said }),
      element("figcaption", {},
        element("b", { textContent: card.title }), element("span", { textContent: card.film, title: card.film }),
        element("div", {},
          button(card.knee < 0 ? "Draw a box" : "Box", "edit", card),
          ...(card.knee < 0 ? [] : [button(card.used ? "Leave out" : "Use", "use", card)]))))))
}
