/* Predictions for labelled examples: the confusion matrix, the worst examples, and alignments. */
"use strict";
seqforge.parts.push((parent) => {
  const found = parent.run.examples;
  if (!found) return;
  const where = `${found.count.toLocaleString("en")} ${found.split} examples`;
  if (found.confusion) showConfusion(found.confusion);
  showWorst();
  if (found.alignments.length) showAlignments();

  function shade(share) {
    return `color-mix(in srgb, var(--accent) ${Math.round(50 * share)}%, var(--sunken))`;
  }

  function showConfusion({ names, counts }) {
    const total = counts.flat().reduce((sum, count) => sum + count, 0);
    const correct = counts.reduce((sum, row, index) => sum + row[index], 0);
    const section = seqforge.section(parent, "confusion", "Confusion", `${((100 * correct) / Math.max(total, 1)).toFixed(1)}% of ${where} are right. Rows are targets, columns predictions; the shade is the share of the row.`);
    const head = seqforge.element("tr", {}, seqforge.element("td", { className: "corner" }), ...names.map((name) => seqforge.element("th", { scope: "col" }, seqforge.element("span", {}, ...seqforge.characters(name)))));
    const rows = counts.map((row, index) => {
      const sum = Math.max(1, row.reduce((total, count) => total + count, 0));
      const cells = row.map((count, column) => {
        return seqforge.element("td", { "--shade": shade(count / sum), title: `${names[index]} predicted as ${names[column]}: ${count}` }, count ? String(count) : "");
      });
      return seqforge.element("tr", {}, seqforge.element("th", { scope: "row" }, ...seqforge.characters(names[index])), ...cells);
    });
    const tall = names.some((name) => name.length > 3) ? " tall" : "";
    const table = seqforge.element("table", { className: `matrix${tall}` }, seqforge.element("thead", {}, head), seqforge.element("tbody", {}, ...rows));
    section.append(seqforge.element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Confusion matrix" }, table));
  }

  function showWorst() {
    const section = seqforge.section(parent, "worst", "Worst examples", `Those of ${where} with the highest loss.`);
    const items = found.worst.map((example) => {
      const isRight = example.right;
      const facts = [["predicted", seqforge.element("dd", { className: isRight ? "right" : "wrong" }, ...seqforge.characters(example.predicted || "nothing"))], ["target", seqforge.element("dd", {}, ...seqforge.characters(example.target))], ["loss", seqforge.element("dd", {}, seqforge.format(example.loss))]];
      if (example.confidence !== null) facts.push(["confidence", seqforge.element("dd", {}, `${(100 * example.confidence).toFixed(1)}%`)]);
      const input = example.picture ? drawPicture(example) : seqforge.element("pre", { className: "input", tabIndex: 0, "aria-label": "Input" }, ...seqforge.characters(example.text));
      return seqforge.element("li", { className: "card" }, input, seqforge.element("dl", {}, ...facts.flatMap(([name, value]) => [seqforge.element("dt", {}, name), value])));
    });
    section.append(seqforge.element("ul", { className: "worst" }, ...items));
  }

  function drawPicture(example) {
    const { columns, levels } = example.picture;
    const rows = Math.ceil(levels.length / columns);
    const canvas = seqforge.element("canvas", { width: columns, height: rows, role: "img", "aria-label": `Input ${example.name}` });
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    levels.forEach((level, at) => image.data.set([level, level, level, 255], 4 * at));
    context.putImageData(image, 0, 0);
    return canvas;
  }

  function showAlignments() {
    const section = seqforge.section(parent, "alignment", "Alignment", "Where the decoder looks while it writes: each row is a symbol of the output, each column a symbol of the input.");
    const body = seqforge.element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Alignment weights" });
    const options = found.alignments.map((matrix, index) => [String(index), matrix.source.join("").slice(0, 16)]);
    const show = (index) => {
      const { source, output, weights } = found.alignments[index];
      const head = seqforge.element("tr", {}, seqforge.element("td", { className: "corner" }), ...source.map((symbol) => seqforge.element("th", { scope: "col" }, seqforge.symbolName(symbol))));
      const rows = output.map((symbol, row) =>
        seqforge.element("tr", {}, seqforge.element("th", { scope: "row" }, seqforge.symbolName(symbol)), ...weights[row].map((weight, column) => seqforge.element("td", { "--shade": shade(weight), title: `${symbol} looks at ${source[column]}: ${weight}` }))),
      );
      body.replaceChildren(seqforge.element("table", { className: "matrix weights" }, seqforge.element("thead", {}, head), seqforge.element("tbody", {}, ...rows)));
    };
    section.append(seqforge.element("div", { className: "controls" }, seqforge.choice("Example", `alignment-${seqforge.runs.indexOf(parent.run)}`, options, "0", (index) => show(Number(index)))), body);
    show(0);
  }
});
