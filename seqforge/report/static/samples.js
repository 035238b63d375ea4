/* The samples of a run at every moment of training, with faults marked in place. */
"use strict";
seqforge.parts.push((parent) => {
  const samples = parent.run.samples;
  if (!samples) return;
  const { moments } = samples;
  const hasFaults = moments.some((moment) => moment.texts.some((sample) => sample.faults.length));
  const lead = hasFaults
    ? "What the model wrote at each moment of training. Errors are red, doubtful places yellow: point at one, or reach it with the Tab key, to read what is wrong."
    : parent.run.examples !== undefined
      ? "Predictions for a few held-out examples at each moment of training."
      : "What the model wrote at each moment of training.";
  const title = parent.run.examples !== undefined ? "Predictions" : "Samples";
  const section = seqforge.section(parent, "samples", title, lead);
  let [moment, number] = [moments.length - 1, 0];
  let metric = "all";
  const id = `moment-${seqforge.runs.indexOf(parent.run)}`;
  const slider = seqforge.element("input", { type: "range", min: 0, max: moments.length - 1, step: 1, value: moment, id });
  const output = seqforge.element("output", { htmlFor: id });
  const numbers = seqforge.element("span");
  const filters = seqforge.element("span");
  const text = seqforge.element("pre", { className: "text card", tabIndex: 0, role: "region", "aria-label": "Sample" });
  const side = seqforge.element("aside", { className: "card", "aria-label": "Counts of this moment" });
  const label = seqforge.element("label", { htmlFor: id }, "Moment");
  const controls = seqforge.element("div", { className: "controls" }, label, slider, output, numbers, filters);
  if (moments.length < 2) slider.hidden = label.hidden = true;
  section.append(controls, seqforge.element("div", { className: "split" }, text, side));

  slider.addEventListener("input", () => {
    moment = Number(slider.value);
    show();
  });

  const metrics = [...new Set(moments.flatMap((one) => one.texts.flatMap((sample) => sample.faults.map((fault) => fault[3]))))];
  if (metrics.length > 1) {
    const options = [["all", "All"], ...metrics.map((name) => [name, name])];
    filters.append(seqforge.choice("Metric whose findings are marked", `${id}-metric`, options, metric, (name) => {
      metric = name;
      show();
    }));
  }

  function show() {
    const here = moments[moment];
    number = Math.min(number, here.texts.length - 1);
    output.textContent = `step ${here.step.toLocaleString("en")}`;
    const options = here.texts.map((_, index) => [String(index), String(index + 1)]);
    numbers.replaceChildren(
      ...(options.length > 1
        ? [seqforge.choice("Sample", `${id}-number`, options, String(number), (index) => {
            number = Number(index);
            fill();
          })]
        : []),
    );
    fill();
    showCounts(here);
  }

  function fill() {
    seqforge.fillText(text, moments[moment].texts[number], (fault) => metric === "all" || fault[3] === metric);
    text.scrollTop = 0;
  }

  function showCounts(here) {
    side.replaceChildren();
    const faults = here.texts.flatMap((sample) => sample.faults);
    if (hasFaults) {
      const characters = here.texts.reduce((sum, sample) => sum + sample.text.length, 0);
      const counts = ["error", "warning"].map((severity) => {
        const count = faults.filter((fault) => fault[2] === severity).length;
        return seqforge.element("span", { className: `count ${severity}` }, `${count} ${severity}${count === 1 ? "" : "s"}`);
      });
      side.append(
        seqforge.element("h3", {}, `In ${here.texts.length === 1 ? "this sample" : `these ${here.texts.length} samples`}`),
        seqforge.element("p", { className: "small" }, ...counts),
        seqforge.element("p", { className: "muted small" }, `${characters.toLocaleString("en")} characters${here.omitted ? `; ${here.omitted} more samples are in the run directory` : ""}`),
      );
    }
    if (here.summary.length) side.append(seqforge.element("ul", { className: "summary" }, ...here.summary.map((line) => seqforge.element("li", {}, line))));
    if (here.scores.length) {
      const summary = seqforge.element("summary", {}, "Every value");
      side.append(seqforge.element("details", { open: !here.summary.length }, summary, scoreTable(here.scores)));
    }
    side.hidden = side.childElementCount === 0;
    side.parentElement.classList.toggle("split", !side.hidden);
  }

  function scoreTable(scores) {
    const head = seqforge.element("tr", {}, ...["Metric", "samples", "held-out", "excess"].map((name) => seqforge.element("th", { scope: "col" }, name)));
    const silent = scores.filter(([, value, baseline]) => !value && !baseline);
    const groups = new Map();
    for (const score of scores.filter((one) => !silent.includes(one))) {
      const [metric] = score[0].split(".");
      groups.set(metric, [...(groups.get(metric) ?? []), score]);
    }
    const bodies = [...groups].map(([metric, rows]) => {
      const title = seqforge.element("tr", {}, seqforge.element("th", { className: "group", scope: "rowgroup", colSpan: 4 }, metric.replaceAll("_", " ")));
      return seqforge.element("tbody", {}, title, ...rows.map(scoreRow));
    });
    const table = seqforge.element("table", { className: "values" }, seqforge.element("thead", {}, head), ...bodies);
    const note = seqforge.element("p", { className: "muted small", hidden: !silent.length }, `${silent.length} more are 0 in both.`);
    return seqforge.element("div", {}, table, note);
  }

  /* The bounds of a bootstrap interval, below the value. */
  function bounds(interval) {
    if (!interval) return [];
    const text = `${short(interval[0])} – ${short(interval[1])}`;
    return [seqforge.element("br", {}), seqforge.element("small", { className: "muted", title: "95 % bootstrap interval" }, text)];
  }

  /* The value of the samples, that of held-out text, and by how much the samples exceed it. */
  function scoreRow([name, value, baseline, interval, spread, title]) {
    const excess = baseline === null ? "" : `${value > baseline ? "+" : ""}${short(value - baseline)}`.replace("-", "−");
    return seqforge.element(
      "tr",
      {},
      seqforge.element("th", { scope: "row", title }, name.slice(name.indexOf(".") + 1).replaceAll("_", " ")),
      seqforge.element("td", {}, short(value), ...bounds(interval)),
      seqforge.element("td", { className: "muted" }, baseline === null ? "" : short(baseline), ...bounds(spread)),
      seqforge.element("td", {}, excess),
    );
  }

  function short(value) {
    const size = Math.abs(value);
    return size >= 1e4 ? seqforge.format(value) : String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)));
  }

  show();
});
