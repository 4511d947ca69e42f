/** The elements of the page. */

/** The element of an id; throws when the page has none of that kind. */
export function element<E extends HTMLElement = HTMLElement>(
  id: string,
  kind?: abstract new () => E,
): E {
  const found = document.getElementById(id);
  if (!found || (kind && !(found instanceof kind))) throw new Error(`the page lacks #${id}`);
  return found as E;
}

/** Sets a text, if it is another: screen readers speak again what is set again. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

const shapes = {
  free: ["circle", { r: "5" }],
  busy: ["path", { d: "M0-6.6 5.4 5.6 0 2.9-5.4 5.6Z" }],
} as const;

/** A driver's mark as on the map. */
export function glyph(busy: boolean): SVGSVGElement {
  const kind = busy ? "busy" : "free";
  const [name, attributes] = shapes[kind];
  const svg = svgElement("svg", {
    class: `glyph ${kind}`,
    viewBox: "-8 -8 16 16",
    "aria-hidden": "true",
  });
  svg.append(svgElement(name, attributes));
  return svg;
}

function svgElement<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>>,
): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
