/* The start of the page, and the updates of a page that follows a run. */
"use strict";
{
  const SECONDS = 2;

  function showRuns() {
    const container = document.getElementById("runs");
    container.replaceChildren();
    const articles = seqforge.runs.map((run) => {
      const element = seqforge.element("div", { className: "parts" });
      container.append(element);
      for (const part of seqforge.parts) part({ run, element });
      return element;
    });
    if (articles.length > 1) {
      const options = seqforge.runs.map((run, index) => [String(index), run.name]);
      const choose = (index) => {
        articles.forEach((article, number) => (article.hidden = number !== Number(index)));
        seqforge.link();
      };
      const choice = seqforge.choice("Run whose samples and model are shown", "run", options, "0", choose);
      container.prepend(seqforge.element("div", { className: "controls" }, "Samples and model of ", choice));
      choose("0");
    }
    seqforge.link();
  }

  function colorRuns() {
    document.querySelectorAll(".run[data-run]").forEach((run) => {
      run.querySelector(".swatch")?.style.setProperty("--color", `var(${seqforge.runColor(Number(run.dataset.run))})`);
    });
  }

  async function follow() {
    const status = document.getElementById("live");
    status.hidden = false;
    let tag = "";
    for (;;) {
      try {
        const answer = await fetch("data.json", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
        if (answer.status === 200) {
          tag = answer.headers.get("ETag");
          const news = await answer.json();
          update(news);
          status.textContent = news.status;
          status.classList.toggle("ended", news.ended);
          if (news.ended) return;
        } else if (answer.status !== 304) {
          status.textContent = await answer.text();
        }
      } catch {
        status.textContent = "The server has stopped.";
        status.classList.add("ended");
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000 * SECONDS));
    }
  }

  function update(news) {
    const before = seqforge.runs[0];
    seqforge.runs[0] = { ...before, ...news.data };
    seqforge.showCurves();
    // The scores of a sample may follow its text.
    const [shown, last] = [before.samples, news.data.samples].map((samples) => JSON.stringify(samples?.moments.at(-1)));
    if (shown !== last) showRuns();
    const figures = document.querySelector(".figures");
    figures.replaceChildren(...news.figures.map(([label, value]) => seqforge.element("div", {}, seqforge.element("dt", {}, label), seqforge.element("dd", {}, value))));
    const state = document.querySelector(".state");
    state.textContent = news.state;
    state.className = `state ${news.state}`;
  }

  seqforge.read();
  colorRuns();
  seqforge.theme();
  seqforge.showCurves();
  showRuns();
  if ("live" in document.body.dataset) follow();
}
