// The viewer's controls: elements and what they do, without knowing how it is done.

export const THICKNESSES = [1, 3, 5, 9, 15, 31, 63];

/** An element with attributes and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function button(text, label, act) {
  const made = element("button", { type: "button", class: "tool", "aria-label": label, title: label }, text);
  made.addEventListener("click", act);
  return made;
}

function choice(label, options, act) {
  const made = element("select", { "aria-label": label, title: label });
  for (const [value, text] of options) made.append(element("option", { value: String(value) }, text));
  made.addEventListener("change", () => act(made.value));
  return made;
}

/**
 * The row of controls.
 * @param {object[]} volumes @param {Record<string, (...args: any[]) => void>} acts
 */
export function buildBar(volumes, acts) {
  const bar = {};
  bar.volume = choice("Volume", volumes.map((one, n) => [n, one.path]), (value) => acts.volume(Number(value)));
  bar.thickness = choice(
    "Slice thickness", THICKNESSES.map((n) => [n, n === 1 ? "1 slice" : `${n} slices`]), (value) => acts.thickness(Number(value)),
  );
  bar.projection = choice("How slices are put together", [["mean", "average"], ["max", "maximum"]], acts.projection);
  bar.low = element("input", { type: "range", min: "0", max: "1000", "aria-label": "Black" });
  bar.high = element("input", { type: "range", min: "0", max: "1000", "aria-label": "White" });
  for (const slider of [bar.low, bar.high]) slider.addEventListener("input", acts.contrast);
  bar.check = element("input", { type: "checkbox" });
  bar.check.addEventListener("change", acts.check);
  bar.checkLabel = element("label", { class: "check" }, bar.check, " Check bytes");
  bar.ortho = button("▦", "Three planes", acts.ortho);
  bar.models = button("Annotations", "Show the list of annotations", acts.models);
  bar.models.hidden = true;
  bar.neuroglancer = element(
    "a", { class: "tool", target: "_blank", rel: "noopener" }, "Neuroglancer ↗",
  );
  bar.neuroglancer.addEventListener("click", acts.neuroglancer);
  bar.root = element(
    "div",
    { class: "viewer-bar", role: "toolbar", "aria-label": "Viewer" },
    bar.volume, bar.thickness, bar.projection,
    element("label", { class: "contrast" }, element("span", {}, "Contrast"), bar.low, bar.high),
    button("Auto", "Auto contrast (A)", acts.auto),
    bar.ortho,
    button("−", "Zoom out (−)", () => acts.zoom(1 / 1.4)),
    button("+", "Zoom in (+)", () => acts.zoom(1.4)),
    button("Fit", "Fit the picture (R)", acts.fit),
    button("PNG", "Save the picture as PNG (S)", acts.save),
    button("Link", "Copy a link to this view", acts.link),
    button("⛶", "Full screen (F)", acts.full),
    bar.models, bar.neuroglancer, bar.checkLabel,
  );
  return bar;
}

/** The list of models with a tick box each. @param {object[]} models @param {(n: number, on: boolean) => void} act */
export function buildModels(models, act) {
  const list = element("fieldset", { class: "viewer-models" }, element("legend", {}, "Annotations"));
  const elsewhere = models.map(() => element("small", { class: "elsewhere" }));
  const boxes = models.map((one, n) => {
    const box = element("input", { type: "checkbox", disabled: Boolean(one.reason) });
    box.addEventListener("change", () => act(n, box.checked));
    const label = element("label", {}, box, element("span", { class: "name" }, one.path));
    if (one.reason) {
      label.append(element("small", {}, one.reason));
    } else {
      for (const object of one.model.objects.slice(0, 24)) {
        const swatch = element("span", { class: "swatch", title: object.name || "without a name" });
        swatch.style.backgroundColor = object.colour;
        label.append(swatch);
      }
      label.append(element("small", {}, modelWords(one.model)));
    }
    label.append(elsewhere[n]);
    list.append(label);
    return box;
  });
  return { list, boxes, elsewhere };
}

function modelWords(model) {
  const counted = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
  const contours = model.objects.reduce((sum, one) => sum + one.contour_count, 0);
  return [counted(model.objects.length, "object"), counted(contours, "contour"), counted(model.point_count, "point")].join(", ");
}

/** Gives a canvas to whoever looks, as a file. */
export function savePicture(canvas, name) {
  canvas.toBlob((blob) => {
    const link = element("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }, "image/png");
}
