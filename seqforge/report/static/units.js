/* Units that represent a property of the text, saturation of gates, and what the memory of the model is worth. */
"use strict";
seqforge.parts.push((parent) => {
  const found = parent.run.units;
  if (!found?.units.length) return;
  const section = seqforge.section(
    parent,
    "units",
    "Units that mean something",
    "For each property of the text, the unit that predicts it best. The score is the correlation on text that did not select the unit; " +
      "the control is the same with the labels of other text. Blue is negative, orange positive.",
    "Cells",
  );
  const number = seqforge.runs.indexOf(parent.run);
  const list = seqforge.element("fieldset", { className: "unit-list" }, seqforge.element("legend", { className: "hidden-text" }, "Unit that is shown"));
  const text = seqforge.element("pre", { className: "text card cells", tabIndex: 0, role: "region", "aria-label": "Text colored by the activation of a unit" });
  found.units.forEach((unit, index) => {
    const input = seqforge.element("input", { type: "radio", name: `unit-${number}`, checked: index === 0 });
    input.addEventListener("change", () => show(unit));
    const score = Math.abs(unit.score);
    list.append(
      seqforge.element(
        "label",
        { className: "unit" },
        input,
        seqforge.element("span", { className: "name" }, seqforge.element("span", {}, unit.property), seqforge.element("span", {}, score.toFixed(2))),
        seqforge.element("span", { className: "meter", "--share": `${100 * score}%` }),
        seqforge.element("span", { className: "detail" }, seqforge.element("span", {}, unit.unit), seqforge.element("span", {}, `control ${unit.control.toFixed(2)}`)),
      ),
    );
  });
  const scale = seqforge.element("span", { className: "scale activation" }, "negative", seqforge.element("i"), "positive");
  section.append(
    seqforge.element("div", { className: "controls" }, scale),
    seqforge.element("div", { className: "units" }, list, text),
  );

  function show(unit) {
    const symbols = found.symbols.flatMap((piece, index) => (index ? ["\n", "\n", ...piece] : piece));
    const levels = unit.levels.flatMap((piece, index) => (index ? [0, 0, ...piece] : piece));
    seqforge.fillCells(text, symbols, (at) => activationColor(levels[at] / 127), (at) => [
      seqforge.element("strong", {}, seqforge.symbolName(symbols[at])),
      ` ${unit.unit}: ${(levels[at] / 127).toFixed(2)} of its range`,
    ]);
  }

  function activationColor(level) {
    const color = level < 0 ? "light-dark(#5b8def, #3a6bd8)" : "light-dark(#f0a04b, #c46f17)";
    return `color-mix(in srgb, ${color} ${Math.round(90 * Math.abs(level))}%, transparent)`;
  }

  show(found.units[0]);
});

seqforge.parts.push((parent) => {
  if (!parent.run.units) return;
  const { gates, ungated } = parent.run.units;
  const section = seqforge.section(
    parent,
    "gates",
    "Saturation of gates",
    gates.length
      ? "Each circle is a unit: how much of the time its gate is open (above 0.9) and closed (below 0.1). A forget gate far to the right keeps its " +
        "content for long; a gate near the origin is seldom saturated."
      : "",
    "Gates",
  );
  const name = "http://www.w3.org/2000/svg";
  const shape = (tag, attributes, text = "") => {
    const made = document.createElementNS(name, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  const grid = seqforge.element("div", { className: "gates" });
  const layers = new Set(gates.map((gate) => gate.layer)).size;
  for (const gate of gates) {
    const svg = shape("svg", { viewBox: "0 0 200 190", role: "img" });
    const [left, right] = [0, 1].map((side) => gate.units.reduce((sum, unit) => sum + unit[side], 0) / gate.units.length);
    const title = `${gate.gate} gate${layers > 1 ? `, layer ${gate.layer}` : ""}`;
    svg.setAttribute("aria-label", `${title}: on average ${(100 * left).toFixed(0)}% of the time closed, ${(100 * right).toFixed(0)}% open`);
    svg.append(shape("line", { x1: 24, y1: 160, x2: 194, y2: 160 }), shape("line", { x1: 24, y1: 160, x2: 24, y2: -4 }), shape("line", { x1: 24, y1: 4, x2: 180, y2: 160 }));
    for (const [closed, open] of gate.units) svg.append(shape("circle", { cx: 24 + 156 * open, cy: 160 - 156 * closed, r: 3 }));
    svg.append(
      shape("text", { x: 194, y: 176, "text-anchor": "end" }, "fraction of time open →"),
      shape("text", { x: 10, y: 4, "text-anchor": "end", transform: "rotate(-90 10 4)" }, "closed →"),
      shape("text", { x: 24, y: 176 }, "0"),
    );
    grid.append(seqforge.element("figure", { className: "card" }, seqforge.element("figcaption", {}, title[0].toUpperCase() + title.slice(1)), svg));
  }
  section.append(grid);
  if (ungated.length) {
    const which = ungated.join(", ");
    section.append(seqforge.element("p", { className: "muted small" }, `Without gates: ${which}. A gate is a sigmoid with one value for each hidden unit.`));
  }
});

seqforge.parts.push((parent) => {
  const found = parent.run.memory;
  if (!found) return;
  const gain = found.reset[0] - found.carried[0];
  const settled = found.distance.find((_, index) => found.reset[index] - found.carried[index] < 0.05);
  const section = seqforge.section(
    parent,
    "memory",
    "What memory is worth",
    `Bits per character against the number of characters since the state was reset, and for the same text with the state carried from before. ` +
      `On the first character the carried state saves ${gain.toFixed(2)} bits` +
      (settled ? `; after about ${Math.round(settled)} characters the difference is below 0.05 bits.` : "."),
    "Memory",
  );
  const box = seqforge.element("div", { role: "img", "aria-label": `Bits per character after a reset: ${found.reset[0].toFixed(2)} at first, ${found.reset.at(-1).toFixed(2)} at last; with the carried state: ${found.carried.at(-1).toFixed(2)}` });
  const legend = seqforge.element("ul", { className: "legend" });
  section.append(seqforge.element("div", { className: "chart" }, seqforge.element("header", {}, seqforge.element("h3", {}, "Bits per character"), legend), box));
  let plot = null;
  const draw = () => {
    plot?.destroy();
    legend.replaceChildren();
    const series = [["reset", "after a reset", "--run-1"], ["carried", "state carried", "--run-0"]].map(([key, label, name]) => {
      const color = seqforge.color(name);
      return { label, color, x: found.distance, values: found[key], width: 2, points: true };
    });
    const shown = series.map((one) => {
      const value = seqforge.element("b", {}, seqforge.format(one.values.at(-1)));
      legend.append(seqforge.element("li", {}, seqforge.element("i", { "--color": one.color }), `${one.label} `, value));
      return value;
    });
    plot = seqforge.plot(box, series, { height: 260, formatX: seqforge.format, shown, logarithmicX: true, xLabel: "characters since the reset" });
  };
  draw();
  seqforge.redraws.add(draw);
});
