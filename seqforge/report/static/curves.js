/* The curves of all runs: one chart for each value, with a common cursor. */
"use strict";
{
  const AXES = [["step", "Steps"], ["seconds", "Time"], ["characters", "Characters"]];
  const FIRST = ["Bits per character", "Loss"];
  const LAST = ["Gradient norm", "Learning rate", "Speed"];
  const state = { axis: "step", smoothing: 0.6, logarithmic: false };
  let plots = [];

  seqforge.showCurves = () => {
    const section = document.getElementById("curves");
    const charts = groupCurves();
    section.hidden = charts.size === 0;
    if (section.hidden) return;
    if (!section.dataset.ready) prepare(section);
    const main = section.querySelector(".charts");
    const other = section.querySelector(".charts.other");
    for (const plot of plots) plot.destroy();
    plots = [];
    main.replaceChildren();
    other.replaceChildren();
    for (const [title, curves] of charts) {
      if (curves.every((curve) => curve.value.every((value) => value === 0))) continue;
      const isSample = curves.some((curve) => curve.role === "sample" || curve.role === "baseline");
      if (isSample && curves.every((curve) => curve.value.length < 2)) continue;
      draw(isSample ? other : main, title, curves, main.childElementCount === 0 && !isSample);
    }
    // As few empty places as possible.
    const small = main.childElementCount - 1;
    main.classList.toggle("four", small % 4 === 0 || small % 3 === 1);
    section.querySelector(".more").hidden = other.childElementCount === 0;
  };
  seqforge.redraws.add(() => plots.length && seqforge.showCurves());

  function prepare(section) {
    section.dataset.ready = "yes";
    const smoothing = seqforge.element("input", { type: "range", min: 0, max: 0.98, step: 0.02, value: state.smoothing });
    smoothing.addEventListener("input", () => {
      state.smoothing = Number(smoothing.value);
      seqforge.showCurves();
    });
    const logarithmic = seqforge.element("input", { type: "checkbox" });
    logarithmic.addEventListener("change", () => {
      state.logarithmic = logarithmic.checked;
      seqforge.showCurves();
    });
    const choice = seqforge.choice("Horizontal axis", "axis", AXES, state.axis, (axis) => {
      state.axis = axis;
      seqforge.showCurves();
    });
    const controls = seqforge.element(
      "div",
      { className: "controls" },
      choice,
      seqforge.element("label", {}, "Smoothing", smoothing),
      seqforge.element("label", {}, logarithmic, "Logarithmic"),
    );
    section.append(
      seqforge.element("h2", {}, "Curves"),
      seqforge.element("p", { className: "lead" }, "Values of training steps and of samples are smoothed, with the logged values behind them. Point at a chart to read all of them at one moment; drag to zoom in, double-click to zoom out."),
      controls,
      seqforge.element("div", { className: "charts" }),
      seqforge.element(
        "details",
        { className: "more", open: matchMedia("(min-width: 52rem)").matches },
        seqforge.element("summary", {}, "What metrics find in samples, and in held-out text of the same length (dashed)"),
        seqforge.element("div", { className: "charts other" }),
      ),
    );
  }

  function groupCurves() {
    const charts = new Map();
    seqforge.runs.forEach((run, number) => {
      for (const curve of run.curves) {
        if (!charts.has(curve.chart)) charts.set(curve.chart, []);
        charts.get(curve.chart).push({ ...curve, run: number, name: run.name });
      }
    });
    // The values of a metric are next to each other, also if the log has some of them only later.
    const metrics = [...new Set([...charts.keys()].map(metricOf))];
    const rank = (title) => (FIRST.includes(title) ? FIRST.indexOf(title) - 9 : LAST.includes(title) ? 1e6 + LAST.indexOf(title) : metrics.indexOf(metricOf(title)));
    return new Map([...charts].sort(([one], [other]) => rank(one) - rank(other)));
  }

  function metricOf(title) {
    return title.split(".")[0];
  }

  /* Exponential moving average without the bias of its start. */
  function smooth(values, weight) {
    let [sum, mass] = [0, 0];
    return values.map((value) => {
      sum = weight * sum + (1 - weight) * value;
      mass = weight * mass + 1 - weight;
      return sum / mass;
    });
  }

  function makeSeries(curves) {
    const many = seqforge.runs.length > 1;
    const hasValidation = curves.some((curve) => curve.role === "validation");
    return curves.flatMap((curve) => {
      const color = seqforge.color(many ? seqforge.runColor(curve.run) : { training: "--muted", validation: "--run-0", sample: "--run-0", baseline: "--muted" }[curve.role]);
      const label = many ? manyLabel(curve, hasValidation) : curve.role;
      const x = curve[state.axis] ?? curve.step;
      const base = { label, color, x, values: curve.value };
      if (curve.role === "baseline") return [{ ...base, width: 2, dash: [5, 4] }];
      const isSmooth = curve.role === "validation" || curve.chart === "Learning rate";
      if (isSmooth || state.smoothing === 0 || curve.value.length < 8) {
        const points = curve.role !== "training" && curve.value.length <= 40;
        return [{ ...base, width: curve.role === "training" ? 1.6 : 2, points }];
      }
      const faint = { ...base, label: null, width: 1, alpha: 0.28 };
      const thin = many && hasValidation && curve.role === "training";
      return [faint, { ...base, values: smooth(curve.value, state.smoothing), width: thin ? 1.2 : 1.8, alpha: thin ? 0.65 : 1 }];
    });
  }

  /* The name of a run, with the split if a chart has both. Dashed baselines need no name. */
  function manyLabel({ name, role }, hasValidation) {
    if (role === "baseline") return null;
    return hasValidation ? `${name}, ${role}` : name;
  }

  function draw(parent, title, curves, isBig) {
    const series = makeSeries(curves);
    const legend = seqforge.element("ul", { className: "legend" });
    const shown = series.map((one) => {
      if (!one.label) return null;
      const value = seqforge.element("b", {}, seqforge.format(one.values.at(-1)));
      const line = seqforge.element("i", { className: one.dash ? "dashed" : one.width < 1.5 ? "thin" : "", "--color": one.color });
      legend.append(seqforge.element("li", {}, line, `${one.label} `, value));
      return value;
    });
    const box = seqforge.element("div", { role: "img", "aria-label": describe(title, curves) });
    const card = seqforge.element("div", { className: isBig ? "chart big" : "chart" });
    card.append(seqforge.element("header", {}, seqforge.element("h3", { title: seqforge.runs[curves[0].run].meanings[title] ?? "" }, spell(title)), legend), box);
    parent.append(card);
    const positive = series.every((one) => one.values.every((value) => value > 0));
    const plot = seqforge.plot(box, series, {
      height: isBig ? 300 : parent.classList.contains("other") ? 120 : 170,
      logarithmic: state.logarithmic && positive,
      formatX: state.axis === "seconds" ? seqforge.duration : seqforge.format,
      shown,
      sync: "curves",
    });
    plots.push(plot);
  }

  function spell(title) {
    return title.includes(".") ? title.replace(".", ": ").replaceAll("_", " ") : title;
  }

  function describe(title, curves) {
    const parts = curves.map((curve) => {
      const last = curve.value.at(-1);
      const low = Math.min(...curve.value);
      return `${curve.role}${seqforge.runs.length > 1 ? ` of ${curve.name}` : ""} from ${seqforge.format(curve.value[0])} to ${seqforge.format(last)}, lowest ${seqforge.format(low)}`;
    });
    return `${spell(title)}: ${parts.join("; ")}`;
  }

  /* Plot series of points with different positions. Return the plot, which has a method `destroy`. */
  seqforge.plot = (box, series, { height, logarithmic, formatX, shown = [], sync, logarithmicX = false, xLabel = "" }) => {
    const data = uPlot.join(series.map((one) => [one.x, one.values]));
    const [line, text] = [seqforge.color("--line"), seqforge.color("--muted")];
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const grid = { stroke: line, width: 1 };
    const options = {
      width: Math.max(200, box.clientWidth),
      height,
      legend: { show: false },
      cursor: { sync: sync ? { key: sync } : undefined, points: { size: 6 }, drag: { x: true, y: false }, dataIdx: nearest },
      scales: { x: { time: false, distr: logarithmicX ? 3 : 1, range: logarithmicX ? (_, low, high) => [low, high] : undefined }, y: { distr: logarithmic ? 3 : 1 } },
      axes: [
        { stroke: text, font, grid: { show: false }, ticks: grid, space: 70, values: ticks(formatX), label: xLabel || undefined, labelSize: 18, labelFont: font, size: 32 },
        { stroke: text, font, grid, ticks: { show: false }, size: 52, space: 32, values: ticks(seqforge.format) },
      ],
      series: [{}, ...series.map((one) => ({
        stroke: one.color,
        width: one.width,
        alpha: one.alpha ?? 1,
        dash: one.dash,
        spanGaps: true,
        points: { show: one.points ?? false, size: 5, fill: one.color },
      }))],
      hooks: {
        setCursor: [(plot) => {
          const inside = plot.cursor.left >= 0;
          series.forEach((one, number) => {
            const at = inside ? plot.cursor.idxs[number + 1] : null;
            const value = at === null || at === undefined ? one.values.at(-1) : plot.data[number + 1][at];
            if (shown[number]) shown[number].textContent = seqforge.format(value);
          });
        }],
      },
    };
    const plot = new uPlot(options, data, box);
    const observer = new ResizeObserver(() => box.clientWidth && plot.setSize({ width: box.clientWidth, height }));
    observer.observe(box);
    return { destroy: () => (observer.disconnect(), plot.destroy()) };
  };

  function ticks(format) {
    return (_, values) => values.map((value) => (value === null ? "" : format(value)));
  }

  /* Return the index of the nearest point of a series, since series have different positions. */
  function nearest(plot, number, index) {
    const values = plot.data[number];
    if (number === 0 || values[index] !== null && values[index] !== undefined) return index;
    for (let by = 1; by < values.length; by++)
      for (const at of [index - by, index + by]) if (values[at] !== null && values[at] !== undefined) return at;
    return index;
  }
}
