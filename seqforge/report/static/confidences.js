/* A text colored by the probability of each symbol, with the likeliest symbols at each place. */
"use strict";
seqforge.parts.push((parent) => {
  const found = parent.run.confidences;
  if (!found) return;
  const section = seqforge.section(
    parent,
    "confidence",
    "Confidence",
    `Each symbol of ${found.source} is colored by the probability that the model gave it, before it read it: green was expected, red was a surprise. ` +
      "Point at a symbol, or use the arrow keys, for the five likeliest.",
  );
  const text = seqforge.element("pre", { className: "text card cells", tabIndex: 0, role: "region", "aria-label": "Text colored by confidence" });
  const scale = seqforge.element("span", { className: "scale confidence" }, "surprise", seqforge.element("i"), "expected");
  const mean = seqforge.element("span", { className: "muted" }, `${seqforge.format(found.bits)} bits per symbol on this text`);
  section.append(seqforge.element("div", { className: "controls" }, scale, mean), text);
  seqforge.fillCells(text, found.symbols, (at) => confidenceColor(found.probabilities[at]), describe);

  function confidenceColor(probability) {
    // Neutral at one quarter: of the many symbols that may follow, a likely one seldom has more than a half.
    const [color, share] = probability < 0.25
      ? ["light-dark(#e0564a, #cf473d)", (1 - 4 * probability) * 0.8]
      : ["light-dark(#5dbb82, #2f8f5b)", ((probability - 0.25) / 0.75) * 0.75];
    return `color-mix(in srgb, ${color} ${Math.round(100 * share)}%, transparent)`;
  }

  function describe(at) {
    const probability = found.probabilities[at];
    const title = seqforge.element("div", {}, seqforge.element("strong", {}, seqforge.symbolName(found.symbols[at])), ` had probability ${percent(probability)}`);
    const items = found.likeliest[at].map(([symbol, value]) =>
      seqforge.element(
        "li",
        {},
        seqforge.element("span", {}, seqforge.symbolName(symbol)),
        seqforge.element("span", { className: "meter", "--share": `${100 * value}%` }),
        seqforge.element("span", {}, percent(value)),
      ),
    );
    return [title, seqforge.element("ol", {}, ...items)];
  }

  function percent(value) {
    return value >= 0.001 ? `${(100 * value).toFixed(1)}%` : value === 0 ? "0%" : `${(100 * value).toExponential(0)}%`;
  }
});
